import type { Change, Condition, Container, Node, Pod, Port, RowKind, Rows, SessionObject } from './types'
import { rowId } from './types'

/** How an entry is coloured. */
export type Tone = 'good' | 'bad' | 'warn' | 'plain'

/** One change, as a line of text. */
export interface Entry {
  /** A number that identifies the entry. */
  n: number
  /** Milliseconds since 1970, on the master's clock. */
  at: number
  tone: Tone
  kind: RowKind | 'Session' | 'Connection'
  /** The id of the row; '' if the entry is about the cluster. */
  id: string
  /** The name of the row, as it is shown. */
  where: string
  text: string
}

/** What an entry says of a change; null if the change is not worth an entry. */
type Description = { tone: Tone; text: string } | null

/** How many entries are kept. */
const maxEntries = 1000

/** Timeline is the list of recent changes, newest first. */
export class Timeline {
  entries: Entry[] = []
  private n = 0

  /** Adds the change of a row. Returns false if the change is not worth an entry. */
  addRow<K extends RowKind>(kind: K, change: Change, before: Rows[K] | undefined, now: Rows[K], at: number): boolean {
    const described = describe[kind](change, before, now)
    if (described) this.push({ ...described, kind, id: rowId[kind](now), where: displayName(kind, now), at })
    return described !== null
  }

  addSession(before: SessionObject | undefined, now: SessionObject, at: number) {
    const described = describeSession(before, now)
    if (described) this.push({ ...described, kind: 'Session', id: '', where: '', at })
  }

  /** Adds a change of the connection between the page and the master. */
  addConnection(tone: Tone, text: string, at: number) {
    this.push({ tone, text, kind: 'Connection', id: '', where: '', at })
  }

  private push(e: Omit<Entry, 'n'>) {
    this.entries = [{ ...e, n: ++this.n }, ...this.entries.slice(0, maxEntries - 1)]
  }
}

/** Returns the name of a row as it is shown, for example "shop/web-1" or "31234/TCP on all nodes". */
export function displayName<K extends RowKind>(kind: K, o: Rows[K]): string {
  if (kind !== 'Port') return rowId[kind](o)
  const p = o as Port
  const node = p.node !== '*' ? ` on ${p.node}` : p.address ? '' : ' on all nodes'
  return `${p.port}/${p.protocol}${node}${p.address ? ` at ${p.address}` : ''}`
}

const describe: { [K in RowKind]: (change: Change, before: Rows[K] | undefined, now: Rows[K]) => Description } = {
  Node: describeNode,
  Pod: describePod,
  Container: describeContainer,
  Port: describePort,
}

const plain = (text: string): Description => ({ tone: 'plain', text })

const addedOrDeleted = (change: Change) => plain(change === 'ADDED' ? 'added' : 'deleted')

function describeNode(change: Change, before: Node | undefined, now: Node): Description {
  if (change !== 'MODIFIED' || !before) return addedOrDeleted(change)
  if (before.ready !== now.ready) {
    if (now.ready === 'True') return { tone: 'good', text: 'is ready' }
    return { tone: 'bad', text: `is not ready${suffix(conditionOf(now, 'Ready')?.message)}` }
  }
  if (before.schedulable !== now.schedulable) {
    return now.schedulable ? plain('is schedulable again') : { tone: 'warn', text: 'is cordoned' }
  }
  const changed = now.conditions?.find((c) => c.status !== (conditionOf(before, c.type)?.status ?? 'False'))
  if (changed) return plain(`${changed.type} is ${changed.status}${suffix(changed.message)}`)
  if (before.kubeletVersion !== now.kubeletVersion) {
    return plain(`kubelet ${before.kubeletVersion} → ${now.kubeletVersion}`)
  }
  // The requests of a node change with each of its pods, which have entries of their own.
  return null
}

function conditionOf(n: Node, type: string): Condition | undefined {
  return n.conditions?.find((c) => c.type === type)
}

function describePod(change: Change, before: Pod | undefined, now: Pod): Description {
  if (change !== 'MODIFIED' || !before) return addedOrDeleted(change)
  const tone = readinessTone(before, now)
  if (before.status !== now.status) {
    const text = `${before.status} → ${now.status}${suffix(now.message)}`
    return { tone: now.phase === 'Failed' ? 'bad' : tone, text }
  }
  if (!before.terminating && now.terminating) return plain('is being deleted')
  if (!before.notReadySince !== !now.notReadySince) {
    return { tone, text: now.notReadySince ? `is not ready${suffix(now.message)}` : 'is ready' }
  }
  if (before.node !== now.node && now.node) return plain(`is scheduled to ${now.node}`)
  if (!before.unschedulableSince && now.unschedulableSince) {
    return { tone: 'warn', text: `cannot be scheduled${suffix(now.message)}` }
  }
  return null
}

function describeContainer(change: Change, before: Container | undefined, now: Container): Description {
  if (change !== 'MODIFIED' || !before) return addedOrDeleted(change)
  if (before.state !== now.state || before.reason !== now.reason) return describeState(before, now)
  if (now.restarts > before.restarts) return { tone: 'warn', text: `restarted (${now.restarts} restarts in total)` }
  if (before.ready !== now.ready) {
    return { tone: readinessTone(before, now), text: now.ready ? 'is ready' : 'is not ready' }
  }
  if (before.image !== now.image) return plain(`image ${before.image} → ${now.image}`)
  return null
}

function describeState(before: Container, now: Container): Description {
  const state = (c: Container) => (c.reason ? `${c.state} (${c.reason})` : c.state)
  // A terminated container of a finished pod has no notReadySince, whatever its exit code.
  const finished = now.state === 'terminated' && !now.notReadySince
  return { tone: finished ? 'plain' : readinessTone(before, now), text: `${state(before)} → ${state(now)}` }
}

/** Returns 'bad' if a pod or container has become not ready, and 'good' if it has become ready. */
function readinessTone(before: { notReadySince?: string }, now: { notReadySince?: string }): Tone {
  if (!before.notReadySince && now.notReadySince) return 'bad'
  return before.notReadySince && !now.notReadySince ? 'good' : 'plain'
}

function describePort(change: Change, before: Port | undefined, now: Port): Description {
  if (change !== 'MODIFIED' || !before) {
    return plain(change === 'ADDED' ? `taken by ${portUser(now)}` : `released by ${portUser(now)}`)
  }
  const conflicts = now.conflicts?.length ?? 0
  const conflictsBefore = before.conflicts?.length ?? 0
  if (conflicts > conflictsBefore) return { tone: 'bad', text: `conflict: ${conflicts + 1} claimants` }
  if (conflicts < conflictsBefore) {
    return { tone: 'good', text: conflicts ? `conflict: ${conflicts + 1} claimants left` : 'conflict resolved' }
  }
  const ready = now.targets.filter((t) => t.ready).length
  const readyBefore = before.targets.filter((t) => t.ready).length
  if (ready === readyBefore && before.targets.length === now.targets.length) return null
  const tone = ready === 0 && readyBefore > 0 ? 'bad' : 'plain'
  return { tone, text: `${ready} of ${now.targets.length} targets ready` }
}

/** Returns what uses a port: a Service, a pod or the kubelet. */
export function portUser(p: { kind: string; namespace?: string; service?: string; pod?: string }): string {
  if (p.service) return `Service ${p.namespace}/${p.service}`
  if (p.pod) return `pod ${p.namespace}/${p.pod}`
  return p.kind === 'Kubelet' ? 'the kubelet' : p.kind
}

function describeSession(before: SessionObject | undefined, now: SessionObject): Description {
  if (!before) return null
  if (!before.suspended && now.suspended) return { tone: 'warn', text: 'the cluster is suspended' }
  if (before.phase !== now.phase) {
    const text = `session ${before.phase} → ${now.phase}`
    if (now.phase === 'Backoff') return { tone: 'bad', text: text + suffix(now.message) }
    return { tone: now.phase === 'Reporting' ? 'good' : 'plain', text }
  }
  if (before.stale !== now.stale) {
    return now.stale ? { tone: 'warn', text: 'the data is stale' } : { tone: 'good', text: 'the data is current again' }
  }
  return null
}

/** Returns ": " and a message, or '' without a message. */
function suffix(message: string | undefined): string {
  return message ? `: ${message}` : ''
}
