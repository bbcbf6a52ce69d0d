import type { Cluster, SessionObject } from '../stream/types'
import { problemLine, worstOf } from './problems'
import { isUnreachable, unreachableText } from './reasons'

export type Health = 'healthy' | 'unhealthy' | 'unreachable' | 'connecting' | 'stale' | 'suspended' | 'unknown'

/** The label of each health, and its rank: the lower, the more urgent. */
export const healthStates: { [H in Health]: { label: string; rank: number } } = {
  unreachable: { label: 'Unreachable', rank: 0 },
  unhealthy: { label: 'Unhealthy', rank: 1 },
  stale: { label: 'Stale', rank: 2 },
  connecting: { label: 'Connecting', rank: 3 },
  unknown: { label: 'No data yet', rank: 4 },
  suspended: { label: 'Suspended', rank: 5 },
  healthy: { label: 'Healthy', rank: 6 },
}

/** Returns the health of a cluster, from its session and its last summary. */
export function healthOf(c: Cluster): Health {
  if (c.suspended) return 'suspended'
  if (isUnreachable(c.session)) return 'unreachable'
  if (c.session.phase === 'Connecting') return 'connecting'
  if (!c.summary) return 'unknown'
  if (c.session.phase === 'Reporting' && c.stale) return 'stale'
  return c.summary.healthy ? 'healthy' : 'unhealthy'
}

/** Reports whether the data of a cluster is current, so that its age need not be shown. */
export function isLive(c: Cluster): boolean {
  return c.session.phase === 'Reporting' && !c.stale && !c.suspended
}

/** Returns a cluster with the session of its own events, which is newer than that of the list. */
export function withSession(c: Cluster, s: SessionObject | undefined): Cluster {
  return s ? { ...c, session: s, suspended: s.suspended, stale: s.stale } : c
}

/** Reports whether a cluster needs attention: the filter "Only problems". */
export function needsAttention(c: Cluster): boolean {
  const h = healthOf(c)
  if (h === 'unhealthy' || h === 'unreachable' || h === 'stale') return true
  return h !== 'suspended' && (c.summary?.problemCount ?? 0) > 0
}

/** Returns why a cluster is unreachable, or else its worst problem, in one line; '' if there is neither. */
export function statusLine(c: Cluster): string {
  if (!c.suspended && isUnreachable(c.session)) return unreachableText(c.session)
  const worst = worstOf(c.summary)
  return worst ? problemLine(worst) : ''
}
