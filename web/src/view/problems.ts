import type { Container, Pod, Problem, Severity, Summary } from '../stream/types'
import { counted } from './format'

/** A severity in a word, as it stands beside its icon. */
export const severities: { [S in Severity]: string } = { critical: 'Critical', warning: 'Warning', info: 'Info' }

export interface Lists {
  /** Critical ones and warnings, the worst first. */
  problems: Problem[]
  info: Problem[]
  muted: Problem[]
}

/** listsOf divides the problems of a summary into those that are listed apart. Each list keeps the API's order. */
export function listsOf(s: Summary): Lists {
  const counts = s.problems.filter((p) => !p.muted)
  return { problems: counts.filter((p) => p.severity !== 'info'), info: counts.filter((p) => p.severity === 'info'), muted: s.problems.filter((p) => p.muted) }
}

/** worstOf returns the first problem that is not muted. */
export function worstOf(s: Summary | undefined): Problem | undefined {
  return s?.problems.find((p) => !p.muted)
}

/** How many problems there are by severity, for example "1 critical, 2 warnings, 3 info". */
export function countsOf(s: Summary): string {
  const { critical, warning, info } = s.problemCounts
  return [critical && `${counted(critical, 'critical', 'critical')}`, warning && counted(warning, 'warning'), info && counted(info, 'info', 'info')].filter(Boolean).join(', ')
}

/** How many problems are not listed, for example "and 3 more: 1 critical, 2 warnings"; empty for none. */
export function moreOf(critical: number, warning: number): string {
  const n = critical + warning
  if (n === 0) return ''
  return `and ${n} more: ${[critical && counted(critical, 'critical', 'critical'), warning && counted(warning, 'warning')].filter(Boolean).join(', ')}`
}

const nouns: { [kind: string]: string } = {
  Node: 'node', Pod: 'pod', Container: 'container', Port: 'claimant', Service: 'Service', PersistentVolumeClaim: 'claim', PersistentVolume: 'volume',
}

/** How many objects a problem affects, for example "3 containers"; empty where it is one. */
export function affected(p: Problem): string {
  if (p.count < 2) return ''
  if (p.kind === 'Node') return `and ${counted(p.count - 1, 'pod')}`
  return counted(p.count, Object.hasOwn(nouns, p.kind) ? nouns[p.kind] : 'object')
}

/** What kind of object a problem is about, and how many it affects, for example "Pod", "12 containers" or "Node and 11 pods". */
export function kindOf(p: Problem): string {
  const n = affected(p)
  if (!n) return p.kind
  return p.kind === 'Node' ? `${p.kind} ${n}` : p.kind === 'Port' ? `${p.kind}, ${n}` : n
}

/** A problem in one line. */
export function lineOf(p: Problem): string {
  const n = affected(p)
  return `${p.what} ${p.where}${n && ` (${n})`}`
}

/** How many affected objects a problem does not name. */
export function unnamed(p: Problem): number {
  return Math.max(0, p.count - 1 - (p.others?.length ?? 0))
}

/** What others of a problem are; empty where they are no objects that can be opened. */
export function kindOfOthers(p: Problem): 'Pod' | 'Container' | '' {
  if (p.kind === 'Node' || p.kind === 'Pod') return 'Pod'
  return p.kind === 'Container' ? 'Container' : ''
}

/** ProblemIndex finds the problems of an object, by the names that the API's rows give. */
export class ProblemIndex {
  private named = new Map<string, Problem[]>()
  private workloads = new Map<string, Problem>()

  constructor(problems: Problem[]) {
    for (const p of problems) {
      this.add(`${p.kind}/${p.where}`, p)
      for (const other of p.others ?? []) this.add(`${kindOfOthers(p)}/${other}`, p)
      const workload = p.kind === 'Container' && p.owner ? workloadOf(p.where.slice(0, p.where.indexOf('/')), p.owner) : ''
      if (workload && !this.workloads.has(workload)) this.workloads.set(workload, p)
    }
  }

  private add(id: string, p: Problem) {
    const had = this.named.get(id)
    if (had) had.push(p)
    else this.named.set(id, [p])
  }

  /** Rows that name an object, the worst first. */
  of(kind: string, id: string): Problem[] {
    return this.named.get(`${kind}/${id}`) ?? []
  }

  /** The row of a container that does not work: one that names it, or where none does, the one of its workload. */
  ofContainer(c: Container, pod: Pod | undefined): Problem | undefined {
    if (!notWorking(c)) return undefined
    return this.of('Container', `${c.namespace}/${c.pod}/${c.name}`)[0] ?? (pod && this.workloads.get(workloadOf(c.namespace, pod.owner)))
  }
}

const workloadOf = (namespace: string, owner: { kind: string; name: string }) => `${namespace}/${owner.kind}/${owner.name}`

/** Whether the API gives a time since when a container does not work, or crashes again and again. */
export function notWorking(c: Container): boolean {
  return !!(c.notReadySince || c.crashLoopSince)
}
