import { afterEach, expect, test } from 'vitest'
import { look } from './look.ts'
import type { Tab } from './stage.ts'
import { Master, open } from './stage.ts'

let master: Master

afterEach(() => master.stop())

async function visit(scenario: string, path: string, ...flags: string[]): Promise<Tab> {
  master = await Master.start(scenario, ...flags)
  return open(master.url + path)
}

const note = (t: Tab) => t.page.locator('.note')

test('no cluster registered: how to add one', async () => {
  const t = await visit('empty', '/')
  await t.page.getByRole('heading', { name: 'No cluster is registered yet' }).waitFor()
  await t.page.getByText('kind: ClusterAgent').waitFor()
  await look(t.page, 'state-empty', 'light')
})

test('connecting, and what was known before', async () => {
  const t = await visit('fleet', '/clusters/lab')
  await t.page.getByText('Connecting to its agent').waitFor()
  await t.page.getByText('Nothing is known of it yet.').waitFor()
  await look(t.page, 'state-connecting', 'light')
  await master.act('answer', 'lab')
  await t.page.getByText('Connecting to its agent').waitFor({ state: 'detached' })
  await t.page.getByRole('link', { name: /Nodes 3/ }).waitFor()
})

test('waiting for usage, and then it is there', async () => {
  const t = await visit('fleet', '/clusters/qa')
  await t.page.getByText('Waiting for usage').waitFor()
  await look(t.page, 'state-usage', 'light')
  await master.act('usage', 'qa')
  await t.page.getByText('Waiting for usage').waitFor({ state: 'detached' })
  await expect.poll(() => t.page.locator('.tile').first().innerText()).toMatch(/\d+% used/)
})

test('usage that cannot be read says what to do', async () => {
  const t = await visit('fleet', '/clusters/staging')
  await t.page.getByText('Usage cannot be read: Unavailable').waitFor()
  await t.page.getByText('install metrics-server').waitFor()
  await look(t.page, 'state-no-usage')
})

test('stale: says so, and its age grows', async () => {
  const t = await visit('fleet', '/clusters/prod-us')
  await t.page.getByRole('link', { name: /Nodes 12/ }).waitFor()
  await master.act('silent', 'prod-us')
  await t.page.getByText('Reports have not come in time').waitFor()
  const age = async () => Number(/of (\d+) s ago/.exec(await note(t).innerText())?.[1])
  const first = await age()
  await expect.poll(age, { timeout: 8000 }).toBeGreaterThan(first)
  expect(await t.page.locator('h1 + .words').innerText()).toBe('Stale')
  await look(t.page, 'state-stale', 'light')
  await master.act('speak', 'prod-us')
  await t.page.getByText('Reports have not come in time').waitFor({ state: 'detached' })
})

test('an agent that cannot be reached: why, and what to do', async () => {
  const t = await visit('fleet', '/clusters/edge-oslo')
  await t.page.getByText('The agent cannot be reached').waitFor()
  await t.page.getByText('No agent answers: dial wss://10.20.0.7:7443').waitFor()
  await t.page.getByText('whether spec.endpoint of its ClusterAgent leads there').waitFor()
  await t.page.getByText('kubectl describe clusteragent edge-oslo').waitFor()
  expect(await t.page.locator('main').innerText()).toContain('47')
  await look(t.page, 'state-unreachable', 'light', 'dark')
  await master.act('recover', 'edge-oslo')
  await t.page.getByText('The agent cannot be reached').waitFor({ state: 'detached' })
  await t.page.getByRole('link', { name: /Nodes 3/ }).waitFor()
})

test('suspended', async () => {
  const t = await visit('fleet', '/clusters/legacy')
  await t.page.getByText('It is not asked while').waitFor()
  await look(t.page, 'state-suspended', 'light')
  await master.act('resume', 'legacy')
  await t.page.getByRole('link', { name: /Nodes 3/ }).waitFor()
})

test('no such cluster', async () => {
  const t = await visit('fleet', '/clusters/nowhere')
  await t.page.getByRole('heading', { name: 'No such cluster' }).waitFor()
  await look(t.page, 'state-unknown')
})

test('master gone: says so, the age grows, and the page comes back by itself', async () => {
  const t = await visit('fleet', '/clusters/prod-us?tab=nodes')
  await t.page.getByRole('link', { name: /Nodes 12/ }).waitFor()
  await master.stop()
  await t.page.getByText('Connection lost').first().waitFor()
  const age = async () => Number(/is (\d+) s old/.exec(await t.page.locator('.lost-bar').innerText())?.[1])
  await expect.poll(age, { timeout: 8000 }).toBeGreaterThan(2)
  expect(await t.page.locator('[role=row]', { hasText: 'worker-a01' }).count()).toBe(1)
  await look(t.page, 'state-lost', 'light', 'dark')
  master = await master.again()
  await t.page.locator('.lost-bar').waitFor({ state: 'detached', timeout: 15_000 })
  await t.page.getByText('Live', { exact: true }).waitFor()
  await master.act('lose-node', 'prod-us', 0)
  await t.page.getByText('Unknown').waitFor()
})

test('a master that never answered', async () => {
  const t = await visit('fleet', '/')
  await t.page.getByText('prod-eu').waitFor()
  await t.page.route('**/api/**', (r) => r.abort())
  await t.page.reload()
  await t.page.getByRole('heading', { name: 'The master does not answer' }).waitFor()
  await look(t.page, 'state-no-master')
  await t.page.unroute('**/api/**')
  await t.page.getByRole('button', { name: 'Try now' }).click()
  await t.page.getByText('prod-eu').waitFor()
})

test('an agent that was restarted is followed without a flicker', async () => {
  const t = await visit('fleet', '/clusters/prod-us?tab=nodes')
  await t.page.getByRole('link', { name: /Nodes 12/ }).waitFor()
  await master.act('restart-agent', 'prod-us')
  await t.page.getByRole('link', { name: /Nodes 13/ }).waitFor()
})

test('where sockets do not get through, the page is live all the same', async () => {
  const t = await visit('fleet', '/clusters/prod-us?tab=containers&q=web-', '-no-sockets')
  await t.page.locator('[role=row]', { hasText: 'web-' }).first().waitFor()
  await master.act('crash', 'prod-us')
  await t.page.locator('[role=row]', { hasText: 'CrashLoopBackOff' }).first().waitFor()
})
