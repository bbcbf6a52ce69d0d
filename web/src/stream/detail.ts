import { Timeline } from './timeline'
import type { Bookmark, Change, Event, RowKind, Rows, SessionObject, Status, Summary, UsageReading } from './types'
import { beginning, endsInitial, idOf } from './types'

export type Tables = { [K in RowKind]: Map<string, Rows[K]> }

const emptyTables = (): Tables => ({ Node: new Map(), Pod: new Map(), Container: new Map(), Port: new Map() })

/** How many rows, at most, a resync tells of in the timeline. */
const toldOfResync = 100

/**
 * Detail is one cluster as its own events tell of it. Rows are replaced, never changed, but
 * for their usage: that is new for all of them several times a minute.
 *
 * A present state is gathered aside and takes the place of the last one when it is whole,
 * so that nothing flickers when the stream begins anew.
 */
export class Detail {
  tables = emptyTables()
  summary: Summary | undefined
  session: SessionObject | undefined
  observedAt: string | undefined
  /** Where to resume; empty: nowhere. */
  version = ''
  /** Whether there was a whole state once. */
  ready = false
  /** Why nothing comes. */
  refused: Status | undefined
  timeline = new Timeline()
  /** When rows changed last, but for their usage, by kind and id. */
  marks = new Map<string, number>()
  /** Count changes, for those who derive something. */
  revision = { Node: 0, Pod: 0, Container: 0, Port: 0 }
  /** Counts readings of usage. */
  readings = 0

  private gathering: Detail | null = null

  constructor(readonly name: string) {}

  apply(e: Event, at: number) {
    if (e.type === 'ERROR') {
      if (e.object.code !== 410) this.refused = e.object
      return
    }
    this.refused = undefined
    if (this.gathering === null && e.resourceVersion === beginning) this.gathering = new Detail(this.name)
    if (e.type === 'BOOKMARK') return this.bookmark(e.object, at)
    if (e.resourceVersion !== beginning) this.version = e.resourceVersion
    if (this.gathering) return this.gathering.take(e, at, true)
    this.take(e, at, false)
  }

  /** The events that were being gathered will not go on. */
  interrupted() {
    this.gathering = null
  }

  private bookmark(b: Bookmark, at: number) {
    if (this.gathering && endsInitial(b)) this.replace(this.gathering, at)
    this.version = b.resourceVersion
    this.observedAt = b.observedAt
    if (this.session && b.session) {
      // Bookmarks tell of the session's times only; its events tell the rest.
      this.session = { ...this.session, ...b.session, stale: b.stale ?? false }
    }
  }

  private take(e: Event, at: number, quiet: boolean) {
    if (e.type === 'BOOKMARK' || e.type === 'ERROR') return
    switch (e.kind) {
      case 'Cluster':
        return
      case 'Summary':
        this.summary = e.object
        return
      case 'Session':
        if (!quiet) this.timeline.session(this.session, e.object, at)
        this.session = e.object
        return
      case 'Usage':
        return this.use(e.object)
      default:
        this.row(e.kind, e.type, e.object, at, quiet)
    }
  }

  private row<K extends RowKind>(kind: K, change: Change, object: Rows[RowKind], at: number, quiet: boolean) {
    const now = object as Rows[K]
    const table = this.tables[kind] as Map<string, Rows[K]>
    const id = idOf[kind](now)
    const before = table.get(id)
    if (change === 'DELETED') table.delete(id)
    else table.set(id, now)
    this.revision[kind]++
    if (quiet) return
    this.timeline.row(kind, change === 'ADDED' && before ? 'MODIFIED' : change, before, now, at)
    this.marks.set(`${kind} ${id}`, at)
  }

  /** Takes in a reading of usage: who is not in it has none. */
  private use(u: UsageReading) {
    for (const kind of ['Node', 'Container'] as const) {
      const readings = kind === 'Node' ? u.nodes : u.containers
      for (const [id, row] of this.tables[kind] as Map<string, Rows['Node'] | Rows['Container']>) {
        const reading = readings[id]
        row.used = reading && { cpuMillis: reading[0], memoryBytes: reading[1], sampledAt: u.sampledAt }
      }
    }
    this.readings++
  }

  private replace(whole: Detail, at: number) {
    if (this.ready) this.tellOfResync(whole, at)
    this.tables = whole.tables
    this.summary = whole.summary
    this.session = whole.session
    for (const kind of Object.keys(this.revision) as RowKind[]) this.revision[kind]++
    this.ready = true
    this.gathering = null
  }

  /** What differs from before is news, whoever missed its events. */
  private tellOfResync(whole: Detail, at: number) {
    let told = 0
    const tell = <K extends RowKind>(kind: K, change: Change, before: Rows[K] | undefined, now: Rows[K]) => {
      if (told <= toldOfResync && this.timeline.row(kind, change, before, now, at)) told++
    }
    for (const kind of Object.keys(this.tables) as RowKind[]) {
      const before = this.tables[kind] as Map<string, Rows[RowKind]>
      const after = whole.tables[kind] as Map<string, Rows[RowKind]>
      for (const [id, row] of before) if (!after.has(id)) tell(kind, 'DELETED', undefined, row)
      for (const [id, row] of after) {
        const was = before.get(id)
        if (!was) tell(kind, 'ADDED', undefined, row)
        else if (JSON.stringify(was) !== JSON.stringify(row)) tell(kind, 'MODIFIED', was, row)
      }
    }
    if (whole.session) this.timeline.session(this.session, whole.session, at)
    if (told > toldOfResync) this.timeline.stream('plain', 'and more changed while nothing was heard', at)
  }
}

/** Lets go of marks that nobody can see any more. */
export function forgetMarks(d: Detail, before: number) {
  for (const [id, at] of d.marks) if (at < before) d.marks.delete(id)
}
