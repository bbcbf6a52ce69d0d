import { addressOf } from './address'
import type { Link, Rim, Stream, Handlers, Wishes } from './connection'
import { Connection } from './connection'
import { Detail, forgetMarks } from './detail'
import { History } from './history'
import type { Ask, Use } from './past'
import { pastOf, useOf } from './past'
import type { Cluster, Container, Event, Node, Status } from './types'
import { beginning, endsInitial } from './types'

/** Everything that is demanded. */
export const all = '*'

/** What the store needs of its surroundings. */
export interface Surroundings {
  probe(signal: AbortSignal): Promise<Response>
  ask: Ask
  connect(query: string, byEvents: boolean, h: Handlers): Stream
  now(): number
  random(): number
  /** Runs f soon; what happens until then is shown at once. */
  soon(f: () => void): void
}

/** How long the mark of a change can be seen, in milliseconds. */
export const markTime = 2500

/**
 * Store follows the fleet's stream. It is told what is wanted (which clusters report, which
 * one is shown whole) and tells who subscribes when something is other than before.
 */
export class Store {
  link: Link = { is: 'connecting' }
  clusters = new Map<string, Cluster>()
  /** Whether the list of clusters was whole once. */
  synced = false
  detail: Detail | null = null
  /** What the master said of the last message that it could not obey. */
  complaint: Status | undefined
  /** When the stream said something last, on this browser's clock. */
  heard = 0
  /** By how many milliseconds the master's clock is ahead. */
  skew = 0
  /** Counts what can be seen: one step for everything that happened within a moment. */
  revision = 0

  private demanded = new Set<string>()
  private histories = new Map<string, History>()
  private gathering: Map<string, Cluster> | null = null
  private version: string | undefined
  private listeners = new Set<() => void>()
  private pending = false
  private connection: Connection

  constructor(private around: Surroundings) {
    this.connection = new Connection(this.rim())
    this.heard = around.now()
  }

  start = () => this.connection.start()
  stop = () => this.connection.stop()
  retry = () => this.connection.retry()

  subscribe = (listener: () => void) => {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  /** The master's time. */
  now(): number {
    return this.around.now() + this.skew
  }

  /** The cluster of a name, or of one of its addresses; a name that none has stays as it is. */
  resolve(named: string): string {
    const address = this.clusters.has(named) ? null : addressOf(named)
    if (address === null) return named
    for (const c of this.clusters.values()) if (c.clusterIPs?.some((ip) => addressOf(ip) === address)) return c.name
    return named
  }

  historyOf(name: string): History {
    let h = this.histories.get(name)
    if (!h) this.histories.set(name, (h = new History()))
    return h
  }

  demands(name: string): boolean {
    return this.demanded.has(all) || this.demanded.has(name)
  }

  demandsAll(): boolean {
    return this.demanded.has(all)
  }

  /** Names of clusters, or all, that shall report from now on, or no more. */
  demand(name: string, wanted: boolean) {
    if (wanted) this.demanded.add(name)
    else this.demanded.delete(name)
    if (!wanted && name === all) this.demanded.clear()
    this.connection.wish()
    this.changed()
  }

  /** The cluster that is shown whole; null: none. */
  show(name: string | null) {
    if (this.detail?.name === name) return
    this.detail = name === null ? null : new Detail(name)
    this.connection.wish()
    void this.recall()
    this.changed()
  }

  private rim(): Rim {
    const { probe, connect, now, random } = this.around
    return {
      probe, connect, now, random,
      wishes: () => this.wishes(),
      version: () => this.version,
      forgetVersion: () => (this.version = undefined),
      link: (l) => this.linked(l),
      event: (e) => this.apply(e),
      skew: (ms) => (this.skew = ms),
    }
  }

  private wishes(): Wishes | null {
    if (!this.synced || this.gathering) return null
    const detail = this.detail && this.clusters.has(this.detail.name) ? this.detail : null
    return {
      demand: this.demandsAll() ? [all] : [...this.demanded].filter((name) => this.clusters.has(name)).sort(),
      detail: detail ? [detail.version ? `${detail.name}@${detail.version}` : detail.name] : [],
    }
  }

  private linked(l: Link) {
    if (l.is === 'lost' && this.link.is === 'open') this.detail?.timeline.stream('warn', `connection lost: ${l.why}`, this.now())
    if (l.is === 'open' && this.link.is === 'lost' && this.synced) this.detail?.timeline.stream('good', 'connected again', this.now())
    if (l.is !== 'open') {
      this.gathering = null
      this.detail?.interrupted()
    }
    this.link = l
    if (l.is === 'open') void this.recall()
    this.changed()
  }

  private apply(e: Event) {
    this.heard = this.around.now()
    if (e.cluster !== undefined) this.applyDetail(e)
    else if (e.type === 'ERROR') this.complain(e.object)
    else this.applyFleet(e)
    this.changed()
  }

  private applyDetail(e: Event) {
    const d = this.detail
    if (!d || e.cluster !== d.name) return
    d.apply(e, this.now())
    const tells = e.type === 'BOOKMARK' ? !e.object.stale : e.type !== 'ERROR' && e.kind === 'Summary'
    if (tells && d.ready && d.summary) this.historyOf(d.name).add(d.summary, this.now())
  }

  /** Only the cluster that is shown can be refused: demand is made of what is listed. */
  private complain(s: Status) {
    this.complaint = s
    if ((s.code === 403 || s.code === 404) && this.detail && !this.detail.ready) this.detail.refused = s
  }

  private applyFleet(e: Event) {
    if (e.type === 'ERROR') return
    if (e.resourceVersion !== beginning) this.version = e.resourceVersion
    else this.gathering ??= new Map()
    if (e.type === 'BOOKMARK') {
      if (endsInitial(e.object)) this.replace(this.gathering ?? new Map())
      return
    }
    if (e.kind !== 'Cluster') return
    if (e.type === 'DELETED') this.clusters.delete(e.object.name)
    else (this.gathering ?? this.clusters).set(e.object.name, e.object)
    if (!this.gathering) this.connection.wish()
    this.remember(e.object)
  }

  private replace(clusters: Map<string, Cluster>) {
    this.clusters = clusters
    this.gathering = null
    const first = !this.synced
    this.synced = true
    this.connection.wish()
    if (first) void this.recall()
  }

  /** Asks the master for what was before this page looked, or while it heard nothing. */
  private async recall() {
    const name = this.detail?.name
    if (name === undefined || this.link.is !== 'open' || !this.clusters.has(name)) return
    if (this.historyOf(name).fill(await pastOf(this.around.ask, name, this.now()))) this.changed()
  }

  /** What one object used lately, as far as the master kept it. */
  usageOf(kind: 'Node' | 'Container', object: Node | Container): Promise<Use[]> {
    return this.detail ? useOf(this.around.ask, this.detail.name, kind, object, this.now()) : Promise.resolve([])
  }

  private remember(c: Cluster) {
    if (c.summary && !c.stale && c.session.phase === 'Reporting') this.historyOf(c.name).add(c.summary, this.now())
  }

  private changed() {
    if (this.pending) return
    this.pending = true
    this.around.soon(() => {
      this.pending = false
      this.revision++
      if (this.detail) forgetMarks(this.detail, this.now() - markTime)
      for (const listener of this.listeners) listener()
    })
  }
}
