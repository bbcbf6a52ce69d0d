import type { Page } from 'playwright-core'
import { afterEach, expect, test } from 'vitest'
import { checkView } from './checkview.ts'
import type { Frames, Interaction } from './frames.ts'
import { bestRun } from './frames.ts'
import { Master, open } from './harness.ts'

let master: Master

afterEach(() => master.stop())

/**
 * Checks that frames are short: by the CPU time of the main thread, which does not depend on the load of the machine.
 * With FRAMES=1, which hack/web.sh frames sets for an idle machine, it also checks that no task is long.
 */
function expectSmooth(m: Frames) {
  expect(m.cpuTime, 'CPU time of a frame').toBeLessThan(50)
  if (process.env.FRAMES) expect(m.longestTask, 'the longest task').toBeLessThan(50)
}

/** Scrolls with the mouse wheel: down in the first round, up in the next. */
const wheel =
  (page: Page, times: number, by: number): Interaction =>
  async (round, stepDone) => {
    await page.mouse.move(600, 600)
    for (let i = 0; i < times; i++) {
      await page.mouse.wheel(0, round % 2 ? by : -by)
      await page.waitForTimeout(16)
      await stepDone()
    }
  }

test('a cluster of more than 10,000 containers scrolls and filters', async () => {
  master = await Master.start('large')
  const t = await open(`${master.url}/clusters/large?tab=containers`)
  const grid = t.page.getByRole('grid', { name: 'Containers' })
  const shown = () => grid.getAttribute('aria-rowcount').then((n) => Number(n) - 1)
  const start = performance.now()
  await expect.poll(shown, { timeout: 20_000 }).toBeGreaterThan(10_000)
  console.log(`${await shown()} containers after ${Math.round(performance.now() - start)} ms`)
  expect(await t.page.locator('[role=row]').count()).toBeLessThan(80)
  const search = t.page.getByLabel('Search containers')
  const measured = [
    await bestRun(t.page, 'scrolling containers', wheel(t.page, 60, 120)),
    await bestRun(t.page, 'scrolling fast through containers', wheel(t.page, 60, 3000)),
    await bestRun(t.page, 'filtering containers', async (_, stepDone) => {
      for (const key of 'search-77') {
        await search.pressSequentially(key, { delay: 60 })
        await stepDone()
      }
      await t.page.locator('[role=row]', { hasText: 'CrashLoopBackOff' }).waitFor()
      await search.fill('')
      await expect.poll(shown).toBeGreaterThan(10_000)
      await stepDone()
    }),
  ]
  measured.forEach(expectSmooth)
  if (process.env.FRAMES) for (const m of measured) expect(m.median).toBeLessThan(17)
  await grid.focus()
  await t.page.keyboard.press('End')
  await expect.poll(() => grid.locator('.row.active').count()).toBe(1)
  await checkView(t.page, 'large', 'light')
  expect(t.errors).toEqual([])
}, 120_000)

test('2,500 clusters are filtered, sorted and scrolled', async () => {
  master = await Master.start('thousands')
  const t = await open(master.url)
  await t.page.getByText('2,500').waitFor({ timeout: 20_000 })
  expect(await t.page.locator('[role=row]').count()).toBeLessThan(60)
  await t.page.getByRole('button', { name: 'Only problems' }).click()
  await t.page.getByText(/^\d+ of 2,500$/).waitFor()
  await t.page.getByRole('columnheader', { name: 'Health' }).getByRole('button').click()
  await expect.poll(() => t.page.locator('[role=row] [role=gridcell]').first().innerText()).toContain('Unreachable')
  await checkView(t.page, 'thousands', 'light')
  await t.page.getByRole('button', { name: 'Only problems' }).click()
  const scrolling = await bestRun(t.page, 'scrolling clusters', wheel(t.page, 60, 300))
  expectSmooth(scrolling)
}, 120_000)
