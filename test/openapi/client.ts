// What a client that is generated from the OpenAPI document looks like. It has to compile; it is not run.
import createClient from 'openapi-fetch'
import type { components, paths } from './schema'

type Event = components['schemas']['Event']

const client = createClient<paths, 'application/json' | 'application/problem+json'>({ baseUrl: 'https://rollcall.example' })

/** Lists the clusters that are not healthy. */
export async function unhealthy(): Promise<string[]> {
  const { data, error } = await client.GET('/api/v1/clusters', { params: { query: { limit: 100 } } })
  if (error) {
    throw new Error(`${error.reason}: ${error.detail}`)
  }
  return data.clusters.filter((c) => c.summary?.healthy === false).map((c) => c.name)
}

/** Lists who has a port in a cluster. */
export async function portUsers(cluster: string, port: number): Promise<string[]> {
  const { data } = await client.GET('/api/v1/clusters/{cluster}/ports', {
    params: { path: { cluster }, query: { port } },
  })
  return data?.ports.map((p) => `${p.namespace}/${p.service ?? p.pod}`) ?? []
}

/** Watches the pods of a cluster. */
export async function* watchPods(cluster: string): AsyncGenerator<Event> {
  const watching = createClient<paths, 'application/json;stream=watch'>({ baseUrl: 'https://rollcall.example' })
  const { data } = await watching.GET('/api/v1/clusters/{cluster}/pods', {
    params: { path: { cluster }, query: { watch: true } },
    parseAs: 'stream',
  })
  let rest = ''
  for await (const chunk of data!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    for (const line of lines) {
      yield JSON.parse(line) as Event
    }
  }
}

/** Describes an event. The type of its object follows from its kind. */
export function describe(e: Event): string {
  switch (e.type) {
    case 'BOOKMARK':
      return `current as of ${e.resourceVersion}`
    case 'ERROR':
      return `${e.object.code} ${e.object.reason}`
  }
  switch (e.kind) {
    case 'Pod':
      return `${e.type} ${e.object.namespace}/${e.object.name}: ${e.object.status}`
    case 'Node':
      return `${e.type} ${e.object.name}: ready ${e.object.ready}`
    default:
      return `${e.type} ${e.kind}`
  }
}
