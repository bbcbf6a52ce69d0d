import type { Container, Counts, Owner, Pod, Problem, Severity, Summary } from '../stream/types'
import { rowId } from '../stream/types'
import { counted } from './format'

export const severityLabels: { [S in Severity]: string } = { critical: 'Critical', warning: 'Warning', info: 'Info' }

/** The problems of a summary in the lists that the page shows. Each list keeps the order of the API: worst first. */
export interface ProblemLists {
  /** Critical problems and warnings. */
  problems: Problem[]
  info: Problem[]
  muted: Problem[]
}

/** Splits the problems of a summary into lists. */
export function problemLists(s: Summary): ProblemLists {
  const unmuted = s.problems.filter((p) => !p.muted)
  return {
    problems: unmuted.filter((p) => p.severity !== 'info'),
    info: unmuted.filter((p) => p.severity === 'info'),
    muted: s.problems.filter((p) => p.muted),
  }
}

/** Returns the worst problem that is not muted. */
export function worstOf(s: Summary | undefined): Problem | undefined {
  return s?.problems.find((p) => !p.muted)
}

/** Returns the number of problems by severity, for example "1 critical, 2 warnings, 3 info". */
export function problemCounts(s: Summary): string {
  return countsText(s.problemCounts)
}

/** Returns how many problems are not listed, for example "and 3 more: 1 critical, 2 warnings"; '' for none. */
export function moreProblems(critical: number, warning: number): string {
  const n = critical + warning
  return n === 0 ? '' : `and ${n} more: ${countsText({ critical, warning, info: 0 })}`
}

function countsText({ critical, warning, info }: Counts): string {
  const counts = [
    critical && counted(critical, 'critical', 'critical'),
    warning && counted(warning, 'warning'),
    info && counted(info, 'info', 'info'),
  ]
  return counts.filter(Boolean).join(', ')
}

const nouns: { [kind: string]: string } = {
  Node: 'node',
  Pod: 'pod',
  Container: 'container',
  Port: 'claimant',
  Service: 'Service',
  PersistentVolumeClaim: 'claim',
  PersistentVolume: 'volume',
}

/** Returns how many objects a problem affects, for example "3 containers"; '' if it is one. */
function affected(p: Problem): string {
  if (p.count < 2) return ''
  if (p.kind === 'Node') return `and ${counted(p.count - 1, 'pod')}`
  return counted(p.count, Object.hasOwn(nouns, p.kind) ? nouns[p.kind] : 'object')
}

/** Returns the kind and number of affected objects, for example "Pod", "12 containers" or "Node and 11 pods". */
export function affectedKind(p: Problem): string {
  const n = affected(p)
  if (!n) return p.kind
  return p.kind === 'Node' ? `${p.kind} ${n}` : p.kind === 'Port' ? `${p.kind}, ${n}` : n
}

/** Returns a problem in one line, for example "CrashLoopBackOff shop/web-1/app (3 containers)". */
export function problemLine(p: Problem): string {
  const n = affected(p)
  return `${p.what} ${p.where}${n && ` (${n})`}`
}

/** Returns how many affected objects a problem does not name. */
export function unnamedCount(p: Problem): number {
  return Math.max(0, p.count - 1 - (p.others?.length ?? 0))
}

/** Returns the kind of a problem's other objects; '' if they cannot be opened. */
export function kindOfOthers(p: Problem): 'Pod' | 'Container' | '' {
  if (p.kind === 'Node' || p.kind === 'Pod') return 'Pod'
  return p.kind === 'Container' ? 'Container' : ''
}

/** ProblemIndex finds the problems of an object. */
export class ProblemIndex {
  /** Problems by the kind/id of the objects that they name. */
  private byObject = new Map<string, Problem[]>()
  /** The worst container problem of each workload. */
  private byWorkload = new Map<string, Problem>()

  constructor(problems: Problem[]) {
    for (const p of problems) {
      this.add(`${p.kind}/${p.where}`, p)
      for (const other of p.others ?? []) this.add(`${kindOfOthers(p)}/${other}`, p)
      const namespace = p.where.slice(0, p.where.indexOf('/'))
      const workload = p.kind === 'Container' && p.owner ? workloadOf(namespace, p.owner) : ''
      if (workload && !this.byWorkload.has(workload)) this.byWorkload.set(workload, p)
    }
  }

  private add(id: string, p: Problem) {
    const problems = this.byObject.get(id)
    if (problems) problems.push(p)
    else this.byObject.set(id, [p])
  }

  /** Returns the problems that name an object, worst first. */
  of(kind: string, id: string): Problem[] {
    return this.byObject.get(`${kind}/${id}`) ?? []
  }

  /**
   * Returns the problem of a failing container: the worst that names it, or else that of its workload, since a problem
   * names only some of the containers that it affects.
   */
  ofContainer(c: Container, pod: Pod | undefined): Problem | undefined {
    if (!isFailing(c)) return undefined
    const named = this.of('Container', rowId.Container(c))[0]
    return named ?? (pod && this.byWorkload.get(workloadOf(c.namespace, pod.owner)))
  }
}

const workloadOf = (namespace: string, owner: Owner) => `${namespace}/${owner.kind}/${owner.name}`

/** Reports whether a container is not ready although it should be, or crashes repeatedly. */
export function isFailing(c: Container): boolean {
  return !!(c.notReadySince || c.crashLoopSince)
}
