import type { Handlers, Stream, Wishes } from './connection'
import type { Event } from './types'

const path = '/api/v1/clusters'

/** Opens the fleet's stream over a websocket, or as Server-Sent Events where sockets do not get through. */
export function connect(query: string, byEvents: boolean, h: Handlers): Stream {
  return byEvents ? serverSent(query, h) : socket(query, h)
}

function socket(query: string, h: Handlers): Stream {
  const url = new URL(`${path}?${query}`, location.href)
  url.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:'
  const ws = new WebSocket(url)
  ws.onopen = h.open
  ws.onmessage = (m) => h.event(JSON.parse(m.data as string) as Event)
  ws.onclose = h.closed
  return {
    wish(w: Wishes) {
      // Two messages: what is wrong with one of them does not keep the other from being heard.
      ws.send(JSON.stringify({ detail: w.detail }))
      ws.send(JSON.stringify({ demand: w.demand }))
      return true
    },
    close() {
      ws.onopen = ws.onmessage = ws.onclose = null
      ws.close()
    },
  }
}

function serverSent(query: string, h: Handlers): Stream {
  const source = new EventSource(`${path}?${query}`)
  source.onopen = h.open
  source.onmessage = (m) => h.event(JSON.parse(m.data as string) as Event)
  source.onerror = () => {
    source.close()
    h.closed()
  }
  return { wish: () => false, close: () => source.close() }
}

/** Asks for as little as tells whether the master answers, and what it thinks of who asks. */
export function probe(signal: AbortSignal): Promise<Response> {
  return fetch(`${path}?limit=1`, { signal, cache: 'no-store', credentials: 'same-origin' })
}

export function ask(path: string): Promise<Response> {
  return fetch(path, { cache: 'no-store', credentials: 'same-origin' })
}
