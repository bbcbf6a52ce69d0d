import type { Handlers } from './connection'
import type { Series } from './prometheus'
import type { StoreDeps } from './store'
import { Store } from './store'
import type { Change, Cluster, Container, Event, Node, Pod, Port, Problem, Summary, Version } from './types'

/** A master for unit tests, which responds and sends as a test says. */
export class FakeMaster {
  status = 200
  body = '{"resourceVersion":"0123456789abcdef-1","clusters":[]}'
  date = ''
  headers: Record<string, string> = {}
  down = false
  socketsFail = false
  /** The transport and query of each stream that was opened. */
  streams: string[] = []
  /** The subscriptions that were sent over websockets, as JSON. */
  subscriptions: string[] = []
  probes = 0
  /** The result of range queries; null if the master has no Prometheus API. */
  series: Series[] | null = null
  version: Version = { version: 'v1.2.3' }
  /** The parameters of the range queries. */
  rangeQueries: URLSearchParams[] = []

  private handlers: Handlers | null = null

  readonly store = new Store(this.deps())

  private deps(): StoreDeps {
    return {
      probe: async () => {
        this.probes++
        if (this.down) throw new TypeError('fetch failed')
        return new Response(this.body, { status: this.status, headers: { date: this.date, ...this.headers } })
      },
      get: async (path) => {
        if (path === '/version') return Response.json(this.version)
        this.rangeQueries.push(new URL(path, 'http://master').searchParams)
        if (!this.series) return new Response('', { status: 404 })
        return Response.json({ status: 'success', data: { resultType: 'matrix', result: this.series } })
      },
      connect: (query, sse, h) => {
        this.streams.push((sse ? 'sse?' : 'websocket?') + query)
        this.handlers = h
        queueMicrotask(() => (this.socketsFail && !sse ? h.closed() : h.open()))
        return {
          subscribe: (s) => {
            if (!sse) this.subscriptions.push(JSON.stringify(s))
            return !sse
          },
          close: () => {
            this.handlers = null
          },
        }
      },
      now: () => Date.now(),
      random: () => 0.5,
      schedule: (f) => queueMicrotask(f),
    }
  }

  /** Sends events over the open stream. */
  send(...events: Event[]) {
    for (const e of events) this.handlers?.event(e)
  }

  /** Closes the open stream. */
  close() {
    this.handlers?.closed()
  }

  /** Sends the full list of clusters. */
  sendList(...clusters: Cluster[]) {
    this.send(...clusters.map((c) => clusterEvent('ADDED', c, '0')), {
      type: 'BOOKMARK',
      resourceVersion: 'f-1',
      object: { resourceVersion: 'f-1', ...initialEventsEnd },
    })
  }

  /** Sends the full state of one cluster. */
  sendState(name: string, version: string, ...rows: Event[]) {
    this.send(
      ...rows.map((e) => ({ ...e, cluster: name, resourceVersion: '0' }) as Event),
      { type: 'ADDED', kind: 'Summary', cluster: name, resourceVersion: '0', object: summaryOf() },
      {
        type: 'ADDED',
        kind: 'Session',
        cluster: name,
        resourceVersion: '0',
        object: { phase: 'Reporting', stale: false },
      },
      {
        type: 'BOOKMARK',
        cluster: name,
        resourceVersion: version,
        object: {
          resourceVersion: version,
          observedAt: '2026-11-22T10:00:00Z',
          stale: false,
          session: { phase: 'Reporting' },
          ...initialEventsEnd,
        },
      },
    )
  }
}

/** The annotation of a bookmark that ends a full state. */
export const initialEventsEnd = { annotations: { 'k8s.io/initial-events-end': 'true' } }

export const clusterEvent = (type: Change, object: Cluster, resourceVersion: string): Event => ({
  type,
  kind: 'Cluster',
  resourceVersion,
  object,
})

const none = { cpuMillis: 0, memoryBytes: 0, ephemeralStorageBytes: 0 }

export function clusterOf(name: string, change: Partial<Cluster> = {}): Cluster {
  return { name, session: { phase: 'Reporting' }, stale: false, summary: summaryOf(), ...change }
}

export function summaryOf(change: Partial<Summary> = {}): Summary {
  return {
    nodes: { total: 3, ready: 3, schedulable: 3 },
    pods: { total: 2, pending: 0, running: 2, succeeded: 0, failed: 0, unknown: 0, terminating: 0 },
    containers: { total: 2, running: 2, waiting: 0, terminated: 0, unknown: 0, restarts: 0, desired: 2, ready: 2 },
    capacity: { ...none, cpuMillis: 4000, memoryBytes: 8000 },
    allocatable: { ...none, cpuMillis: 4000, memoryBytes: 8000 },
    requested: { ...none, cpuMillis: 1000, memoryBytes: 4000 },
    limits: none,
    used: { cpuMillis: 400, memoryBytes: 2000, nodes: 3 },
    fragmentation: { cpuMillis: 1000, memoryBytes: 1000 },
    ports: { taken: 1, conflicts: 0 },
    healthy: true,
    problems: [],
    problemCount: 0,
    problemCounts: { critical: 0, warning: 0, info: 0 },
    more: { critical: 0, warning: 0, info: 0 },
    muted: 0,
    ...change,
  }
}

export function containerOf(pod: string, change: Partial<Container> = {}): Container {
  return {
    namespace: 'shop',
    pod,
    name: 'app',
    kind: 'main',
    node: 'n1',
    image: 'shop:1',
    state: 'running',
    ready: true,
    restarts: 0,
    requests: none,
    limits: none,
    ...change,
  }
}

export function problemOf(what: string, where: string, change: Partial<Problem> = {}): Problem {
  return { severity: 'warning', kind: 'Container', what, where, count: 1, ...change }
}

export function podOf(name: string, change: Partial<Pod> = {}): Pod {
  return {
    namespace: 'shop',
    name,
    node: 'n1',
    status: 'Running',
    ready: '1/1',
    restarts: 0,
    phase: 'Running',
    owner: { kind: 'Deployment', name: 'web' },
    requested: none,
    limits: none,
    ...change,
  }
}

export function nodeOf(name: string, change: Partial<Node> = {}): Node {
  return { name, ready: 'True', schedulable: true, capacity: none, allocatable: none, ...change }
}

export function portOf(port: number, change: Partial<Port> = {}): Port {
  return {
    node: '*',
    protocol: 'TCP',
    port,
    kind: 'NodePort',
    namespace: 'shop',
    service: 'web',
    targets: [],
    ...change,
  }
}
