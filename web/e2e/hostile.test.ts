import type { Page } from 'playwright-core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { look } from './look.ts'
import { Master, open } from './stage.ts'

let master: Master

beforeEach(async () => void (master = await Master.start('hostile')))
afterEach(() => master.stop())

const long = 'a23456789.'.repeat(25) + 'xyz'

async function unharmed(page: Page) {
  expect(await page.evaluate(() => (window as unknown as { pwned?: number }).pwned)).toBeUndefined()
  expect(await page.locator('#root :is(script, img, iframe, object, a[href^="javascript"])').count()).toBe(0)
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0)
}

test.each(['overview', 'nodes', 'containers', 'ports', 'changes'])('hostile text and names of 253 characters are shown as text: %s', async (tab) => {
  const t = await open(`${master.url}/clusters/hostile?tab=${tab}`)
  await t.page.getByRole('link', { name: /Nodes 4/ }).waitFor()
  if (tab === 'changes') {
    await master.act('provoke', 'hostile')
    await t.page.getByText('<script>window.pwned=1</script>').first().waitFor()
  }
  await unharmed(t.page)
  await look(t.page, `hostile-${tab}`, ...(tab === 'containers' ? (['light'] as const) : []))
  await unharmed(t.page)
  expect(t.complaints).toEqual([])
})

test('the drawer shows it whole, with what deceives the eye made visible', async () => {
  const t = await open(`${master.url}/clusters/hostile?tab=containers&state=waiting`)
  await t.page.locator('[role=row]', { hasText: '\\u202etxt.exe' }).first().click()
  const drawer = t.page.getByRole('complementary')
  await drawer.getByText('\\u202etxt.exe\\u202c').first().waitFor()
  expect(await drawer.innerText()).toContain(long)
  await unharmed(t.page)
  await look(t.page, 'hostile-drawer', 'light')
})

test('hostile addresses lead nowhere', async () => {
  const t = await open(`${master.url}/clusters/${encodeURIComponent('<img src=x onerror=alert(1)>')}?tab=%3Cscript%3E&open=Node/%3Cb%3E&q=${encodeURIComponent('"><svg onload=alert(1)>')}`)
  await t.page.getByRole('heading', { name: 'No such cluster' }).waitFor()
  await unharmed(t.page)
  for (const open of ['__proto__/x', 'constructor/x']) {
    await t.page.goto(`${master.url}/clusters/hostile?open=${open}`)
    await t.page.getByText('It no longer exists.').waitFor()
  }
})

test('messages of agents are text', async () => {
  const t = await open(`${master.url}/clusters/unreachable`)
  await t.page.getByText('The agent cannot be reached').waitFor()
  await t.page.getByText('onerror="window.pwned=2"').waitFor()
  await unharmed(t.page)
  await t.page.goto(master.url)
  await t.page.getByText('onerror="window.pwned=2"').waitFor()
  await unharmed(t.page)
  await look(t.page, 'hostile-fleet')
})
