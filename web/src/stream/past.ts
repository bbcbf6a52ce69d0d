import type { Sample } from './history'
import { share, span } from './history'
import type { Container, Node } from './types'

/** Asks the master for a path. */
export type Ask = (path: string) => Promise<Response>

/** How far apart what is asked for is, in milliseconds. */
const step = 15_000

type Labels = { [name: string]: string | undefined }

/** One series of Prometheus' API: its labels, and values by the time in seconds. */
export interface Series {
  metric: Labels
  values: [number, string][]
}

/** Asks for the last quarter of an hour of a query. What cannot be had is nothing: it is no more than a look back. */
export async function rangeOf(ask: Ask, query: string, now: number): Promise<Series[]> {
  const end = Math.floor(now / step) * step
  const params = new URLSearchParams({ query, start: String((end - span) / 1000), end: String(end / 1000), step: String(step / 1000) })
  try {
    const answer = await ask(`/prometheus/api/v1/query_range?${params}`)
    if (!answer.ok) return []
    const { data } = (await answer.json()) as { data?: { result?: Series[] } }
    return data?.result ?? []
  } catch {
    return []
  }
}

/** The last quarter of an hour of a cluster as the master kept it, the oldest first. */
export async function pastOf(ask: Ask, cluster: string, now: number): Promise<Sample[]> {
  const query = `{__name__=~"rollcall_cluster_(allocatable|requested|used|containers_desired|containers_ready|problems)",resource=~"|cpu|memory",cluster=${JSON.stringify(cluster)}}`
  const series = await rangeOf(ask, query, now)
  const called = ({ __name__, resource }: Labels) => __name__?.replace('rollcall_cluster_', '') + (resource ? ` ${resource}` : '')
  return instants(series, called).map(({ at, values }) => {
    const of = (name: string) => values.get(name) ?? null
    return {
      at,
      cpuUsed: shareOf(of('used cpu'), of('allocatable cpu')),
      cpuRequested: shareOf(of('requested cpu'), of('allocatable cpu')),
      memoryUsed: shareOf(of('used memory'), of('allocatable memory')),
      memoryRequested: shareOf(of('requested memory'), of('allocatable memory')),
      ready: of('containers_ready'),
      desired: of('containers_desired'),
      problems: of('problems'),
    }
  })
}

const shareOf = (part: number | null, whole: number | null) => (part === null || whole === null ? null : share(part, whole))

/** What one object used at an instant. */
export interface Use {
  at: number
  cpuMillis: number | null
  memoryBytes: number | null
}

/** What an object used in the last quarter of an hour. */
export async function useOf(ask: Ask, cluster: string, kind: 'Node' | 'Container', object: Node | Container, now: number): Promise<Use[]> {
  const [what, labels] = kind === 'Node' ? ['node', { cluster, node: object.name }] : ['container', containerLabels(cluster, object as Container)]
  const matchers = Object.entries(labels).map(([name, value]) => `,${name}=${JSON.stringify(value)}`)
  const series = await rangeOf(ask, `{__name__=~"rollcall_${what}_cpu_cores|${what}_memory_working_set_bytes"${matchers.join('')}}`, now)
  return instants(series, (labels) => labels.__name__ ?? '').map(({ at, values }) => {
    const cores = values.get(`rollcall_${what}_cpu_cores`)
    return { at, cpuMillis: cores === undefined ? null : 1000 * cores, memoryBytes: values.get(`${what}_memory_working_set_bytes`) ?? null }
  })
}

const containerLabels = (cluster: string, c: Container) => ({ cluster, namespace: c.namespace, pod: c.pod, container: c.name })

/** What was known at each instant, by what series are called. */
function instants(series: Series[], called: (labels: Labels) => string): { at: number; values: Map<string, number> }[] {
  const all = new Map<number, Map<string, number>>()
  for (const one of series) {
    for (const [seconds, text] of one.values) {
      const at = 1000 * seconds
      if (!all.has(at)) all.set(at, new Map())
      all.get(at)!.set(called(one.metric), Number(text))
    }
  }
  return [...all].sort(([a], [b]) => a - b).map(([at, values]) => ({ at, values }))
}
