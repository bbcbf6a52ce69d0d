import type { Event, Status } from './types'

/** What the page subscribes to, besides the list of clusters. */
export interface Subscriptions {
  /** Names of clusters that report while the page is open, or ['*'] for all. */
  demand: string[]
  /** Clusters whose own events are sent: name@version to resume, or name to start with the full state. */
  detail: string[]
}

/** The state of the connection to the master. Times are in milliseconds since 1970, on the browser's clock. */
export type ConnectionState =
  | { status: 'connecting' }
  | { status: 'open' }
  | { status: 'lost'; lastMessageAt: number; retryAt: number; reason: string }
  /** The master requires a sign-in. */
  | { status: 'unauthenticated'; message: string }
  /** The user is not allowed to list clusters. */
  | { status: 'forbidden'; message: string }

/** The reason of a lost connection when the request for the master's status failed. */
export const noResponse = 'the master does not respond'

/** A stream of events that is open or about to open. */
export interface Stream {
  /** Sends new subscriptions. Returns false if the stream has to be reopened to change them. */
  subscribe(s: Subscriptions): boolean
  close(): void
}

/** Callbacks of a Stream. */
export interface Handlers {
  open(): void
  event(e: Event): void
  closed(): void
}

/** What a Connection depends on: network, clock, and the callbacks of its owner. */
export interface ConnectionDeps {
  /** Makes a cheap request to the master. Unlike a stream that is rejected, its errors have a status and a message. */
  probe(signal: AbortSignal): Promise<Response>
  /** Opens a stream: over Server-Sent Events if sse is true, else over a websocket. */
  connect(query: string, sse: boolean, h: Handlers): Stream
  /** Returns what to subscribe to, or null before the list of clusters is known. */
  subscriptions(): Subscriptions | null
  /** Returns the resource version to resume the list from, or undefined to start with the full list. */
  version(): string | undefined
  /** Called when the version has expired. */
  clearVersion(): void
  onState(state: ConnectionState): void
  onEvent(e: Event): void
  /** Called with the milliseconds by which the master's clock is ahead of the browser's. */
  onClockSkew(ms: number): void
  now(): number
  random(): number
}

const initialBackoff = 500
const maxBackoff = 10_000
const probeTimeout = 10_000
/** The master sends a heartbeat every 15 s. A websocket without a message for this long is considered dead. */
const idleTimeout = 40_000
/** How long to wait after a 403 before the next attempt. */
const forbiddenRetryDelay = 30_000
/** How many websockets may fail to open before the connection falls back to Server-Sent Events. */
const maxFailedSockets = 2
/** A clock difference below this is ignored: the Date header has a resolution of one second. */
const minClockSkew = 2000

/**
 * Connection keeps one stream to the master open. It probes the master, opens the stream, watches for silence, and
 * reconnects with exponential backoff when the stream ends.
 */
export class Connection {
  private stream: Stream | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  private probing: AbortController | null = null
  private backoff = initialBackoff
  private lastMessageAt = 0
  private opened = false
  private failedSockets = 0
  /** The subscriptions that the open stream has. */
  private sent: Subscriptions | null = null
  private stopped = false

  constructor(private deps: ConnectionDeps) {}

  /** Starts to connect. */
  start() {
    this.lastMessageAt = this.deps.now()
    this.deps.onState({ status: 'connecting' })
    void this.attempt()
  }

  /** Closes the stream for good. */
  stop() {
    this.stopped = true
    this.reset()
  }

  /** Reconnects at once, for example after a sign-in or when the browser is online again. No-op while connected. */
  retry() {
    if (this.stopped || (this.stream && this.opened)) return
    this.backoff = initialBackoff
    this.reset()
    void this.attempt()
  }

  /** Sends the current subscriptions if they differ from those of the stream. */
  updateSubscriptions() {
    const wanted = this.deps.subscriptions()
    if (!wanted || !this.stream || !this.opened || equalSubscriptions(wanted, this.sent)) return
    const updated = this.stream.subscribe(wanted)
    this.sent = wanted
    if (!updated) this.reopen()
  }

  private reopen() {
    this.stream?.close()
    this.stream = null
    this.open()
  }

  /** Closes the stream and cancels what is pending. */
  private reset() {
    clearTimeout(this.timer)
    this.probing?.abort()
    this.probing = null
    this.stream?.close()
    this.stream = null
    this.opened = false
  }

  /** Probes the master, and opens a stream if it responds with success. */
  private async attempt() {
    const probing = new AbortController()
    this.probing = probing
    const timeout = setTimeout(() => probing.abort(), probeTimeout)
    try {
      const response = await this.deps.probe(probing.signal)
      const problem = response.ok ? null : await parseProblem(response)
      if (this.probing !== probing) return
      this.updateClockSkew(response)
      this.handleProbe(response, problem)
    } catch {
      if (this.probing === probing) this.handleLoss(noResponse)
    } finally {
      clearTimeout(timeout)
    }
  }

  private updateClockSkew(response: Response) {
    const date = Date.parse(response.headers.get('date') ?? '')
    if (!Number.isFinite(date)) return
    // The header is rounded down to a second: half a second is the expected error.
    const ahead = date + 500 - this.deps.now()
    this.deps.onClockSkew(Math.abs(ahead) < minClockSkew ? 0 : ahead)
  }

  private handleProbe(response: Response, problem: Status | null) {
    if (!problem) return this.open()
    const message = problem.message ?? `the master responded with status ${response.status}`
    if (response.status === 401) return this.deps.onState({ status: 'unauthenticated', message })
    if (response.status === 403) {
      this.deps.onState({ status: 'forbidden', message })
      return this.scheduleAttempt(forbiddenRetryDelay)
    }
    this.handleLoss(message, 1000 * Number(response.headers.get('retry-after') ?? 0))
  }

  private open() {
    const version = this.deps.version()
    const sse = this.failedSockets >= maxFailedSockets
    const query = new URLSearchParams({ watch: 'true' })
    if (version) query.set('resourceVersion', version)
    if (sse && this.sent) {
      if (this.sent.demand.length) query.set('demand', this.sent.demand.join(','))
      if (this.sent.detail.length) query.set('detail', this.sent.detail.join(','))
    }
    this.opened = false
    // Callbacks of a stream that was replaced are ignored.
    let stream: Stream | null = null
    const current = () => stream === this.stream
    stream = this.stream = this.deps.connect(query.toString(), sse, {
      open: () => current() && this.onOpen(sse),
      event: (e) => current() && this.onEvent(e),
      closed: () => current() && this.onClosed(sse),
    })
  }

  private onOpen(sse: boolean) {
    this.opened = true
    this.lastMessageAt = this.deps.now()
    if (!sse) {
      this.failedSockets = 0
      this.sent = null
      this.startIdleTimer()
    }
    this.deps.onState({ status: 'open' })
    this.updateSubscriptions()
  }

  private onEvent(e: Event) {
    this.lastMessageAt = this.deps.now()
    this.backoff = initialBackoff
    if (e.type === 'ERROR' && !e.cluster && e.object.code === 410) this.deps.clearVersion()
    this.deps.onEvent(e)
  }

  private onClosed(sse: boolean) {
    if (!this.opened && !sse) this.failedSockets++
    if (sse) this.sent = null
    this.handleLoss('the connection to the master was closed')
  }

  /** Closes the websocket when the master has been silent for idleTimeout. */
  private startIdleTimer() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      if (this.deps.now() - this.lastMessageAt < idleTimeout) return this.startIdleTimer()
      this.handleLoss(`the master has sent nothing for ${idleTimeout / 1000} s`)
    }, idleTimeout / 4)
  }

  /** Reports the loss of the connection and schedules the next attempt, after at least minDelay milliseconds. */
  private handleLoss(reason: string, minDelay = 0) {
    this.reset()
    if (this.stopped) return
    const delay = Math.max(minDelay, this.backoff * (0.75 + this.deps.random() / 2))
    this.backoff = Math.min(this.backoff * 2, maxBackoff)
    const retryAt = this.deps.now() + delay
    this.deps.onState({ status: 'lost', lastMessageAt: this.lastMessageAt, retryAt, reason })
    this.scheduleAttempt(delay)
  }

  private scheduleAttempt(delay: number) {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.attempt(), delay)
  }
}

/** Reports whether two subscriptions name the same clusters, whatever versions they resume from. */
function equalSubscriptions(a: Subscriptions, b: Subscriptions | null): boolean {
  return b !== null && equalLists(a.demand, b.demand) && equalLists(a.detail.map(nameOf), b.detail.map(nameOf))
}

function equalLists(a: string[], b: string[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i])
}

/** Returns the name of a cluster without its version. */
const nameOf = (detail: string) => detail.split('@', 1)[0]

/** Parses the problem document (RFC 9457) of an error response. */
async function parseProblem(response: Response): Promise<Status> {
  const text = await response.text()
  try {
    const p = JSON.parse(text) as { detail?: string; reason?: string }
    return { code: response.status, reason: p.reason, message: p.detail }
  } catch {
    return { code: response.status }
  }
}
