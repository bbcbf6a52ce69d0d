import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkView } from './checkview.ts'
import { Master, open, timed } from './harness.ts'

let master: Master

beforeEach(async () => {
  master = await Master.start('fleet')
})
afterEach(() => master.stop())

/** Returns the selector of the row of a cluster. */
const row = (name: string) => `[role=row]:has(a bdi:text-is("${name}"))`

test('each cluster has its health, its metrics and its worst problem', async () => {
  const t = await open(master.url)
  await t.page.locator(row('prod-eu')).waitFor()
  const textOf = async (name: string) => (await t.page.locator(row(name)).innerText()).replace(/\s+/g, ' ')
  const eu = await textOf('prod-eu')
  expect(eu).toMatch(/^Unhealthy prod-eu v1.36.3 9\/9 60\/79 .*% req .*% used .* 2 conflicts 2 min Idle Watch /)
  expect(eu).toMatch(/ ImagePullBackOff office\/mailer-\S+ \(2 containers\) 3 critical, 4 warnings, 2 info$/)
  expect(await textOf('edge-oslo')).toMatch(
    /^Unreachable edge-oslo .* 3 h Idle Watch No connection to the agent: dial wss:/,
  )
  expect(await textOf('legacy')).toMatch(/^Suspended legacy .* 40 d Idle –$/)
  expect(await textOf('lab')).toMatch(/^No data yet lab/)
  expect(await textOf('prod-ap')).toMatch(
    /^Unhealthy prod-ap v1.36.3 5\/6 .* NotReady worker-c01 \(and \d+ pods\) 1 critical$/,
  )
  expect(await textOf('prod-us')).toMatch(/^Healthy prod-us v1.36.3 12\/12/)
  expect(t.errors).toEqual([])
  expect(t.foreignRequests).toEqual([])
})

test('the list starts no session, one click starts one, and watch all starts all', async () => {
  const t = await open(master.url)
  await t.page.locator(row('prod-us')).waitFor()
  expect(await master.watched()).toEqual([])
  await t.page.getByRole('button', { name: 'Watch prod-us', exact: true }).click()
  await t.page.locator(row('prod-us')).getByText('29 min left').waitFor()
  expect(await t.page.locator(row('prod-us')).innerText()).toContain('now')
  expect(await master.watched()).toEqual(['prod-us'])
  await t.page.mouse.move(0, 0)
  await checkView(t.page, 'fleet', 'light', 'dark', 'narrow')
  await t.page.getByRole('button', { name: 'Stop watching prod-us' }).click()
  await t.page.locator(row('prod-us')).getByText('Idle').waitFor()
  expect(await master.watched()).toEqual([])
  await t.page.getByRole('button', { name: 'Watch all' }).click()
  await t.page.locator(row('prod-ap')).getByText('29 min left').waitFor()
  expect((await master.watched()).length).toBe(8)
  await t.page.close()
  await expect.poll(() => master.watched()).toEqual([])
})

test('search, only problems and the health counts filter the list, and the URL has the filters', async () => {
  const t = await open(master.url)
  const names = () => t.page.locator('[role=gridcell] a').allInnerTexts()
  await t.page.locator(row('prod-us')).waitFor()
  await t.page.keyboard.press('/')
  await t.page.keyboard.type('prod')
  await expect.poll(names).toEqual(['prod-ap', 'prod-eu', 'prod-us'])
  await t.page.getByRole('button', { name: 'Only problems' }).click()
  await expect.poll(names).toEqual(['prod-ap', 'prod-eu'])
  expect(new URL(t.page.url()).search).toBe('?q=prod&only=problems')
  await t.page.reload()
  await expect.poll(names).toEqual(['prod-ap', 'prod-eu'])
  await t.page.goto(master.url)
  await t.page.getByRole('button', { name: /suspended/ }).click()
  await expect.poll(names).toEqual(['legacy'])
})

test('rows are sorted, and keep their order while values change', async () => {
  const t = await open(master.url)
  const names = () => t.page.locator('[role=gridcell] a').allInnerTexts()
  await t.page.locator(row('prod-us')).waitFor()
  await t.page.getByRole('columnheader', { name: 'Containers' }).getByRole('button').click()
  await expect.poll(async () => (await names())[0]).toBe('prod-us')
  const before = await names()
  await t.page.getByRole('button', { name: 'Watch all' }).click()
  await master.run('lose-node', 'prod-us')
  await t.page.locator(row('prod-us')).getByText('Unhealthy').waitFor()
  expect(await names()).toEqual(before)
})

test('keys move through the list and open a cluster', async () => {
  const t = await open(master.url)
  await t.page.locator(row('prod-us')).waitFor()
  await t.page.getByRole('grid', { name: 'Clusters' }).focus()
  for (const key of ['End', 'ArrowUp', 'ArrowUp', 'w']) await t.page.keyboard.press(key)
  await expect.poll(() => master.watched()).toEqual(['prod-us'])
  await t.page.keyboard.press('Enter')
  await t.page.getByRole('heading', { name: 'prod-us' }).waitFor()
  expect(new URL(t.page.url()).pathname).toBe('/clusters/prod-us')
  await t.page.goBack()
  await t.page.locator(row('prod-eu')).waitFor()
})

test('the theme follows the system, and narrow screens have cards', async () => {
  const dark = await open(master.url, { dark: true })
  await dark.page.locator(row('prod-us')).waitFor()
  expect(await dark.page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe('rgb(20, 20, 19)')
  const narrow = await open(master.url, { width: 390, height: 800 })
  await narrow.page.getByText('prod-eu').waitFor()
  expect(await narrow.page.getByRole('columnheader').count()).toBe(0)
  await narrow.page.getByText('prod-eu').click()
  await narrow.page.getByRole('heading', { name: 'prod-eu' }).waitFor()
})

test('a search without matches has an empty state', async () => {
  const t = await open(`${master.url}/?q=nowhere`)
  await t.page.getByText('No clusters match.').waitFor()
  await t.page.getByText('0 of 8').waitFor()
  await checkView(t.page, 'fleet-none')
})

test('the first contentful paint is within a second', timed, async () => {
  const t = await open(master.url)
  await t.page.locator(row('prod-us')).waitFor()
  await t.page.reload()
  await t.page.locator(row('prod-us')).waitFor()
  const painted = await t.page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime)
  console.log(`first contentful paint after ${Math.round(painted)} ms`)
  expect(painted).toBeLessThan(1000)
})
