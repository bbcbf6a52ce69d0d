import type { Cluster, SessionObject } from '../stream/types'
import { lineOf, worstOf } from './problems'
import { failing, failure } from './reasons'

export type Health = 'healthy' | 'unhealthy' | 'unreachable' | 'connecting' | 'stale' | 'suspended' | 'unknown'

/** How a cluster is, in a word. The order is that of how much it wants to be looked at. */
export const healths: { [H in Health]: { words: string; rank: number } } = {
  unreachable: { words: 'Unreachable', rank: 0 },
  unhealthy: { words: 'Unhealthy', rank: 1 },
  stale: { words: 'Stale', rank: 2 },
  connecting: { words: 'Connecting', rank: 3 },
  unknown: { words: 'Not heard of yet', rank: 4 },
  suspended: { words: 'Suspended', rank: 5 },
  healthy: { words: 'Healthy', rank: 6 },
}

export function healthOf(c: Cluster): Health {
  if (c.suspended) return 'suspended'
  if (failing(c.session)) return 'unreachable'
  if (c.session.phase === 'Connecting') return 'connecting'
  if (!c.summary) return 'unknown'
  if (c.session.phase === 'Reporting' && c.stale) return 'stale'
  return c.summary.healthy ? 'healthy' : 'unhealthy'
}

/** Whether what is shown is as of now, so that its age says nothing. */
export function isLive(c: Cluster): boolean {
  return c.session.phase === 'Reporting' && !c.stale && !c.suspended
}

/** A cluster with what its own events tell, which is newer. */
export function withSession(c: Cluster, s: SessionObject | undefined): Cluster {
  return s ? { ...c, session: s, suspended: s.suspended, stale: s.stale } : c
}

/** Whether somebody should look at it. */
export function wantsALook(c: Cluster): boolean {
  const h = healthOf(c)
  return h === 'unhealthy' || h === 'unreachable' || h === 'stale' || (h !== 'suspended' && (c.summary?.problemCount ?? 0) > 0)
}

/** The worst that is wrong with a cluster, in one line; empty where nothing is. */
export function trouble(c: Cluster): string {
  if (!c.suspended && failing(c.session)) return failure(c.session)
  const worst = worstOf(c.summary)
  return worst ? lineOf(worst) : ''
}
