import { expect, test } from 'vitest'
import { clusterOf, problemOf } from '../stream/fake'
import type { Cluster } from '../stream/types'
import { healthOf, trouble } from './standing'

const sick = problemOf('CrashLoopBackOff', 'shop/web-1/app', { severity: 'critical', count: 3 })
const summary = clusterOf('a').summary!

test.each<[string, Partial<Cluster>, string, string]>([
  ['reporting, and well', {}, 'healthy', ''],
  ['reporting, with problems', { summary: { ...summary, healthy: false, problems: [sick], problemCount: 3 } }, 'unhealthy', 'CrashLoopBackOff shop/web-1/app (3 containers)'],
  ['reporting, with a muted problem', { summary: { ...summary, problems: [{ ...sick, muted: 'known' }], muted: 1 } }, 'healthy', ''],
  ['idle after it answered', { session: { phase: 'Idle', reason: 'Succeeded' }, stale: true }, 'healthy', ''],
  ['idle after it did not', { session: { phase: 'Idle', reason: 'DialFailed', message: 'dial wss://a: refused' } }, 'unreachable', 'No agent answers: dial wss://a: refused'],
  ['between two attempts', { session: { phase: 'Backoff', reason: 'ClockSkew', message: 'the token is refused' } }, 'unreachable', 'Its clock is off: the token is refused'],
  ['idle, with a clock that is off', { session: { phase: 'Idle', reason: 'ClockSkew', message: 'its clock is 3 min ahead' } }, 'healthy', ''],
  ['for a reason that is new', { session: { phase: 'Idle', reason: 'constructor' } }, 'unreachable', 'the agent does not answer'],
  ['never called', { session: { phase: 'Idle', reason: 'AwaitingFirstContact' }, summary: undefined }, 'unknown', ''],
  ['dialed', { session: { phase: 'Connecting' } }, 'connecting', ''],
  ['not heard of in time', { stale: true }, 'stale', ''],
  ['suspended', { suspended: true, session: { phase: 'Idle', reason: 'Suspended' } }, 'suspended', ''],
])('a cluster that is %s', (_, change, health, words) => {
  const c = clusterOf('a', change)
  expect([healthOf(c), trouble(c)]).toEqual([health, words])
})
