import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Master, launch, open, shoot } from './stage.ts'

let browser: Browser
let master: Master

beforeAll(async () => void (browser = await launch()))
afterAll(() => browser.close())
beforeEach(async () => void (master = await Master.start('hostile')))
afterEach(() => master.stop())

const long = 'a23456789.'.repeat(25) + 'xyz'

async function unharmed(page: Page) {
  expect(await page.evaluate(() => (window as unknown as { pwned?: number }).pwned)).toBeUndefined()
  expect(await page.locator('#root :is(script, img, iframe, object, a[href^="javascript"])').count()).toBe(0)
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0)
}

test.each(['', '?tab=nodes', '?tab=containers', '?tab=ports', '?tab=changes'])('hostile text and names of 253 characters are shown as text: %s', async (query) => {
  const t = await open(browser, `${master.url}/clusters/hostile${query}`)
  await t.page.getByRole('link', { name: /Nodes 4/ }).waitFor()
  await t.page.waitForTimeout(300)
  await unharmed(t.page)
  await shoot(t.page, `hostile${query.replace('?tab=', '-')}`)
  await t.page.setViewportSize({ width: 390, height: 800 })
  await unharmed(t.page)
  expect(t.complaints).toEqual([])
})

test('the drawer shows it whole, with what deceives the eye made visible', async () => {
  const t = await open(browser, `${master.url}/clusters/hostile?tab=containers&state=waiting`)
  await t.page.locator('[role=row]', { hasText: '\\u202etxt.exe' }).first().click()
  const drawer = t.page.getByRole('complementary')
  await drawer.getByText('\\u202etxt.exe\\u202c').first().waitFor()
  expect(await drawer.innerText()).toContain(long)
  await unharmed(t.page)
  await shoot(t.page, 'hostile-drawer')
})

test('hostile addresses lead nowhere', async () => {
  const t = await open(browser, `${master.url}/clusters/${encodeURIComponent('<img src=x onerror=alert(1)>')}?tab=%3Cscript%3E&open=Node/%3Cb%3E&q=${encodeURIComponent('"><svg onload=alert(1)>')}`)
  await t.page.getByRole('heading', { name: 'No such cluster' }).waitFor()
  await unharmed(t.page)
  await t.page.goto(`${master.url}/clusters/hostile?open=__proto__/x`)
  await t.page.getByText('It is gone.').waitFor()
  await t.page.goto(`${master.url}/clusters/hostile?open=constructor/x`)
  await t.page.getByText('It is gone.').waitFor()
})

test('messages of agents are text', async () => {
  const t = await open(browser, `${master.url}/clusters/unreachable`)
  await t.page.getByText('The agent cannot be reached').waitFor()
  await t.page.getByText('onerror="window.pwned=2"').waitFor()
  await unharmed(t.page)
})
