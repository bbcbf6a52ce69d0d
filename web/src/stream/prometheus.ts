// Reads the master's stored history through its Prometheus API.

import type { Sample } from './history'
import { historySpan, ratio } from './history'
import type { Container, Node } from './types'

/** Requests a path of the master. */
export type Get = (path: string) => Promise<Response>

/** The resolution of queries, in milliseconds. */
const step = 15_000

type Labels = { [name: string]: string | undefined }

/** One series of a range query: its labels, and its values with their times in seconds. */
export interface Series {
  metric: Labels
  values: [number, string][]
}

/**
 * Returns the last 15 minutes of a query. It returns no series when the request fails: the charts then show only what
 * the page has received itself.
 */
export async function queryRange(get: Get, query: string, now: number): Promise<Series[]> {
  const end = Math.floor(now / step) * step
  const params = new URLSearchParams({
    query,
    start: String((end - historySpan) / 1000),
    end: String(end / 1000),
    step: String(step / 1000),
  })
  try {
    const response = await get(`/prometheus/api/v1/query_range?${params}`)
    if (!response.ok) return []
    const { data } = (await response.json()) as { data?: { result?: Series[] } }
    return data?.result ?? []
  } catch {
    return []
  }
}

const clusterMetrics = 'rollcall_cluster_(allocatable|requested|used|containers_desired|containers_ready|problems)'

/** Returns the stored samples of a cluster, oldest first. */
export async function storedSamples(get: Get, cluster: string, now: number): Promise<Sample[]> {
  const query = `{__name__=~"${clusterMetrics}",resource=~"|cpu|memory",cluster=${JSON.stringify(cluster)}}`
  const series = await queryRange(get, query, now)
  const nameOf = ({ __name__, resource }: Labels) =>
    __name__?.replace('rollcall_cluster_', '') + (resource ? ` ${resource}` : '')
  return groupByTime(series, nameOf).map(({ at, values }) => {
    const value = (name: string) => values.get(name) ?? null
    return {
      at,
      cpuUsed: ratioOrNull(value('used cpu'), value('allocatable cpu')),
      cpuRequested: ratioOrNull(value('requested cpu'), value('allocatable cpu')),
      memoryUsed: ratioOrNull(value('used memory'), value('allocatable memory')),
      memoryRequested: ratioOrNull(value('requested memory'), value('allocatable memory')),
      ready: value('containers_ready'),
      desired: value('containers_desired'),
      problems: value('problems'),
    }
  })
}

const ratioOrNull = (part: number | null, total: number | null) =>
  part === null || total === null ? null : ratio(part, total)

/** The usage of a node or container at one time. */
export interface UsageSample {
  at: number
  cpuMillis: number | null
  memoryBytes: number | null
}

/** Returns the stored usage of a node or container, oldest first. */
export async function storedUsage(
  get: Get,
  cluster: string,
  kind: 'Node' | 'Container',
  object: Node | Container,
  now: number,
): Promise<UsageSample[]> {
  const subject = kind.toLowerCase()
  const labels = kind === 'Node' ? { cluster, node: object.name } : containerLabels(cluster, object as Container)
  const matchers = Object.entries(labels).map(([name, value]) => `,${name}=${JSON.stringify(value)}`)
  const names = `rollcall_${subject}_cpu_cores|${subject}_memory_working_set_bytes`
  const series = await queryRange(get, `{__name__=~"${names}"${matchers.join('')}}`, now)
  return groupByTime(series, (labels) => labels.__name__ ?? '').map(({ at, values }) => {
    const cores = values.get(`rollcall_${subject}_cpu_cores`)
    return {
      at,
      cpuMillis: cores === undefined ? null : 1000 * cores,
      memoryBytes: values.get(`${subject}_memory_working_set_bytes`) ?? null,
    }
  })
}

const containerLabels = (cluster: string, c: Container) => ({
  cluster,
  namespace: c.namespace,
  pod: c.pod,
  container: c.name,
})

/** Returns the values of all series at each time, by the names that nameOf gives the series; oldest first. */
function groupByTime(
  series: Series[],
  nameOf: (labels: Labels) => string,
): { at: number; values: Map<string, number> }[] {
  const byTime = new Map<number, Map<string, number>>()
  for (const s of series) {
    for (const [seconds, text] of s.values) {
      const at = 1000 * seconds
      if (!byTime.has(at)) byTime.set(at, new Map())
      byTime.get(at)!.set(nameOf(s.metric), Number(text))
    }
  }
  return [...byTime].sort(([a], [b]) => a - b).map(([at, values]) => ({ at, values }))
}
