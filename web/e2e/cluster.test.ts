import type { Page } from 'playwright-core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkView } from './checkview.ts'
import { Master, open, timed } from './harness.ts'

let master: Master

beforeEach(async () => {
  master = await Master.start('fleet')
})
afterEach(() => master.stop())

const at = (path: string) => `${master.url}/clusters/prod-eu${path}`
/** Returns the cells of a column. */
const cells = (page: Page, column: number) => page.locator(`[role=row] > [role=gridcell]:nth-child(${column})`)

/** Returns the milliseconds from the end of an action until its effect is on the page. */
async function latency(action: Promise<void>, effect: Promise<unknown>): Promise<number> {
  await action
  const start = performance.now()
  await effect
  return performance.now() - start
}

test('a cluster has its problems, its metrics and charts of the last 15 minutes', async () => {
  const t = await open(at(''))
  await t.page.getByText('last exit: OOMKilled (137)').first().waitFor()
  await t.page.locator('.title').getByText('Unhealthy').waitFor()
  const text = await t.page.locator('main').innerText()
  for (const want of [
    'prod-eu',
    'Unhealthy',
    'Kubernetes v1.36.3',
    '203.0.113.7',
    '60',
    'of 79',
    'Updated now',
    'Live, 29 min left',
    '3 critical, 4 warnings, 2 info, 1 muted',
    'MemoryPressure',
    'Unschedulable',
    '0/9 nodes are available',
  ]) {
    expect(text).toContain(want)
  }
  expect(await t.page.getByRole('img', { name: 'CPU, last 15 minutes' }).locator('canvas').count()).toBe(1)
  expect(await master.watched()).toEqual(['prod-eu'])
  await master.run('crash', 'prod-eu')
  await master.run('add-node-port', 'prod-eu', 30555)
  await t.page.getByText('taken by Service shop/web-30555').waitFor()
  await checkView(t.page, 'cluster', 'light', 'dark', 'narrow')
  expect(t.errors).toEqual([])
})

/** Returns the names of the problems in a list. */
const titles = (page: Page, list: string) =>
  page.getByRole('region', { name: list }).locator('.problems li .what > .text').allInnerTexts()
const problem = (page: Page, what: string) => page.locator('.problems li', { hasText: what }).first()

test('problems are in the order of the API, with lists of their own for info and muted ones', async () => {
  const t = await open(at(''))
  await problem(t.page, 'MemoryPressure').waitFor()
  expect(await titles(t.page, 'Problems')).toEqual([
    'ImagePullBackOff',
    'Init:CrashLoopBackOff',
    'Unschedulable',
    'Conflict',
    'CreateContainerConfigError',
    'CrashLoopBackOff',
    'MemoryPressure',
  ])
  expect(await t.page.getByRole('region', { name: 'Problems' }).locator('.problems .status').allInnerTexts()).toEqual([
    ...Array(3).fill('Critical'),
    ...Array(4).fill('Warning'),
  ])
  expect(await titles(t.page, 'Info')).toEqual(['NoPods', 'SchedulingGated'])
  expect(await titles(t.page, 'Muted')).toEqual(['CrashLoopBackOff'])
  expect(await t.page.getByRole('region', { name: 'Muted' }).innerText()).toContain('Muted: nobody is on call for it')
})

test('one cause is one row, with the number and names of the affected objects', async () => {
  const t = await open(at(''))
  const group = problem(t.page, 'CreateContainerConfigError')
  const pod = 'batch/importer-\\S+'
  const want = [
    'Warning CreateContainerConfigError 12 containers',
    pod,
    'Deployment importer configmap "importer-settings" not found also',
    `${pod}, ${pod}, ${pod} and 8 more 25 min`,
  ].join(' ')
  expect((await group.innerText()).replace(/\s+/g, ' ')).toMatch(new RegExp(`^${want}$`))
  expect(await problem(t.page, 'ImagePullBackOff').innerText()).toMatch(
    /2 containers[\s\S]*office\/mailer-[\s\S]*also office\/notifier-/,
  )
  expect(await problem(t.page, 'Conflict').innerText()).toContain('2 claimants')
  await group.locator('.others button').first().click()
  const drawer = t.page.getByRole('complementary')
  await drawer.getByRole('heading', { name: /^batch\/importer-/ }).waitFor()
  await drawer.getByText('12 containers').waitFor()
})

test('a pod whose init container crashes has the status that kubectl prints', async () => {
  const t = await open(at(''))
  await problem(t.page, 'Init:CrashLoopBackOff').locator('button.where').click()
  const drawer = t.page.getByRole('complementary')
  await drawer.getByText('Last exit: Error, exit code 1').waitFor()
  await drawer
    .getByRole('button', { name: 'migrator-6d4f9c7b8-q7z2m: Init:CrashLoopBackOff, 0/1 ready, 7 restarts' })
    .click()
  await drawer.locator('.pod-columns').waitFor()
  expect((await drawer.locator('.pod-columns').innerText()).replace(/\s+/g, ' ')).toMatch(
    /^Status Init:CrashLoopBackOff Ready 0\/1 Restarts 7 \(\d+ (s|min) ago\)$/,
  )
  await checkView(t.page, 'pod-drawer')
})

test('the drawer of a node has all conditions, and highlights those with problems', async () => {
  const t = await open(at('?tab=nodes&q=memorypressure'))
  await t.page.locator('[role=row]', { hasText: 'MemoryPressure' }).click()
  const drawer = t.page.getByRole('complementary')
  const rows = drawer.locator('.conditions tbody tr')
  await rows.first().waitFor()
  expect(await rows.locator('th .line').allInnerTexts()).toEqual([
    'DiskPressure',
    'MemoryPressure',
    'PIDPressure',
    'Ready',
  ])
  expect(await rows.locator('td .line').allInnerTexts()).toEqual(['False', 'True', 'False', 'True'])
  expect(await drawer.locator('.conditions tr.warning').innerText()).toContain(
    'kubelet has insufficient memory available',
  )
  expect(await drawer.locator('.conditions .severity').count()).toBe(1)
  await drawer
    .getByRole('list', { name: /^Problems of/ })
    .getByText('Warning')
    .waitFor()
  await checkView(t.page, 'node-drawer')
})

test('problems that are not listed are counted', async () => {
  await master.stop()
  master = await Master.start('broken')
  const t = await open(`${master.url}/clusters/broken`)
  await t.page.getByText('and 12 more: 10 critical, 2 warnings').waitFor()
  expect(await t.page.locator('.problems li').count()).toBe(50)
  expect(await t.page.getByText('60 critical, 2 warnings').count()).toBe(1)
})

test('a cluster is found by one of its IP addresses, and the URL gets its name', async () => {
  const t = await open(`${master.url}/clusters/203.0.113.7?tab=nodes`)
  await t.page.getByRole('heading', { name: 'prod-eu' }).waitFor()
  await t.page.getByRole('grid', { name: 'Nodes' }).getByText('MemoryPressure').waitFor()
  expect(t.page.url()).toBe(`${master.url}/clusters/prod-eu?tab=nodes`)
  await t.page.goto(`${master.url}/clusters/203.0.113.8`)
  await t.page.getByRole('heading', { name: 'Cluster not found' }).waitFor()
})

test('changes appear within a second, in the table and in the timeline', timed, async () => {
  const t = await open(at('?tab=containers&q=web-'))
  await cells(t.page, 3).first().waitFor()
  const before = await cells(t.page, 3).allInnerTexts()
  const took = await latency(master.run('crash', 'prod-eu'), cells(t.page, 1).getByText('CrashLoopBackOff').waitFor())
  console.log(`a crash was on the page after ${Math.round(took)} ms`)
  expect(took).toBeLessThan(1000)
  expect(await cells(t.page, 3).allInnerTexts()).toEqual(before)
  expect(await t.page.locator('[role=row].flash-0, [role=row].flash-1').count()).toBe(1)
  await t.page.getByRole('link', { name: 'Changes' }).click()
  await t.page.getByText('running → waiting (CrashLoopBackOff)').waitFor()
  await master.run('heal', 'prod-eu')
  await t.page.getByText('waiting (CrashLoopBackOff) → running').waitFor()
  await checkView(t.page, 'changes', 'light')
})

test('rows that are added above the visible ones do not move them', async () => {
  const t = await open(at('?tab=containers'))
  const grid = t.page.getByRole('grid', { name: 'Containers' })
  await cells(t.page, 3).first().waitFor()
  await t.page.mouse.move(600, 600)
  await t.page.mouse.wheel(0, 510)
  const visibleRows = () =>
    grid.evaluate((g) => {
      const top = g.getBoundingClientRect().top + 40
      const rows = [...g.querySelectorAll('.row')].map((r) => ({
        y: Math.round(r.getBoundingClientRect().top),
        pod: (r.children[2] as HTMLElement).innerText,
      }))
      return rows
        .filter((r) => r.y > top && r.y < innerHeight)
        .map((r) => `${r.y} ${r.pod}`)
        .sort()
    })
  await expect.poll(() => grid.evaluate((g) => g.scrollTop)).toBe(510)
  const before = await visibleRows()
  await master.run('add-pods', 'prod-eu', 4)
  await t.page.getByRole('link', { name: /Containers 84/ }).waitFor()
  await expect.poll(visibleRows).toEqual(before)
  expect(await grid.evaluate((g) => g.scrollTop)).toBe(510 + 4 * 34)
})

test('containers are filtered by namespace, node, state, problems and text, and the URL has the filters', async () => {
  const t = await open(at('?tab=containers'))
  const shown = () =>
    t.page
      .getByRole('grid', { name: 'Containers' })
      .getAttribute('aria-rowcount')
      .then((n) => Number(n) - 1)
  await expect.poll(shown).toBe(80)
  await t.page.getByLabel('Namespace').selectOption('shop')
  await expect.poll(shown).toBe(23)
  await t.page.getByLabel('Node').selectOption('worker-a01')
  await expect.poll(shown).toBeLessThan(10)
  await t.page.getByLabel('Node').selectOption('')
  await t.page.getByLabel('Namespace').selectOption('')
  await t.page.getByLabel('State').selectOption('waiting')
  await expect.poll(shown).toBe(20)
  await t.page.getByRole('button', { name: 'Only problems' }).click()
  await expect.poll(shown).toBe(17)
  await t.page.getByLabel('State').selectOption('')
  await t.page.getByLabel('Search containers').fill('ledger oomkilled')
  await expect.poll(shown).toBe(1)
  await t.page.reload()
  await expect.poll(shown).toBe(1)
  expect(await cells(t.page, 4).first().innerText()).toBe('ledger')
  expect(await cells(t.page, 10).first().innerText()).toBe('0/1 CrashLoopBackOff')
  await checkView(t.page, 'containers')
  await t.page.getByLabel('Search containers').fill('nowhere')
  await t.page.getByText('No containers match.').waitFor()
})

test('the drawer has all data of an object and links, and does not move the rows next to it', async () => {
  const t = await open(at('?tab=containers&q=ledger'))
  const crashed = t.page.locator('[role=row]', { hasText: 'CrashLoopBackOff' })
  const top = async () => (await crashed.boundingBox())!.y
  await crashed.waitFor()
  const before = await top()
  await crashed.click()
  const drawer = t.page.getByRole('complementary')
  for (const want of [
    'back-off 5m0s restarting failed container',
    'Last exit: OOMKilled, exit code 137',
    'registry.example/ledger',
    'image',
    'restarts',
  ]) {
    await drawer.getByText(want).first().waitFor()
  }
  expect(await top()).toBe(before)
  await checkView(t.page, 'drawer', 'light', 'dark')
  await drawer.getByRole('button', { name: /^ledger-/ }).click()
  await drawer.getByText('Burstable').waitFor()
  expect(t.page.url()).toContain('open=Pod%2Fpayments%2Fledger-')
  await t.page.keyboard.press('Escape')
  await drawer.waitFor({ state: 'detached' })
})

test(
  'the port map has taken ports, their targets and conflicts, and checks whether a port is free',
  timed,
  async () => {
    const t = await open(at('?tab=ports&q=30080'))
    await t.page.locator('[role=row]', { hasText: '30080' }).getByText('Service shop/web').waitFor()
    expect(await t.page.locator('[role=row]', { hasText: '30080' }).innerText()).toMatch(/6\/6/)
    await t.page.getByLabel('Search ports').fill('')
    await t.page.getByLabel('Port', { exact: true }).fill('31234')
    await t.page.getByText('31234/TCP is not allocated and not declared on any node.').waitFor()
    const took = await latency(
      master.run('add-node-port', 'prod-eu', 31234),
      t.page.getByText('31234/TCP is taken on every node by Service shop/web-31234 (NodePort).').waitFor(),
    )
    expect(took).toBeLessThan(1000)
    await t.page.getByLabel('Port', { exact: true }).fill('443')
    await t.page.getByText('443/TCP is taken on every node by pod ingress/').waitFor()
    await t.page.getByLabel('Port', { exact: true }).fill('31500')
    await t.page.getByText('31500/TCP is taken on every node').waitFor()
    await checkView(t.page, 'ports', 'light', 'dark')
    await t.page.getByLabel('Port', { exact: true }).fill('')
    await t.page.getByRole('button', { name: 'Only conflicts' }).click()
    await expect.poll(() => cells(t.page, 5).allInnerTexts()).toEqual(['Service shop/debug', 'pod media/probe-7f'])
    await t.page.locator('[role=row]', { hasText: 'Service shop/debug' }).first().click()
    await t.page.getByRole('complementary').getByText('Conflicts with').waitFor()
    await checkView(t.page, 'port-drawer')
  },
)

test('nodes have their usage, and link to their containers', async () => {
  const t = await open(at('?tab=nodes'))
  await t.page.getByText('MemoryPressure').waitFor()
  await t.page
    .getByRole('img', { name: /^CPU: .* requested, .* used, of 9.8$/ })
    .first()
    .waitFor()
  await checkView(t.page, 'nodes', 'light', 'dark')
  await t.page.locator('[role=row]', { hasText: 'worker-b02' }).click()
  await t.page
    .getByRole('complementary')
    .getByRole('button', { name: /containers on this node/ })
    .click()
  await expect.poll(() => new URL(t.page.url()).search).toBe('?tab=containers&node=worker-b02')
  await master.run('lose-node', 'prod-eu', 0)
  await t.page.getByRole('link', { name: 'Nodes' }).click()
  await t.page.getByText('Unknown').waitFor()
})

test('leaving a cluster ends its demand', async () => {
  const t = await open(at(''))
  await t.page.getByText('OOMKilled').first().waitFor()
  await t.page.getByRole('link', { name: 'Rollcall' }).click()
  await expect.poll(() => master.watched()).toEqual([])
  expect(new URL(t.page.url()).pathname).toBe('/')
})

test('controls have accessible names, and a tab has one stream', async () => {
  const streams: string[] = []
  const t = await open(master.url)
  await t.page.getByText('Live', { exact: true }).waitFor()
  t.page.on('websocket', (w) => streams.push(w.url()))
  await t.page.reload()
  await t.page.getByText('prod-eu').click()
  await t.page.getByRole('link', { name: 'Nodes' }).click()
  await t.page.getByRole('grid', { name: 'Nodes' }).waitFor()
  expect(streams.length).toBe(1)
  const unnamed = await t.page.evaluate(() => {
    const named = (e: Element) =>
      e.textContent?.trim() || e.getAttribute('aria-label') || (e as HTMLInputElement).labels?.length
    return [...document.querySelectorAll('button, a, input, select')].filter((e) => !named(e)).map((e) => e.outerHTML)
  })
  expect(unnamed).toEqual([])
  const grid = t.page.getByRole('grid', { name: 'Nodes' })
  await expect.poll(() => grid.getAttribute('aria-rowcount')).toBe('10')
  expect(await grid.getByRole('row').nth(1).getAttribute('aria-rowindex')).toBe('2')
  expect(await t.page.title()).toBe('prod-eu · Rollcall')
})
