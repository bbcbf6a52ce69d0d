import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FakeMaster, cluster, clusterOf, containerOf, ended, nodeOf, summaryOf } from './fake'
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

const settle = () => vi.advanceTimersByTimeAsync(0)
const names = () => [...master.store.clusters.keys()].join(' ')
const added = (pod: string, version: string): Event => ({ type: 'ADDED', kind: 'Container', cluster: 'a', resourceVersion: version, object: containerOf(pod) })

async function begin(...known: string[]) {
  master.store.start()
  await settle()
  master.fleet(...known.map((n) => clusterOf(n)))
  await settle()
}

test('the list is shown when it is whole, and followed from there', async () => {
  master.store.start()
  await settle()
  expect(master.opened).toEqual(['socket?watch=true'])
  master.send(cluster('ADDED', clusterOf('a'), '0'))
  expect([names(), master.store.synced]).toEqual(['', false])
  master.fleet(clusterOf('a'), clusterOf('b'))
  expect([names(), master.store.synced]).toEqual(['a b', true])
  master.send(cluster('DELETED', clusterOf('a'), 'f-1'), cluster('ADDED', clusterOf('c'), 'f-2'))
  expect(names()).toBe('b c')
})

test('a lost stream is resumed where it ended, with what was wanted', async () => {
  await begin('a', 'b')
  master.store.demand('b', true)
  master.store.show('a')
  master.present('a', '17.9f2c-4', added('web-1', '0'))
  master.close()
  await settle()
  expect(master.store.link).toMatchObject({ is: 'lost', next: Date.now() + 500 })
  master.said = []
  await vi.advanceTimersByTimeAsync(500)
  expect(master.opened.at(-1)).toBe('socket?watch=true&resourceVersion=f-1')
  expect(master.said).toEqual(['{"demand":["b"],"detail":["a@17.9f2c-4"]}'])
  expect(master.store.link.is).toBe('open')
  expect(master.store.detail?.tables.Container.size).toBe(1)
})

test('pauses between attempts grow to ten seconds, and a retry does not wait', async () => {
  await begin('a')
  master.down = true
  master.close()
  const pauses: number[] = []
  for (let i = 0; i < 8; i++) {
    await settle()
    const { link } = master.store
    if (link.is !== 'lost') throw new Error(link.is)
    pauses.push(link.next - Date.now())
    await vi.advanceTimersByTimeAsync(link.next - Date.now())
  }
  expect(pauses).toEqual([500, 1000, 2000, 4000, 8000, 10000, 10000, 10000])
  master.down = false
  master.store.retry()
  await settle()
  expect(master.store.link.is).toBe('open')
})

test('since a loss is when the master said something last', async () => {
  await begin('a')
  const heard = Date.now()
  await vi.advanceTimersByTimeAsync(12_000)
  master.close()
  expect(master.store.link).toMatchObject({ is: 'lost', since: heard })
})

test('a silent socket is taken for dead', async () => {
  await begin('a')
  await vi.advanceTimersByTimeAsync(35_000)
  expect(master.store.link.is).toBe('open')
  await vi.advanceTimersByTimeAsync(15_000)
  expect(master.opened.length).toBe(2)
})

test('after 410 the fleet begins anew, and what is gone is gone', async () => {
  await begin('a', 'b')
  master.send({ type: 'ERROR', object: { code: 410, reason: 'Expired' } })
  master.close()
  await vi.advanceTimersByTimeAsync(500)
  expect(master.opened.at(-1)).toBe('socket?watch=true')
  master.send(cluster('ADDED', clusterOf('b'), '0'))
  expect(names()).toBe('a b')
  master.fleet(clusterOf('b'))
  expect(names()).toBe('b')
})

test('a present state that comes anew replaces the rows at once, and its differences are news', async () => {
  await begin('a')
  master.store.show('a')
  master.present('a', '17.9f2c-4', added('web-1', '0'), added('web-2', '0'))
  const detail = master.store.detail!
  master.send({ ...added('web-3', '0') }, { ...added('web-2', '0') })
  expect([...detail.tables.Container.keys()]).toEqual(['shop/web-1/app', 'shop/web-2/app'])
  master.present('a', '18.1111-9', added('web-3', '0'), added('web-2', '0'))
  expect([...detail.tables.Container.keys()]).toEqual(['shop/web-3/app', 'shop/web-2/app'])
  expect(detail.timeline.entries.map((e) => `${e.where} ${e.words}`)).toEqual(['shop/web-3/app appeared', 'shop/web-1/app is gone'])
})

test('usage is put into rows, and who is not in a reading has none', async () => {
  await begin('a')
  master.store.show('a')
  const node = { type: 'ADDED', kind: 'Node', resourceVersion: '0', object: nodeOf('n1', { used: { cpuMillis: 1, memoryBytes: 1 } }) } as Event
  master.present('a', '17.9f2c-4', node, added('web-1', '0'))
  master.send({ type: 'MODIFIED', kind: 'Usage', cluster: 'a', resourceVersion: '17.9f2c-5', object: { sampledAt: '2026-11-22T10:00:00Z', nodes: {}, containers: { 'shop/web-1/app': [7, 9] } } })
  const { tables } = master.store.detail!
  expect(tables.Node.get('n1')?.used).toBeUndefined()
  expect(tables.Container.get('shop/web-1/app')?.used).toEqual({ cpuMillis: 7, memoryBytes: 9, sampledAt: '2026-11-22T10:00:00Z' })
})

test('demand and detail name registered clusters only', async () => {
  await begin('a')
  master.store.demand('gone', true)
  master.store.show('b')
  expect(master.said.at(-1)).toBe('{"demand":[],"detail":[]}')
  master.send(cluster('ADDED', clusterOf('b'), 'f-2'))
  expect(master.said.at(-1)).toBe('{"demand":[],"detail":["b"]}')
  master.store.demand('*', true)
  expect(master.said.at(-1)).toBe('{"demand":["*"],"detail":["b"]}')
  master.store.demand('*', false)
  expect(master.said.at(-1)).toBe('{"demand":[],"detail":["b"]}')
})

test('a cluster goes by its name, or by one of its addresses however they are written', async () => {
  master.store.start()
  await settle()
  master.fleet(clusterOf('a', { clusterIPs: ['203.0.113.7', '2001:db8::7'] }), clusterOf('b'))
  expect(['b', '203.0.113.7', '2001:DB8:0::7', '203.0.113.8', 'c'].map((n) => master.store.resolve(n))).toEqual(['b', 'a', 'a', '203.0.113.8', 'c'])
})

test('looking at the list is no demand', async () => {
  await begin('a', 'b')
  expect(master.said).toEqual(['{"demand":[],"detail":[]}'])
})

test('where sockets do not get through, events are sent, opened anew with each wish', async () => {
  master.socketsFail = true
  master.store.start()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(master.opened.at(-1)).toBe('events?watch=true')
  master.fleet(clusterOf('a'))
  await settle()
  master.store.show('a')
  await settle()
  expect(master.opened.at(-1)).toBe('events?watch=true&resourceVersion=f-1&detail=a')
  expect(master.store.link.is).toBe('open')
})

test('who is not known is asked to sign in, and nothing is tried until then', async () => {
  master.status = 401
  master.body = '{"reason":"Unauthorized","detail":"a bearer token is missing"}'
  master.store.start()
  await vi.advanceTimersByTimeAsync(120_000)
  expect(master.store.link).toEqual({ is: 'signedout', why: 'a bearer token is missing' })
  expect(master.probes).toBe(1)
  master.status = 200
  master.store.retry()
  await settle()
  expect(master.store.link.is).toBe('open')
})

test('who may see nothing is told so', async () => {
  master.status = 403
  master.body = '{"detail":"ask for the verb list"}'
  master.store.start()
  await settle()
  expect(master.store.link).toEqual({ is: 'refused', why: 'ask for the verb list' })
})

test('a cluster that may not be watched says why', async () => {
  await begin('a')
  master.store.show('a')
  master.send({ type: 'ERROR', object: { code: 403, message: 'watch on clusterstatuses/details is missing' } })
  expect(master.store.detail?.refused?.message).toBe('watch on clusterstatuses/details is missing')
})

test("the master's clock counts, where it differs", async () => {
  master.date = new Date(Date.now() + 60_000).toUTCString()
  await begin('a')
  expect(Math.round((master.store.now() - Date.now()) / 1000)).toBe(61)
})

test('history is kept for a quarter of an hour, also of clusters that are only listed', async () => {
  await begin('a')
  for (let i = 0; i < 40; i++) {
    await vi.advanceTimersByTimeAsync(30_000)
    master.send(cluster('MODIFIED', clusterOf('a', { summary: summaryOf({ problemCount: i }) }), `f-${i + 2}`))
  }
  const { samples } = master.store.historyOf('a')
  expect(samples.at(-1)?.problems).toBe(39)
  expect(samples.length).toBe(31)
})

test('what was before the page looked comes from the master, once for each time it begins to look', async () => {
  const now = Date.now() / 1000
  const series = (name: string, ...values: [number, string][]) => ({ metric: { __name__: `rollcall_cluster_${name}`, cluster: 'a', resource: name === 'problems' ? undefined : 'cpu' }, values })
  master.past = [
    series('allocatable', [now - 60, '4'], [now - 30, '4']), series('used', [now - 60, '1'], [now - 30, '2']), series('problems', [now - 30, '3']),
  ]
  await begin('a')
  expect(master.asked.length).toBe(0)
  master.store.show('a')
  await settle()
  expect(master.asked.map((q) => [q.get('query')?.slice(-12), Number(q.get('end')) - Number(q.get('start')), q.get('step')])).toEqual([['cluster="a"}', 900, '15']])
  const { samples } = master.store.historyOf('a')
  expect(samples.map((s) => [s.cpuUsed, s.problems, s.ready])).toEqual([[0.25, null, null], [0.5, 3, null], [0.1, 0, 2]])
  master.close()
  await vi.advanceTimersByTimeAsync(500)
  expect(master.asked.length).toBe(2)
})

test('where the master keeps nothing, the page has what it saw', async () => {
  await begin('a')
  master.store.show('a')
  await settle()
  expect(master.asked.length).toBe(1)
  expect(master.store.historyOf('a').samples.length).toBe(1)
})

test('what happens within a moment is one step for who subscribes', async () => {
  await begin('a')
  let steps = 0
  master.store.subscribe(() => steps++)
  master.store.show('a')
  master.present('a', '17.9f2c-4', added('web-1', '0'), added('web-2', '0'))
  await settle()
  expect(steps).toBe(1)
})

test('a bookmark of the fleet is where the stream goes on', async () => {
  await begin('a')
  master.send({ type: 'BOOKMARK', resourceVersion: 'f-9', object: { resourceVersion: 'f-9' } })
  master.close()
  await vi.advanceTimersByTimeAsync(500)
  expect(master.opened.at(-1)).toContain('resourceVersion=f-9')
  expect(ended.annotations).toBeDefined()
})
