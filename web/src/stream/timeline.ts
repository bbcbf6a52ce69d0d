import type { Change, Cluster, Condition, Container, Node, Pod, Port, RowKind, Rows, SessionObject } from './types'
import { idOf } from './types'

export type Tone = 'good' | 'bad' | 'warn' | 'plain'

/** One thing that changed, as a person would say it. */
export interface Entry {
  n: number
  /** Milliseconds since 1970, on this browser's clock. */
  at: number
  tone: Tone
  kind: RowKind | 'Session' | 'Stream'
  /** Which row; empty where it is the cluster itself. */
  id: string
  where: string
  words: string
}

type Said = { tone: Tone; words: string } | null

/** How many entries are kept. */
export const kept = 1000

/** Timeline is what changed lately, the newest first. */
export class Timeline {
  entries: Entry[] = []
  private n = 0

  /** Takes in what happened to a row; false: nothing worth a word. */
  row<K extends RowKind>(kind: K, change: Change, before: Rows[K] | undefined, now: Rows[K], at: number): boolean {
    const said = describe[kind](change, before, now)
    if (said) this.push({ ...said, kind, id: idOf[kind](now), where: whereOf(kind, now), at })
    return said !== null
  }

  session(before: SessionObject | undefined, now: SessionObject, at: number) {
    const said = session(before, now)
    if (said) this.push({ ...said, kind: 'Session', id: '', where: '', at })
  }

  stream(tone: Tone, words: string, at: number) {
    this.push({ tone, words, kind: 'Stream', id: '', where: '', at })
  }

  private push(e: Omit<Entry, 'n'>) {
    this.entries = [{ ...e, n: ++this.n }, ...this.entries.slice(0, kept - 1)]
  }
}

export function whereOf<K extends RowKind>(kind: K, o: Rows[K]): string {
  if (kind !== 'Port') return idOf[kind](o)
  const p = o as Port
  const node = p.node !== '*' ? ` on ${p.node}` : p.address ? '' : ' on all nodes'
  return `${p.port}/${p.protocol}${node}${p.address ? ` at ${p.address}` : ''}`
}

const describe: { [K in RowKind]: (change: Change, before: Rows[K] | undefined, now: Rows[K]) => Said } = {
  Node: node,
  Pod: pod,
  Container: container,
  Port: port,
}

function comes(change: Change, tone: Tone = 'plain'): Said {
  if (change === 'ADDED') return { tone, words: 'appeared' }
  return { tone: 'plain', words: 'is gone' }
}

function node(change: Change, before: Node | undefined, now: Node): Said {
  if (change !== 'MODIFIED' || !before) return comes(change)
  if (before.ready !== now.ready) {
    return now.ready === 'True' ? { tone: 'good', words: 'is ready' } : { tone: 'bad', words: `is not ready${because(conditionOf(now, 'Ready')?.message)}` }
  }
  if (before.schedulable !== now.schedulable) {
    return now.schedulable ? { tone: 'plain', words: 'takes pods again' } : { tone: 'warn', words: 'is cordoned' }
  }
  const turned = now.conditions?.find((c) => c.status !== (conditionOf(before, c.type)?.status ?? 'False'))
  if (turned) return { tone: 'plain', words: `${turned.type} is ${turned.status}${because(turned.message)}` }
  if (before.kubeletVersion !== now.kubeletVersion) return { tone: 'plain', words: `kubelet ${before.kubeletVersion} → ${now.kubeletVersion}` }
  // What its pods request changes with each of them, and they have entries of their own.
  return null
}

function conditionOf(n: Node, type: string): Condition | undefined {
  return n.conditions?.find((c) => c.type === type)
}

function pod(change: Change, before: Pod | undefined, now: Pod): Said {
  if (change !== 'MODIFIED' || !before) return comes(change)
  if (before.status !== now.status) return { tone: now.phase === 'Failed' ? 'bad' : toneOf(before, now), words: `${before.status} → ${now.status}${because(now.message)}` }
  if (!before.terminating && now.terminating) return { tone: 'plain', words: 'is being deleted' }
  if (!before.notReadySince !== !now.notReadySince) return { tone: toneOf(before, now), words: now.notReadySince ? `is not ready${because(now.message)}` : 'is ready' }
  if (before.node !== now.node && now.node) return { tone: 'plain', words: `is scheduled to ${now.node}` }
  if (!before.unschedulableSince && now.unschedulableSince) return { tone: 'warn', words: `cannot be scheduled${because(now.message)}` }
  return null
}

function container(change: Change, before: Container | undefined, now: Container): Said {
  if (change !== 'MODIFIED' || !before) return comes(change)
  if (before.state !== now.state || before.reason !== now.reason) return turned(before, now)
  if (now.restarts > before.restarts) return { tone: 'warn', words: `restarted (${now.restarts} times by now)` }
  if (before.ready !== now.ready) return { tone: toneOf(before, now), words: now.ready ? 'is ready' : 'is not ready' }
  if (before.image !== now.image) return { tone: 'plain', words: `image ${before.image} → ${now.image}` }
  return null
}

function turned(before: Container, now: Container): Said {
  const state = (c: Container) => (c.reason ? `${c.state} (${c.reason})` : c.state)
  // A container that ended has no notReadySince once its pod has finished, whatever its exit code.
  return { tone: now.state === 'terminated' && !now.notReadySince ? 'plain' : toneOf(before, now), words: `${state(before)} → ${state(now)}` }
}

/** Whether a pod or container stops working, works again, or goes on as before. */
function toneOf(before: { notReadySince?: string }, now: { notReadySince?: string }): Tone {
  if (!before.notReadySince && now.notReadySince) return 'bad'
  return before.notReadySince && !now.notReadySince ? 'good' : 'plain'
}

function port(change: Change, before: Port | undefined, now: Port): Said {
  if (change !== 'MODIFIED' || !before) return { tone: 'plain', words: change === 'ADDED' ? `taken by ${holderOf(now)}` : `released by ${holderOf(now)}` }
  const conflicts = now.conflicts?.length ?? 0
  const had = before.conflicts?.length ?? 0
  if (conflicts > had) return { tone: 'bad', words: `has ${conflicts + 1} claimants` }
  if (conflicts < had) return { tone: 'good', words: conflicts ? 'has one conflict less' : 'has no conflict any more' }
  const ready = now.targets.filter((t) => t.ready).length
  const was = before.targets.filter((t) => t.ready).length
  if (ready === was && before.targets.length === now.targets.length) return null
  return { tone: ready === 0 && was > 0 ? 'bad' : 'plain', words: `leads to ${ready} ready of ${now.targets.length} targets` }
}

/** Who holds a port, in words. */
export function holderOf(p: { kind: string; namespace?: string; service?: string; pod?: string }): string {
  if (p.service) return `Service ${p.namespace}/${p.service}`
  if (p.pod) return `pod ${p.namespace}/${p.pod}`
  return p.kind === 'Kubelet' ? 'the kubelet' : p.kind
}

function session(before: SessionObject | undefined, now: SessionObject): Said {
  if (!before) return null
  if (!before.suspended && now.suspended) return { tone: 'warn', words: 'the cluster is suspended' }
  if (before.phase !== now.phase) {
    if (now.phase === 'Backoff') return { tone: 'bad', words: `session ${before.phase} → Backoff${because(now.message)}` }
    return { tone: now.phase === 'Reporting' ? 'good' : 'plain', words: `session ${before.phase} → ${now.phase}` }
  }
  if (before.stale !== now.stale) return now.stale ? { tone: 'warn', words: 'the data has grown stale' } : { tone: 'good', words: 'the data is fresh' }
  return null
}

/** What the list of clusters tells of one whose own events do not come. */
export function sessionOf(c: Cluster): SessionObject {
  return { ...c.session, suspended: c.suspended, stale: c.stale }
}

function because(reason: string | undefined): string {
  return reason ? `: ${reason}` : ''
}
