import type { Event, Status } from './types'

/** What the page wants of single clusters. */
export interface Wishes {
  /** Names of clusters that shall report while the page is open, or ['*']. */
  demand: string[]
  /** The clusters whose own events are wanted: name@version, or a name for all of it. */
  detail: string[]
}

/** How the stream stands. */
export type Link =
  | { is: 'connecting' }
  | { is: 'open' }
  /** Nothing comes; since is when the last thing did, next when it is tried again. */
  | { is: 'lost'; since: number; next: number; why: string }
  /** The master wants to know who asks. */
  | { is: 'signedout'; why: string }
  /** Who asks may see nothing. */
  | { is: 'refused'; why: string }

/** Why the connection is lost where nobody told why. */
export const noAnswer = 'the master does not answer'

/** A stream of events that is open, or about to be. */
export interface Stream {
  /** Tells the master what is wanted from now on; false: the stream has to be opened anew. */
  wish(w: Wishes): boolean
  close(): void
}

export interface Handlers {
  open(): void
  event(e: Event): void
  closed(): void
}

/** What a connection needs of its surroundings, and of who uses it. */
export interface Rim {
  /** Asks for the status of the master: cheap, and an error has a status and words. */
  probe(signal: AbortSignal): Promise<Response>
  /** By whether sockets work here. */
  connect(query: string, byEvents: boolean, h: Handlers): Stream
  /** What is wanted, once the list of clusters is known; null before. */
  wishes(): Wishes | null
  /** Where the fleet's stream goes on; undefined: from the beginning. */
  version(): string | undefined
  forgetVersion(): void
  link(l: Link): void
  event(e: Event): void
  /** By how many milliseconds the master's clock is ahead of this one. */
  skew(ms: number): void
  now(): number
  random(): number
}

const firstPause = 500
const longestPause = 10_000
const probeTimeout = 10_000
/** The master says something every 15 s; after this long a socket is taken for dead. */
const silence = 40_000
/** Ask again about rights after this long. */
const refusedPause = 30_000

/**
 * Connection keeps one stream open: asks first (a stream that is refused tells a browser
 * nothing), opens, watches over it, and begins again when it ends.
 */
export class Connection {
  private stream: Stream | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  private asking: AbortController | null = null
  private pause = firstPause
  private heard = 0
  private opened = false
  private failedSockets = 0
  private told: Wishes | null = null
  private ended = false

  constructor(private rim: Rim) {}

  start() {
    this.heard = this.rim.now()
    this.rim.link({ is: 'connecting' })
    void this.attempt()
  }

  stop() {
    this.ended = true
    this.drop()
  }

  /** Tries at once, as after a sign-in or when the browser is online again. */
  retry() {
    if (this.ended || (this.stream && this.opened)) return
    this.pause = firstPause
    this.drop()
    void this.attempt()
  }

  /** Tells the master what is wanted by now, where that is something else than before. */
  wish() {
    const wanted = this.rim.wishes()
    if (!wanted || !this.stream || !this.opened || sameWishes(wanted, this.told)) return
    const usual = this.stream.wish(wanted)
    this.told = wanted
    if (!usual) this.reopen()
  }

  private reopen() {
    this.stream?.close()
    this.stream = null
    this.open()
  }

  private drop() {
    clearTimeout(this.timer)
    this.asking?.abort()
    this.asking = null
    this.stream?.close()
    this.stream = null
    this.opened = false
  }

  private async attempt() {
    const asking = new AbortController()
    this.asking = asking
    const late = setTimeout(() => asking.abort(), probeTimeout)
    try {
      const answer = await this.rim.probe(asking.signal)
      const problem = answer.ok ? null : await problemOf(answer)
      if (this.asking !== asking) return
      this.measure(answer)
      this.decide(answer, problem)
    } catch {
      if (this.asking === asking) this.lose(noAnswer)
    } finally {
      clearTimeout(late)
    }
  }

  private measure(answer: Response) {
    const at = Date.parse(answer.headers.get('date') ?? '')
    if (!Number.isFinite(at)) return
    const ahead = at + 500 - this.rim.now()
    this.rim.skew(Math.abs(ahead) < 2000 ? 0 : ahead)
  }

  private decide(answer: Response, problem: Status | null) {
    if (!problem) return this.open()
    const why = problem.message ?? `the master answers with status ${answer.status}`
    if (answer.status === 401) return this.rim.link({ is: 'signedout', why })
    if (answer.status === 403) {
      this.rim.link({ is: 'refused', why })
      return this.later(refusedPause)
    }
    this.lose(why, 1000 * Number(answer.headers.get('retry-after') ?? 0))
  }

  private open() {
    const version = this.rim.version()
    const byEvents = this.failedSockets >= 2
    const query = new URLSearchParams({ watch: 'true' })
    if (version) query.set('resourceVersion', version)
    if (byEvents && this.told) {
      if (this.told.demand.length) query.set('demand', this.told.demand.join(','))
      if (this.told.detail.length) query.set('detail', this.told.detail.join(','))
    }
    this.opened = false
    let mine: Stream | null = null
    const current = () => mine === this.stream
    mine = this.stream = this.rim.connect(query.toString(), byEvents, {
      open: () => current() && this.onOpen(byEvents),
      event: (e) => current() && this.onEvent(e),
      closed: () => current() && this.onClosed(byEvents),
    })
  }

  private onOpen(byEvents: boolean) {
    this.opened = true
    this.heard = this.rim.now()
    if (!byEvents) {
      this.failedSockets = 0
      this.told = null
      this.watchOver()
    }
    this.rim.link({ is: 'open' })
    this.wish()
  }

  private onEvent(e: Event) {
    this.heard = this.rim.now()
    this.pause = firstPause
    if (e.type === 'ERROR' && !e.cluster && e.object.code === 410) this.rim.forgetVersion()
    this.rim.event(e)
  }

  private onClosed(byEvents: boolean) {
    if (!this.opened && !byEvents) this.failedSockets++
    if (byEvents) this.told = null
    this.lose('the connection to the master was closed')
  }

  private watchOver() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      if (this.rim.now() - this.heard < silence) return this.watchOver()
      this.lose('the master has gone silent')
    }, silence / 4)
  }

  private lose(why: string, atLeast = 0) {
    this.drop()
    if (this.ended) return
    const pause = Math.max(atLeast, this.pause * (0.75 + this.rim.random() / 2))
    this.pause = Math.min(this.pause * 2, longestPause)
    this.rim.link({ is: 'lost', since: this.heard, next: this.rim.now() + pause, why })
    this.later(pause)
  }

  private later(pause: number) {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.attempt(), pause)
  }
}

function sameWishes(a: Wishes, b: Wishes | null): boolean {
  return b !== null && sameList(a.demand, b.demand) && sameList(a.detail.map(nameOf), b.detail.map(nameOf))
}

function sameList(a: string[], b: string[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i])
}

const nameOf = (wish: string) => wish.split('@', 1)[0]

async function problemOf(answer: Response): Promise<Status> {
  const text = await answer.text()
  try {
    const p = JSON.parse(text) as { detail?: string; reason?: string }
    return { code: answer.status, reason: p.reason, message: p.detail }
  } catch {
    return { code: answer.status }
  }
}
