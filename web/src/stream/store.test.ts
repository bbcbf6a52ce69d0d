import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { clusterEvent, clusterOf, containerOf, FakeMaster, nodeOf, summaryOf } from './fakemaster'
import type { Event } from './types'

let master: FakeMaster

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-11-22T10:00:00Z') })
  master = new FakeMaster()
})
afterEach(() => {
  master.store.stop()
  vi.useRealTimers()
})

const flush = () => vi.advanceTimersByTimeAsync(0)
const names = () => [...master.store.clusters.keys()].join(' ')
const added = (pod: string, version: string): Event => ({
  type: 'ADDED',
  kind: 'Container',
  cluster: 'a',
  resourceVersion: version,
  object: containerOf(pod),
})

/** Connects, and receives a list of clusters. */
async function start(...clusters: string[]) {
  master.store.start()
  await flush()
  master.sendList(...clusters.map((n) => clusterOf(n)))
  await flush()
}

test('the list is shown when it is complete, and then updated', async () => {
  master.store.start()
  await flush()
  expect(master.streams).toEqual(['websocket?watch=true'])
  master.send(clusterEvent('ADDED', clusterOf('a'), '0'))
  expect([names(), master.store.synced]).toEqual(['', false])
  master.sendList(clusterOf('a'), clusterOf('b'))
  expect([names(), master.store.synced]).toEqual(['a b', true])
  master.send(clusterEvent('DELETED', clusterOf('a'), 'f-1'), clusterEvent('ADDED', clusterOf('c'), 'f-2'))
  expect(names()).toBe('b c')
})

test('a lost stream is resumed from its last version, with the same subscriptions', async () => {
  await start('a', 'b')
  master.store.setDemand('b', true)
  master.store.show('a')
  master.sendState('a', '17.9f2c-4', added('web-1', '0'))
  master.close()
  await flush()
  expect(master.store.connectionState).toMatchObject({ status: 'lost', retryAt: Date.now() + 500 })
  master.subscriptions = []
  await vi.advanceTimersByTimeAsync(500)
  expect(master.streams.at(-1)).toBe('websocket?watch=true&resourceVersion=f-1')
  expect(master.subscriptions).toEqual(['{"demand":["b"],"detail":["a@17.9f2c-4"]}'])
  expect(master.store.connectionState.status).toBe('open')
  expect(master.store.detail?.tables.Container.size).toBe(1)
})

test('the backoff grows to ten seconds, and retry does not wait', async () => {
  await start('a')
  master.down = true
  master.close()
  const delays: number[] = []
  for (let i = 0; i < 8; i++) {
    await flush()
    const state = master.store.connectionState
    if (state.status !== 'lost') throw new Error(`got the state ${state.status}, want lost`)
    delays.push(state.retryAt - Date.now())
    await vi.advanceTimersByTimeAsync(state.retryAt - Date.now())
  }
  expect(delays).toEqual([500, 1000, 2000, 4000, 8000, 10000, 10000, 10000])
  master.down = false
  master.store.retry()
  await flush()
  expect(master.store.connectionState.status).toBe('open')
})

test('a lost connection has the time of the last message', async () => {
  await start('a')
  const lastMessageAt = Date.now()
  await vi.advanceTimersByTimeAsync(12_000)
  master.close()
  expect(master.store.connectionState).toMatchObject({ status: 'lost', lastMessageAt })
})

test('a websocket that is silent for 40 s is reopened', async () => {
  await start('a')
  await vi.advanceTimersByTimeAsync(35_000)
  expect(master.store.connectionState.status).toBe('open')
  await vi.advanceTimersByTimeAsync(15_000)
  expect(master.streams.length).toBe(2)
})

test('after 410 the list starts again, without deleted clusters', async () => {
  await start('a', 'b')
  master.send({ type: 'ERROR', object: { code: 410, reason: 'Expired' } })
  master.close()
  await vi.advanceTimersByTimeAsync(500)
  expect(master.streams.at(-1)).toBe('websocket?watch=true')
  master.send(clusterEvent('ADDED', clusterOf('b'), '0'))
  expect(names()).toBe('a b')
  master.sendList(clusterOf('b'))
  expect(names()).toBe('b')
})

test('a new full state replaces the rows at once, and its differences are in the timeline', async () => {
  await start('a')
  master.store.show('a')
  master.sendState('a', '17.9f2c-4', added('web-1', '0'), added('web-2', '0'))
  const detail = master.store.detail!
  master.send({ ...added('web-3', '0') }, { ...added('web-2', '0') })
  expect([...detail.tables.Container.keys()]).toEqual(['shop/web-1/app', 'shop/web-2/app'])
  master.sendState('a', '18.1111-9', added('web-3', '0'), added('web-2', '0'))
  expect([...detail.tables.Container.keys()]).toEqual(['shop/web-3/app', 'shop/web-2/app'])
  expect(detail.timeline.entries.map((e) => `${e.where} ${e.text}`)).toEqual([
    'shop/web-3/app added',
    'shop/web-1/app deleted',
  ])
})

test('a usage reading sets the usage of rows, and clears that of rows it lacks', async () => {
  await start('a')
  master.store.show('a')
  const node = {
    type: 'ADDED',
    kind: 'Node',
    resourceVersion: '0',
    object: nodeOf('n1', { used: { cpuMillis: 1, memoryBytes: 1 } }),
  } as Event
  master.sendState('a', '17.9f2c-4', node, added('web-1', '0'))
  master.send({
    type: 'MODIFIED',
    kind: 'Usage',
    cluster: 'a',
    resourceVersion: '17.9f2c-5',
    object: { sampledAt: '2026-11-22T10:00:00Z', nodes: {}, containers: { 'shop/web-1/app': [7, 9] } },
  })
  const { tables } = master.store.detail!
  expect(tables.Node.get('n1')?.used).toBeUndefined()
  expect(tables.Container.get('shop/web-1/app')?.used).toEqual({
    cpuMillis: 7,
    memoryBytes: 9,
    sampledAt: '2026-11-22T10:00:00Z',
  })
})

test('subscriptions name registered clusters only', async () => {
  await start('a')
  master.store.setDemand('gone', true)
  master.store.show('b')
  expect(master.subscriptions.at(-1)).toBe('{"demand":[],"detail":[]}')
  master.send(clusterEvent('ADDED', clusterOf('b'), 'f-2'))
  expect(master.subscriptions.at(-1)).toBe('{"demand":[],"detail":["b"]}')
  master.store.setDemand('*', true)
  expect(master.subscriptions.at(-1)).toBe('{"demand":["*"],"detail":["b"]}')
  master.store.setDemand('*', false)
  expect(master.subscriptions.at(-1)).toBe('{"demand":[],"detail":["b"]}')
})

test('a cluster is found by its name, or by one of its IP addresses in any form', async () => {
  master.store.start()
  await flush()
  master.sendList(clusterOf('a', { clusterIPs: ['203.0.113.7', '2001:db8::7'] }), clusterOf('b'))
  expect(['b', '203.0.113.7', '2001:DB8:0::7', '203.0.113.8', 'c'].map((n) => master.store.resolve(n))).toEqual([
    'b',
    'a',
    'a',
    '203.0.113.8',
    'c',
  ])
})

test('showing the list demands no cluster', async () => {
  await start('a', 'b')
  expect(master.subscriptions).toEqual(['{"demand":[],"detail":[]}'])
})

test('if websockets fail, Server-Sent Events are used, and reopened for each change of subscriptions', async () => {
  master.socketsFail = true
  master.store.start()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(master.streams.at(-1)).toBe('sse?watch=true')
  master.sendList(clusterOf('a'))
  await flush()
  master.store.show('a')
  await flush()
  expect(master.streams.at(-1)).toBe('sse?watch=true&resourceVersion=f-1&detail=a')
  expect(master.store.connectionState.status).toBe('open')
})

test('after 401 the page asks for a sign-in, and does not retry before it', async () => {
  master.status = 401
  master.body = '{"reason":"Unauthorized","detail":"a bearer token is missing"}'
  master.store.start()
  await vi.advanceTimersByTimeAsync(120_000)
  expect(master.store.connectionState).toEqual({ status: 'unauthenticated', message: 'a bearer token is missing' })
  expect(master.probes).toBe(1)
  master.status = 200
  master.store.retry()
  await flush()
  expect(master.store.connectionState.status).toBe('open')
})

test('after 403 the state has the message', async () => {
  master.status = 403
  master.body = '{"detail":"ask for the verb list"}'
  master.store.start()
  await flush()
  expect(master.store.connectionState).toEqual({ status: 'forbidden', message: 'ask for the verb list' })
})

test('a cluster that the user may not watch has the error', async () => {
  await start('a')
  master.store.show('a')
  master.send({ type: 'ERROR', object: { code: 403, message: 'watch on clusterstatuses/details is missing' } })
  expect(master.store.detail?.error?.message).toBe('watch on clusterstatuses/details is missing')
})

test("the master's clock is used if it differs from the browser's", async () => {
  master.date = new Date(Date.now() + 60_000).toUTCString()
  await start('a')
  expect(Math.round((master.store.now() - Date.now()) / 1000)).toBe(61)
})

test('history is kept for 15 minutes, also of clusters that are only listed', async () => {
  await start('a')
  for (let i = 0; i < 40; i++) {
    await vi.advanceTimersByTimeAsync(30_000)
    master.send(clusterEvent('MODIFIED', clusterOf('a', { summary: summaryOf({ problemCount: i }) }), `f-${i + 2}`))
  }
  const { samples } = master.store.historyOf('a')
  expect(samples.at(-1)?.problems).toBe(39)
  expect(samples.length).toBe(31)
})

test('earlier samples are loaded from the master, once after each connect', async () => {
  const now = Date.now() / 1000
  const series = (name: string, ...values: [number, string][]) => ({
    metric: { __name__: `rollcall_cluster_${name}`, cluster: 'a', resource: name === 'problems' ? undefined : 'cpu' },
    values,
  })
  master.series = [
    series('allocatable', [now - 60, '4'], [now - 30, '4']),
    series('used', [now - 60, '1'], [now - 30, '2']),
    series('problems', [now - 30, '3']),
  ]
  await start('a')
  expect(master.rangeQueries.length).toBe(0)
  master.store.show('a')
  await flush()
  expect(
    master.rangeQueries.map((q) => [
      q.get('query')?.slice(-12),
      Number(q.get('end')) - Number(q.get('start')),
      q.get('step'),
    ]),
  ).toEqual([['cluster="a"}', 900, '15']])
  const { samples } = master.store.historyOf('a')
  expect(samples.map((s) => [s.cpuUsed, s.problems, s.ready])).toEqual([
    [0.25, null, null],
    [0.5, 3, null],
    [0.1, 0, 2],
  ])
  master.close()
  await vi.advanceTimersByTimeAsync(500)
  expect(master.rangeQueries.length).toBe(2)
})

test('without a Prometheus API, the history has the received samples only', async () => {
  await start('a')
  master.store.show('a')
  await flush()
  expect(master.rangeQueries.length).toBe(1)
  expect(master.store.historyOf('a').samples.length).toBe(1)
})

test('listeners are notified once for several changes', async () => {
  await start('a')
  let notifications = 0
  master.store.subscribe(() => notifications++)
  master.store.show('a')
  master.sendState('a', '17.9f2c-4', added('web-1', '0'), added('web-2', '0'))
  await flush()
  expect(notifications).toBe(1)
})

test('the stream is resumed from a bookmark of the list', async () => {
  await start('a')
  master.send({ type: 'BOOKMARK', resourceVersion: 'f-9', object: { resourceVersion: 'f-9' } })
  master.close()
  await vi.advanceTimersByTimeAsync(500)
  expect(master.streams.at(-1)).toContain('resourceVersion=f-9')
})

test('the version is that of the master, also after another one has replaced it', async () => {
  await start('a')
  expect(master.store.master).toEqual({ version: 'v1.2.3' })
  master.version = { version: 'v1.3.0' }
  master.close()
  await vi.advanceTimersByTimeAsync(2_000)
  expect(master.store.master).toEqual({ version: 'v1.3.0' })
})
