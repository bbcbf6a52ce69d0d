import { Timeline } from './timeline'
import type { Bookmark, Change, Event, RowKind, Rows, SessionObject, Status, Summary, UsageReading } from './types'
import { initialVersion, isInitialEventsEnd, rowId } from './types'

/** The rows of a cluster by kind and id. */
export type Tables = { [K in RowKind]: Map<string, Rows[K]> }

const emptyTables = (): Tables => ({ Node: new Map(), Pod: new Map(), Container: new Map(), Port: new Map() })

/** How many changes that were missed while disconnected are listed in the timeline at most. */
const maxMissedChanges = 100

/**
 * Detail is the state of one cluster, built from its own events. Rows are replaced, never changed, except for their
 * usage, which changes for all rows several times a minute.
 *
 * When the stream starts again with the full state, the new state is built aside and replaces the old one when it is
 * complete, so that the page does not flicker.
 */
export class Detail {
  tables = emptyTables()
  summary: Summary | undefined
  session: SessionObject | undefined
  observedAt: string | undefined
  /** The resource version to resume from; '' for none. */
  version = ''
  /** Whether the state has been complete once. */
  ready = false
  /** Why the master sends no events of this cluster. */
  error: Status | undefined
  timeline = new Timeline()
  /** When rows last changed other than in their usage, by "kind id". */
  changedAt = new Map<string, number>()
  /** Counts the changes of each table, for memoization. */
  revision = { Node: 0, Pod: 0, Container: 0, Port: 0 }
  /** Counts the readings of usage. */
  usageRevision = 0

  /** The full state that is being received; null if none is. */
  private pending: Detail | null = null

  constructor(readonly name: string) {}

  /** Applies an event that was received at a time, in milliseconds since 1970. */
  apply(e: Event, at: number) {
    if (e.type === 'ERROR') {
      if (e.object.code !== 410) this.error = e.object
      return
    }
    this.error = undefined
    if (this.pending === null && e.resourceVersion === initialVersion) this.pending = new Detail(this.name)
    if (e.type === 'BOOKMARK') return this.applyBookmark(e.object, at)
    if (e.resourceVersion !== initialVersion) this.version = e.resourceVersion
    if (this.pending) return this.pending.applyObject(e, at, true)
    this.applyObject(e, at, false)
  }

  /** Discards a full state that was received in part, because its stream has ended. */
  discardPending() {
    this.pending = null
  }

  private applyBookmark(b: Bookmark, at: number) {
    if (this.pending && isInitialEventsEnd(b)) this.replace(this.pending, at)
    this.version = b.resourceVersion
    this.observedAt = b.observedAt
    if (this.session && b.session) {
      // A bookmark has only some fields of the session; the others are kept.
      this.session = { ...this.session, ...b.session, stale: b.stale ?? false }
    }
  }

  /** Applies an event of an object. initial is true for events of a full state, which are not changes. */
  private applyObject(e: Event, at: number, initial: boolean) {
    if (e.type === 'BOOKMARK' || e.type === 'ERROR') return
    switch (e.kind) {
      case 'Cluster':
        return
      case 'Summary':
        this.summary = e.object
        return
      case 'Session':
        if (!initial) this.timeline.addSession(this.session, e.object, at)
        this.session = e.object
        return
      case 'Usage':
        return this.applyUsage(e.object)
      default:
        this.applyRow(e.kind, e.type, e.object, at, initial)
    }
  }

  private applyRow<K extends RowKind>(kind: K, change: Change, object: Rows[RowKind], at: number, initial: boolean) {
    const row = object as Rows[K]
    const table = this.tables[kind] as Map<string, Rows[K]>
    const id = rowId[kind](row)
    const before = table.get(id)
    if (change === 'DELETED') table.delete(id)
    else table.set(id, row)
    this.revision[kind]++
    if (initial) return
    this.timeline.addRow(kind, change === 'ADDED' && before ? 'MODIFIED' : change, before, row, at)
    this.changedAt.set(`${kind} ${id}`, at)
  }

  /** Sets the usage of all rows. A row that is not in the reading has no usage. */
  private applyUsage(u: UsageReading) {
    for (const kind of ['Node', 'Container'] as const) {
      const readings = kind === 'Node' ? u.nodes : u.containers
      for (const [id, row] of this.tables[kind] as Map<string, Rows['Node'] | Rows['Container']>) {
        const reading = readings[id]
        row.used = reading && { cpuMillis: reading[0], memoryBytes: reading[1], sampledAt: u.sampledAt }
      }
    }
    this.usageRevision++
  }

  private replace(full: Detail, at: number) {
    if (this.ready) this.addMissedChanges(full, at)
    this.tables = full.tables
    this.summary = full.summary
    this.session = full.session
    for (const kind of Object.keys(this.revision) as RowKind[]) this.revision[kind]++
    this.ready = true
    this.pending = null
  }

  /** Adds the differences between this state and a newer full state to the timeline. */
  private addMissedChanges(full: Detail, at: number) {
    let added = 0
    const add = <K extends RowKind>(kind: K, change: Change, before: Rows[K] | undefined, after: Rows[K]) => {
      if (added <= maxMissedChanges && this.timeline.addRow(kind, change, before, after, at)) added++
    }
    for (const kind of Object.keys(this.tables) as RowKind[]) {
      const before = this.tables[kind] as Map<string, Rows[RowKind]>
      const after = full.tables[kind] as Map<string, Rows[RowKind]>
      for (const [id, row] of before) if (!after.has(id)) add(kind, 'DELETED', undefined, row)
      for (const [id, row] of after) {
        const old = before.get(id)
        if (!old) add(kind, 'ADDED', undefined, row)
        else if (JSON.stringify(old) !== JSON.stringify(row)) add(kind, 'MODIFIED', old, row)
      }
    }
    if (full.session) this.timeline.addSession(this.session, full.session, at)
    if (added > maxMissedChanges) {
      this.timeline.addConnection('plain', 'more changes happened while disconnected; they are not listed', at)
    }
  }
}

/** Removes the times of changes before a time, which are not highlighted any more. */
export function pruneChangedAt(d: Detail, before: number) {
  for (const [id, at] of d.changedAt) if (at < before) d.changedAt.delete(id)
}
