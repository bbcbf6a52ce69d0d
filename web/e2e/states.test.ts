import { afterEach, expect, test } from 'vitest'
import { checkView } from './checkview.ts'
import type { Tab } from './harness.ts'
import { Master, open } from './harness.ts'

let master: Master

afterEach(() => master.stop())

/** Starts a master with a scenario, and opens a path of the page. */
async function openScenario(scenario: string, path: string, ...flags: string[]): Promise<Tab> {
  master = await Master.start(scenario, ...flags)
  return open(master.url + path)
}

const alertOf = (t: Tab) => t.page.locator('.alert')

test('no clusters: how to register one', async () => {
  const t = await openScenario('empty', '/')
  await t.page.getByRole('heading', { name: 'No clusters are registered' }).waitFor()
  await t.page.getByText('kind: ClusterAgent').waitFor()
  await checkView(t.page, 'state-empty', 'light')
})

test('connecting, until the first report', async () => {
  const t = await openScenario('fleet', '/clusters/lab')
  await t.page.getByText('Connecting to the agent').waitFor()
  await t.page.getByText('No data has been received yet.').waitFor()
  await checkView(t.page, 'state-connecting', 'light')
  await master.run('answer', 'lab')
  await t.page.getByText('Connecting to the agent').waitFor({ state: 'detached' })
  await t.page.getByRole('link', { name: /Nodes 3/ }).waitFor()
})

test('waiting for usage, until the first reading', async () => {
  const t = await openScenario('fleet', '/clusters/qa')
  await t.page.getByText('Waiting for usage').waitFor()
  await checkView(t.page, 'state-usage', 'light')
  await master.run('usage', 'qa')
  await t.page.getByText('Waiting for usage').waitFor({ state: 'detached' })
  await expect.poll(() => t.page.locator('.tile').first().innerText()).toMatch(/\d+% used/)
})

test('usage cannot be read: what to do', async () => {
  const t = await openScenario('fleet', '/clusters/staging')
  await t.page.getByText('Usage cannot be read: Unavailable').waitFor()
  await t.page.getByText('install metrics-server').waitFor()
  await checkView(t.page, 'state-no-usage')
})

test('stale: the age of the data grows', async () => {
  const t = await openScenario('fleet', '/clusters/prod-us')
  await t.page.getByRole('link', { name: /Nodes 12/ }).waitFor()
  await master.run('stop-reports', 'prod-us')
  await t.page.getByText('Reports are late').waitFor()
  const age = async () => Number(/from (\d+) s ago/.exec(await alertOf(t).innerText())?.[1])
  const first = await age()
  await expect.poll(age, { timeout: 8000 }).toBeGreaterThan(first)
  expect(await t.page.locator('h1 + .status').innerText()).toBe('Stale')
  await checkView(t.page, 'state-stale', 'light')
  await master.run('start-reports', 'prod-us')
  await t.page.getByText('Reports are late').waitFor({ state: 'detached' })
})

test('the agent cannot be reached: why, and what to do', async () => {
  const t = await openScenario('fleet', '/clusters/edge-oslo')
  await t.page.getByText('The agent cannot be reached').waitFor()
  await t.page.getByText('No connection to the agent: dial wss://10.20.0.7:7443').waitFor()
  await t.page.getByText('that spec.endpoint of the ClusterAgent is reachable from the hub').waitFor()
  await t.page.getByText('kubectl describe clusteragent edge-oslo').waitFor()
  expect(await t.page.locator('main').innerText()).toContain('47')
  await checkView(t.page, 'state-unreachable', 'light', 'dark')
  await master.run('recover', 'edge-oslo')
  await t.page.getByText('The agent cannot be reached').waitFor({ state: 'detached' })
  await t.page.getByRole('link', { name: /Nodes 3/ }).waitFor()
})

test('without a hub, a cluster that cannot be reached: why, without advice for a hub', async () => {
  const t = await openScenario('fleet', '/clusters/edge-oslo', '-local')
  await t.page.getByText('The cluster cannot be reached').waitFor()
  await t.page.getByText('It is tried again until it answers.').waitFor()
  expect(await t.page.locator('body').innerText()).not.toMatch(/hub|ClusterAgent|rollcall-agent/)
  expect(await t.page.locator('.version').innerText()).toBe('v1.2.3')
  await checkView(t.page, 'state-local-unreachable', 'light')
})

test('suspended', async () => {
  const t = await openScenario('fleet', '/clusters/legacy')
  await t.page.getByText('The master does not connect to this cluster while').waitFor()
  await checkView(t.page, 'state-suspended', 'light')
  await master.run('resume', 'legacy')
  await t.page.getByRole('link', { name: /Nodes 3/ }).waitFor()
})

test('cluster not found', async () => {
  const t = await openScenario('fleet', '/clusters/nowhere')
  await t.page.getByRole('heading', { name: 'Cluster not found' }).waitFor()
  await checkView(t.page, 'state-unknown')
})

test('connection lost: the age of the data grows, and the page reconnects', async () => {
  const t = await openScenario('fleet', '/clusters/prod-us?tab=nodes')
  await t.page.getByRole('link', { name: /Nodes 12/ }).waitFor()
  await master.stop()
  await t.page.getByText('Connection lost').first().waitFor()
  const age = async () => Number(/is (\d+) s old/.exec(await t.page.locator('.lost-bar').innerText())?.[1])
  await expect.poll(age, { timeout: 8000 }).toBeGreaterThan(2)
  expect(await t.page.locator('[role=row]', { hasText: 'worker-a01' }).count()).toBe(1)
  await checkView(t.page, 'state-lost', 'light', 'dark')
  master = await master.restart()
  await t.page.locator('.lost-bar').waitFor({ state: 'detached', timeout: 15_000 })
  await t.page.getByText('Live', { exact: true }).waitFor()
  await master.run('lose-node', 'prod-us', 0)
  await t.page.getByText('Unknown').waitFor()
})

test('the master does not respond', async () => {
  const t = await openScenario('fleet', '/')
  await t.page.getByText('prod-eu').waitFor()
  await t.page.route('**/api/**', (r) => r.abort())
  await t.page.reload()
  await t.page.getByRole('heading', { name: 'The master does not respond' }).waitFor()
  await checkView(t.page, 'state-no-master')
  await t.page.unroute('**/api/**')
  await t.page.getByRole('button', { name: 'Retry now' }).click()
  await t.page.getByText('prod-eu').waitFor()
})

test('a restarted agent replaces the data', async () => {
  const t = await openScenario('fleet', '/clusters/prod-us?tab=nodes')
  await t.page.getByRole('link', { name: /Nodes 12/ }).waitFor()
  await master.run('restart-agent', 'prod-us')
  await t.page.getByRole('link', { name: /Nodes 13/ }).waitFor()
})

test('without websockets, the page is live over Server-Sent Events', async () => {
  const t = await openScenario('fleet', '/clusters/prod-us?tab=containers&q=web-', '-no-sockets')
  await t.page.locator('[role=row]', { hasText: 'web-' }).first().waitFor()
  await master.run('crash', 'prod-us')
  await t.page.locator('[role=row]', { hasText: 'CrashLoopBackOff' }).first().waitFor()
})
