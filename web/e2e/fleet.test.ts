import { afterEach, beforeEach, expect, test } from 'vitest'
import { look } from './look.ts'
import { figure, Master, open } from './stage.ts'

let master: Master

beforeEach(async () => void (master = await Master.start('fleet')))
afterEach(() => master.stop())

const row = (name: string) => `[role=row]:has(a bdi:text-is("${name}"))`

test('each cluster has its health in words, its numbers and its problems', async () => {
  const t = await open(master.url)
  await t.page.locator(row('prod-eu')).waitFor()
  const said = async (name: string) => (await t.page.locator(row(name)).innerText()).replace(/\s+/g, ' ')
  expect(await said('prod-eu')).toMatch(/^Unhealthy prod-eu v1.36.3 9\/9 60\/79 .*% req .*% used .* 2 conflicts 2 min Idle Watch ImagePullBackOff office\/mailer-\S+ \(2 containers\) 3 critical, 4 warnings, 2 info$/)
  expect(await said('edge-oslo')).toMatch(/^Unreachable edge-oslo .* 3 h Idle Watch No agent answers: dial wss:/)
  expect(await said('legacy')).toMatch(/^Suspended legacy .* 40 d Idle –$/)
  expect(await said('lab')).toMatch(/^Not heard of yet lab/)
  expect(await said('prod-ap')).toMatch(/^Unhealthy prod-ap v1.36.3 5\/6 .* NotReady worker-c01 \(and \d+ pods\) 1 critical$/)
  expect(await said('prod-us')).toMatch(/^Healthy prod-us v1.36.3 12\/12/)
  expect(t.complaints).toEqual([])
  expect(t.strangers).toEqual([])
})

test('looking starts no session, one click starts one, and watch all starts all', async () => {
  const t = await open(master.url)
  await t.page.locator(row('prod-us')).waitFor()
  expect(await master.watched()).toEqual([])
  await t.page.getByRole('button', { name: 'Watch prod-us', exact: true }).click()
  await t.page.locator(row('prod-us')).getByText('29 min left').waitFor()
  expect(await t.page.locator(row('prod-us')).innerText()).toContain('now')
  expect(await master.watched()).toEqual(['prod-us'])
  await t.page.mouse.move(0, 0)
  await look(t.page, 'fleet', 'light', 'dark', 'narrow')
  await t.page.getByRole('button', { name: 'Stop watching prod-us' }).click()
  await t.page.locator(row('prod-us')).getByText('Idle').waitFor()
  expect(await master.watched()).toEqual([])
  await t.page.getByRole('button', { name: 'Watch all' }).click()
  await t.page.locator(row('prod-ap')).getByText('29 min left').waitFor()
  expect((await master.watched()).length).toBe(8)
  await t.page.close()
  await expect.poll(() => master.watched()).toEqual([])
})

test('search, only problems, and the counts narrow the list, and the URL holds it', async () => {
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

test('sorting puts rows in order, and they stay where they are while numbers move', async () => {
  const t = await open(master.url)
  const names = () => t.page.locator('[role=gridcell] a').allInnerTexts()
  await t.page.locator(row('prod-us')).waitFor()
  await t.page.getByRole('columnheader', { name: 'Containers' }).getByRole('button').click()
  await expect.poll(async () => (await names())[0]).toBe('prod-us')
  const before = await names()
  await t.page.getByRole('button', { name: 'Watch all' }).click()
  await master.act('lose-node', 'prod-us')
  await t.page.locator(row('prod-us')).getByText('Unhealthy').waitFor()
  expect(await names()).toEqual(before)
})

test('keys move through the list, open and leave', async () => {
  const t = await open(master.url)
  await t.page.locator(row('prod-us')).waitFor()
  await t.page.getByRole('grid', { name: 'Clusters' }).focus()
  for (const key of ["End", "ArrowUp", "ArrowUp", "w"]) await t.page.keyboard.press(key)
  await expect.poll(() => master.watched()).toEqual(['prod-us'])
  await t.page.keyboard.press('Enter')
  await t.page.getByRole('heading', { name: 'prod-us' }).waitFor()
  expect(new URL(t.page.url()).pathname).toBe('/clusters/prod-us')
  await t.page.goBack()
  await t.page.locator(row('prod-eu')).waitFor()
})

test('dark where the system is, and cards where it is narrow', async () => {
  const dark = await open(master.url, { dark: true })
  await dark.page.locator(row('prod-us')).waitFor()
  expect(await dark.page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe('rgb(20, 20, 19)')
  const narrow = await open(master.url, { width: 390, height: 800 })
  await narrow.page.getByText('prod-eu').waitFor()
  expect(await narrow.page.getByRole('columnheader').count()).toBe(0)
  await narrow.page.getByText('prod-eu').click()
  await narrow.page.getByRole('heading', { name: 'prod-eu' }).waitFor()
})

test('what is searched for and not found says so', async () => {
  const t = await open(`${master.url}/?q=nowhere`)
  await t.page.getByText('No clusters match.').waitFor()
  await t.page.getByText('0 of 8').waitFor()
  await look(t.page, 'fleet-none')
})

test('the first content is there within a second', figure, async () => {
  const t = await open(master.url)
  await t.page.locator(row('prod-us')).waitFor()
  await t.page.reload()
  await t.page.locator(row('prod-us')).waitFor()
  const painted = await t.page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime)
  console.log(`first contentful paint after ${Math.round(painted)} ms`)
  expect(painted).toBeLessThan(1000)
})
