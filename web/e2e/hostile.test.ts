import type { Page } from 'playwright-core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkView } from './checkview.ts'
import { Master, open } from './harness.ts'

let master: Master

beforeEach(async () => {
  master = await Master.start('hostile')
})
afterEach(() => master.stop())

/** The longest name of a pod: 253 characters. */
const long = `${'a23456789.'.repeat(25)}xyz`

/** Checks that no text of a cluster was run, or became markup. */
async function expectUnharmed(page: Page) {
  expect(await page.evaluate(() => (window as unknown as { pwned?: number }).pwned)).toBeUndefined()
  expect(await page.locator('#root :is(script, img, iframe, object, a[href^="javascript"])').count()).toBe(0)
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0)
}

test.each(['overview', 'nodes', 'containers', 'ports', 'changes'])(
  'hostile texts and names of 253 characters are text: %s',
  async (tab) => {
    const t = await open(`${master.url}/clusters/hostile?tab=${tab}`)
    await t.page.getByRole('link', { name: /Nodes 4/ }).waitFor()
    if (tab === 'changes') {
      await master.run('hostile-changes', 'hostile')
      await t.page.getByText('<script>window.pwned=1</script>').first().waitFor()
    }
    await expectUnharmed(t.page)
    await checkView(t.page, `hostile-${tab}`, ...(tab === 'containers' ? (['light'] as const) : []))
    await expectUnharmed(t.page)
    expect(t.errors).toEqual([])
  },
)

test('the drawer has the whole text, with invisible characters escaped', async () => {
  const t = await open(`${master.url}/clusters/hostile?tab=containers&state=waiting`)
  await t.page.locator('[role=row]', { hasText: '\\u202etxt.exe' }).first().click()
  const drawer = t.page.getByRole('complementary')
  await drawer.getByText('\\u202etxt.exe\\u202c').first().waitFor()
  expect(await drawer.innerText()).toContain(long)
  await expectUnharmed(t.page)
  await checkView(t.page, 'hostile-drawer', 'light')
})

test('hostile URLs are harmless', async () => {
  const name = encodeURIComponent('<img src=x onerror=alert(1)>')
  const query = encodeURIComponent('"><svg onload=alert(1)>')
  const t = await open(`${master.url}/clusters/${name}?tab=%3Cscript%3E&open=Node/%3Cb%3E&q=${query}`)
  await t.page.getByRole('heading', { name: 'Cluster not found' }).waitFor()
  await expectUnharmed(t.page)
  for (const open of ['__proto__/x', 'constructor/x']) {
    await t.page.goto(`${master.url}/clusters/hostile?open=${open}`)
    await t.page.getByText('This object no longer exists.').waitFor()
  }
})

test('messages about agents are text', async () => {
  const t = await open(`${master.url}/clusters/unreachable`)
  await t.page.getByText('The agent cannot be reached').waitFor()
  await t.page.getByText('onerror="window.pwned=2"').waitFor()
  await expectUnharmed(t.page)
  await t.page.goto(master.url)
  await t.page.getByText('onerror="window.pwned=2"').waitFor()
  await expectUnharmed(t.page)
  await checkView(t.page, 'hostile-fleet')
})
