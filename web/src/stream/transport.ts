import type { Handlers, Stream, Subscriptions } from './connection'
import type { Event } from './types'

const path = '/api/v1/clusters'

/** Opens the stream of the list: over Server-Sent Events if sse is true, else over a websocket. */
export function connect(query: string, sse: boolean, h: Handlers): Stream {
  return sse ? openEventSource(query, h) : openWebSocket(query, h)
}

function openWebSocket(query: string, h: Handlers): Stream {
  const url = new URL(`${path}?${query}`, location.href)
  url.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:'
  const ws = new WebSocket(url)
  ws.onopen = h.open
  ws.onmessage = (m) => h.event(JSON.parse(m.data as string) as Event)
  ws.onclose = h.closed
  return {
    subscribe(s: Subscriptions) {
      // Two messages, so that an error in one does not reject the other.
      ws.send(JSON.stringify({ detail: s.detail }))
      ws.send(JSON.stringify({ demand: s.demand }))
      return true
    },
    close() {
      ws.onopen = ws.onmessage = ws.onclose = null
      ws.close()
    },
  }
}

function openEventSource(query: string, h: Handlers): Stream {
  const source = new EventSource(`${path}?${query}`)
  source.onopen = h.open
  source.onmessage = (m) => h.event(JSON.parse(m.data as string) as Event)
  source.onerror = () => {
    source.close()
    h.closed()
  }
  return { subscribe: () => false, close: () => source.close() }
}

/** Makes the smallest request that shows whether the master responds and whether the user may list clusters. */
export function probe(signal: AbortSignal): Promise<Response> {
  return fetch(`${path}?limit=1`, { signal, cache: 'no-store', credentials: 'same-origin' })
}

/** Requests a path of the master. */
export function get(path: string): Promise<Response> {
  return fetch(path, { cache: 'no-store', credentials: 'same-origin' })
}
