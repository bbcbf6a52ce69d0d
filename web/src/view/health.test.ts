import { expect, test } from 'vitest'
import { clusterOf, problemOf } from '../stream/fakemaster'
import type { Cluster } from '../stream/types'
import { healthOf, statusLine } from './health'

const crash = problemOf('CrashLoopBackOff', 'shop/web-1/app', { severity: 'critical', count: 3 })
const summary = clusterOf('a').summary!

test.each<[string, Partial<Cluster>, string, string]>([
  ['reporting, without problems', {}, 'healthy', ''],
  [
    'reporting, with problems',
    { summary: { ...summary, healthy: false, problems: [crash], problemCount: 3 } },
    'unhealthy',
    'CrashLoopBackOff shop/web-1/app (3 containers)',
  ],
  [
    'reporting, with a muted problem',
    { summary: { ...summary, problems: [{ ...crash, muted: 'known' }], muted: 1 } },
    'healthy',
    '',
  ],
  ['idle after a successful dial', { session: { phase: 'Idle', reason: 'Succeeded' }, stale: true }, 'healthy', ''],
  [
    'idle after a failed dial',
    { session: { phase: 'Idle', reason: 'DialFailed', message: 'dial wss://a: refused' } },
    'unreachable',
    'No connection to the agent: dial wss://a: refused',
  ],
  [
    'in backoff',
    { session: { phase: 'Backoff', reason: 'ClockSkew', message: 'the token is refused' } },
    'unreachable',
    'The clocks of master and agent differ: the token is refused',
  ],
  [
    'idle, with a clock skew',
    { session: { phase: 'Idle', reason: 'ClockSkew', message: 'its clock is 3 min ahead' } },
    'healthy',
    '',
  ],
  [
    'idle for an unknown reason',
    { session: { phase: 'Idle', reason: 'constructor' } },
    'unreachable',
    'the agent does not respond',
  ],
  ['never dialed', { session: { phase: 'Idle', reason: 'AwaitingFirstContact' }, summary: undefined }, 'unknown', ''],
  ['connecting', { session: { phase: 'Connecting' } }, 'connecting', ''],
  ['reporting late', { stale: true }, 'stale', ''],
  ['suspended', { suspended: true, session: { phase: 'Idle', reason: 'Suspended' } }, 'suspended', ''],
])('a cluster that is %s', (_, change, health, line) => {
  const c = clusterOf('a', change)
  expect([healthOf(c), statusLine(c)]).toEqual([health, line])
})
