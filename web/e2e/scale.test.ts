import type { Page } from 'playwright-core'
import { afterEach, expect, test } from 'vitest'
import type { Doing, Frames } from './frames.ts'
import { bestOf } from './frames.ts'
import { look } from './look.ts'
import { Master, open } from './stage.ts'

let master: Master

afterEach(() => master.stop())

/**
 * On a machine that does nothing else (FRAMES=1, as hack/web.sh frames has it) no task is long, by the clock. Tests run
 * where much goes on: what the page's thread itself spends on a frame tells the same there.
 */
function expectSmooth(m: Frames) {
  expect(m.own, 'the dearest frame').toBeLessThan(50)
  if (process.env.FRAMES) expect(m.task, 'the longest task').toBeLessThan(50)
}

/** Turns the wheel, down in the first round, up in the next. */
const wheel = (page: Page, times: number, by: number): Doing => async (round, turned) => {
  await page.mouse.move(600, 600)
  for (let i = 0; i < times; i++) {
    await page.mouse.wheel(0, round % 2 ? by : -by)
    await page.waitForTimeout(16)
    await turned()
  }
}

test('a cluster of more than 10,000 containers scrolls and filters', async () => {
  master = await Master.start('large')
  const t = await open(`${master.url}/clusters/large?tab=containers`)
  const grid = t.page.getByRole('grid', { name: 'Containers' })
  const shown = () => grid.getAttribute('aria-rowcount').then((n) => Number(n) - 1)
  const begin = performance.now()
  await expect.poll(shown, { timeout: 20_000 }).toBeGreaterThan(10_000)
  console.log(`${await shown()} containers after ${Math.round(performance.now() - begin)} ms`)
  expect(await t.page.locator('[role=row]').count()).toBeLessThan(80)
  const search = t.page.getByLabel('Search containers')
  const measured = [
    await bestOf(t.page, 'scrolling containers', wheel(t.page, 60, 120)),
    await bestOf(t.page, 'flying through containers', wheel(t.page, 60, 3000)),
    await bestOf(t.page, 'filtering containers', async (_, turned) => {
      for (const key of 'search-77') {
        await search.pressSequentially(key, { delay: 60 })
        await turned()
      }
      await t.page.locator('[role=row]', { hasText: 'CrashLoopBackOff' }).waitFor()
      await search.fill('')
      await expect.poll(shown).toBeGreaterThan(10_000)
      await turned()
    }),
  ]
  measured.forEach(expectSmooth)
  if (process.env.FRAMES) for (const m of measured) expect(m.median).toBeLessThan(17)
  await grid.focus()
  await t.page.keyboard.press('End')
  await expect.poll(() => grid.locator('.row.active').count()).toBe(1)
  await look(t.page, 'large', 'light')
  expect(t.complaints).toEqual([])
}, 120_000)

test('thousands of clusters', async () => {
  master = await Master.start('thousands')
  const t = await open(master.url)
  await t.page.getByText('2,500').waitFor({ timeout: 20_000 })
  expect(await t.page.locator('[role=row]').count()).toBeLessThan(60)
  await t.page.getByRole('button', { name: 'Only problems' }).click()
  await t.page.getByText(/^\d+ of 2,500$/).waitFor()
  await t.page.getByRole('columnheader', { name: 'Health' }).getByRole('button').click()
  await expect.poll(() => t.page.locator('[role=row] [role=gridcell]').first().innerText()).toContain('Unreachable')
  await look(t.page, 'thousands', 'light')
  await t.page.getByRole('button', { name: 'Only problems' }).click()
  const scrolling = await bestOf(t.page, 'scrolling clusters', wheel(t.page, 60, 300))
  expectSmooth(scrolling)
}, 120_000)
