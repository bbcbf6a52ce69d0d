import { canonicalIP } from './address'
import type { ConnectionDeps, ConnectionState, Handlers, Stream, Subscriptions } from './connection'
import { Connection } from './connection'
import { Detail, pruneChangedAt } from './detail'
import { History } from './history'
import type { Get, UsageSample } from './prometheus'
import { storedSamples, storedUsage } from './prometheus'
import type { Cluster, Container, Event, Node, Status, Version } from './types'
import { initialVersion, isInitialEventsEnd } from './types'

/** The name that stands for all clusters in a demand. */
export const allClusters = '*'

/** What the Store depends on: network, clock and timers. */
export interface StoreDeps {
  probe(signal: AbortSignal): Promise<Response>
  get: Get
  connect(query: string, sse: boolean, h: Handlers): Stream
  now(): number
  random(): number
  /** Calls f after a short delay. Listeners are notified once for all changes within the delay. */
  schedule(f: () => void): void
}

/** How long a changed row is highlighted, in milliseconds. */
const highlightTime = 2500

/**
 * Store holds the state that the page shows. It follows the master's stream, subscribes to the clusters that the views
 * need, and notifies listeners of changes. There is one Store and one stream for each tab.
 */
export class Store {
  connectionState: ConnectionState = { status: 'connecting' }
  clusters = new Map<string, Cluster>()
  /** Whether the list of clusters has been complete once. */
  synced = false
  /** The cluster that is shown; null while the list is. */
  detail: Detail | null = null
  /** The milliseconds by which the master's clock is ahead of the browser's. */
  clockSkew = 0
  /** The version of the master; null until it is known. */
  master: Version | null = null
  /** Counts the notifications of listeners. */
  revision = 0

  private demanded = new Set<string>()
  private histories = new Map<string, History>()
  /** The full list that is being received; null if none is. */
  private pendingClusters: Map<string, Cluster> | null = null
  private version: string | undefined
  private listeners = new Set<() => void>()
  private notifyScheduled = false
  private connection: Connection

  constructor(private deps: StoreDeps) {
    this.connection = new Connection(this.connectionDeps())
  }

  start = () => {
    void this.loadVersion()
    this.connection.start()
  }
  stop = () => this.connection.stop()
  retry = () => this.connection.retry()

  /** Adds a listener, and returns a function that removes it. */
  subscribe = (listener: () => void) => {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  /** Returns the time on the master's clock, in milliseconds since 1970. */
  now(): number {
    return this.deps.now() + this.clockSkew
  }

  /** Returns the name of the cluster that has a name or one of its IP addresses, or the argument if there is none. */
  resolve(nameOrIP: string): string {
    const ip = this.clusters.has(nameOrIP) ? null : canonicalIP(nameOrIP)
    if (ip === null) return nameOrIP
    for (const c of this.clusters.values()) if (c.clusterIPs?.some((own) => canonicalIP(own) === ip)) return c.name
    return nameOrIP
  }

  /** Returns the history of a cluster, which is empty at first. */
  historyOf(name: string): History {
    let h = this.histories.get(name)
    if (!h) {
      h = new History()
      this.histories.set(name, h)
    }
    return h
  }

  /** Reports whether the page demands that a cluster reports. */
  isDemanded(name: string): boolean {
    return this.demanded.has(allClusters) || this.demanded.has(name)
  }

  allDemanded(): boolean {
    return this.demanded.has(allClusters)
  }

  /** Starts or ends the demand for a cluster, or for allClusters. Ending the demand for all ends it for each. */
  setDemand(name: string, demanded: boolean) {
    if (demanded) this.demanded.add(name)
    else this.demanded.delete(name)
    if (!demanded && name === allClusters) this.demanded.clear()
    this.connection.updateSubscriptions()
    this.scheduleNotify()
  }

  /** Subscribes to the events of a cluster, in place of the one before; null for none. */
  show(name: string | null) {
    if (this.detail?.name === name) return
    this.detail = name === null ? null : new Detail(name)
    this.connection.updateSubscriptions()
    void this.loadHistory()
    this.scheduleNotify()
  }

  private connectionDeps(): ConnectionDeps {
    const { probe, connect, now, random } = this.deps
    return {
      probe,
      connect,
      now,
      random,
      subscriptions: () => this.subscriptions(),
      version: () => this.version,
      clearVersion: () => {
        this.version = undefined
      },
      onState: (state) => this.handleState(state),
      onEvent: (e) => this.apply(e),
      onClockSkew: (ms) => {
        this.clockSkew = ms
      },
    }
  }

  /** Returns what to subscribe to. It names only clusters of the list: the master rejects messages with others. */
  private subscriptions(): Subscriptions | null {
    if (!this.synced || this.pendingClusters) return null
    const detail = this.detail && this.clusters.has(this.detail.name) ? this.detail : null
    const demanded = [...this.demanded].filter((name) => this.clusters.has(name)).sort()
    return {
      demand: this.allDemanded() ? [allClusters] : demanded,
      detail: detail ? [detail.version ? `${detail.name}@${detail.version}` : detail.name] : [],
    }
  }

  private handleState(state: ConnectionState) {
    const before = this.connectionState.status
    const timeline = this.detail?.timeline
    if (state.status === 'lost' && before === 'open') {
      timeline?.addConnection('warn', `connection lost: ${state.reason}`, this.now())
    }
    if (state.status === 'open' && before === 'lost' && this.synced) {
      timeline?.addConnection('good', 'connected again', this.now())
    }
    if (state.status !== 'open') {
      this.pendingClusters = null
      this.detail?.discardPending()
    }
    this.connectionState = state
    if (state.status === 'open') void this.loadHistory()
    if (state.status === 'open' && before === 'lost') void this.loadVersion()
    this.scheduleNotify()
  }

  private apply(e: Event) {
    if (e.cluster !== undefined) this.applyDetail(e)
    else if (e.type === 'ERROR') this.handleError(e.object)
    else this.applyList(e)
    this.scheduleNotify()
  }

  private applyDetail(e: Event) {
    const d = this.detail
    if (!d || e.cluster !== d.name) return
    d.apply(e, this.now())
    const isCurrent = e.type === 'BOOKMARK' ? !e.object.stale : e.type !== 'ERROR' && e.kind === 'Summary'
    if (isCurrent && d.ready && d.summary) this.historyOf(d.name).add(d.summary, this.now())
  }

  /** Handles an error about subscriptions. It is about the shown cluster, as demand names only listed clusters. */
  private handleError(s: Status) {
    if ((s.code === 403 || s.code === 404) && this.detail && !this.detail.ready) this.detail.error = s
  }

  private applyList(e: Event) {
    if (e.type === 'ERROR') return
    if (e.resourceVersion !== initialVersion) this.version = e.resourceVersion
    else this.pendingClusters ??= new Map()
    if (e.type === 'BOOKMARK') {
      if (isInitialEventsEnd(e.object)) this.replaceClusters(this.pendingClusters ?? new Map())
      return
    }
    if (e.kind !== 'Cluster') return
    if (e.type === 'DELETED') this.clusters.delete(e.object.name)
    else (this.pendingClusters ?? this.clusters).set(e.object.name, e.object)
    if (!this.pendingClusters) this.connection.updateSubscriptions()
    this.addSample(e.object)
  }

  private replaceClusters(clusters: Map<string, Cluster>) {
    this.clusters = clusters
    this.pendingClusters = null
    const first = !this.synced
    this.synced = true
    this.connection.updateSubscriptions()
    if (first) void this.loadHistory()
  }

  /** Loads the version of the master, which may be another one after each connection. */
  private async loadVersion() {
    try {
      const response = await this.deps.get('/version')
      if (!response.ok) return
      this.master = (await response.json()) as Version
    } catch {
      return // The connection shows that the master does not respond.
    }
    this.scheduleNotify()
  }

  /** Loads from the master what happened before the page was opened, or while it was disconnected. */
  private async loadHistory() {
    const name = this.detail?.name
    if (name === undefined || this.connectionState.status !== 'open' || !this.clusters.has(name)) return
    const stored = await storedSamples(this.deps.get, name, this.now())
    if (this.historyOf(name).addStored(stored)) this.scheduleNotify()
  }

  /** Returns the stored usage of a node or container of the shown cluster, oldest first. */
  storedUsage(kind: 'Node' | 'Container', object: Node | Container): Promise<UsageSample[]> {
    if (!this.detail) return Promise.resolve([])
    return storedUsage(this.deps.get, this.detail.name, kind, object, this.now())
  }

  private addSample(c: Cluster) {
    if (c.summary && !c.stale && c.session.phase === 'Reporting') this.historyOf(c.name).add(c.summary, this.now())
  }

  private scheduleNotify() {
    if (this.notifyScheduled) return
    this.notifyScheduled = true
    this.deps.schedule(() => {
      this.notifyScheduled = false
      this.revision++
      if (this.detail) pruneChangedAt(this.detail, this.now() - highlightTime)
      for (const listener of this.listeners) listener()
    })
  }
}
