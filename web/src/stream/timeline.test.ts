import { expect, test } from 'vitest'
import { containerOf, nodeOf, podOf, portOf } from './fake'
import { Timeline } from './timeline'
import type { RowKind, Rows } from './types'

function said<K extends RowKind>(kind: K, before: Rows[K] | undefined, now: Rows[K]): string | undefined {
  const t = new Timeline()
  t.row(kind, before ? 'MODIFIED' : 'ADDED', before, now, 0)
  const e = t.entries[0]
  return e && `${e.tone}: ${e.where} ${e.words}`
}

const since = '2026-11-22T10:00:00Z'
const pressure = (status: 'True' | 'False', message?: string) => ({ conditions: [{ type: 'MemoryPressure', status, message }] })
const target = { ready: true, serving: true }

test.each([
  ['a container that crashes', said('Container', containerOf('web-1'), containerOf('web-1', { state: 'waiting', reason: 'CrashLoopBackOff', notReadySince: since })), 'bad: shop/web-1/app running → waiting (CrashLoopBackOff)'],
  ['a container that is created', said('Container', containerOf('web-1', { state: 'waiting', reason: 'PodInitializing' }), containerOf('web-1', { state: 'waiting', reason: 'ContainerCreating' })), 'plain: shop/web-1/app waiting (PodInitializing) → waiting (ContainerCreating)'],
  ['a container that works again', said('Container', containerOf('web-1', { state: 'waiting', reason: 'CrashLoopBackOff', notReadySince: since }), containerOf('web-1')), 'good: shop/web-1/app waiting (CrashLoopBackOff) → running'],
  ['the next step of a crash loop', said('Container', containerOf('web-1', { state: 'terminated', reason: 'Error', notReadySince: since }), containerOf('web-1', { state: 'waiting', reason: 'CrashLoopBackOff', notReadySince: since })), 'plain: shop/web-1/app terminated (Error) → waiting (CrashLoopBackOff)'],
  ['a container of a finished pod', said('Container', containerOf('job-1', { ready: false, notReadySince: since }), containerOf('job-1', { state: 'terminated', reason: 'Error', ready: false })), 'plain: shop/job-1/app running → terminated (Error)'],
  ['the status of a pod', said('Pod', podOf('web-1', { status: 'Init:0/1' }), podOf('web-1', { status: 'Init:CrashLoopBackOff', notReadySince: since })), 'bad: shop/web-1 Init:0/1 → Init:CrashLoopBackOff'],
  ['a pod that failed', said('Pod', podOf('web-1', { notReadySince: since }), podOf('web-1', { status: 'Evicted', phase: 'Failed', message: 'disk is full' })), 'bad: shop/web-1 Running → Evicted: disk is full'],
  ['a condition of a node', said('Node', nodeOf('n1', pressure('False')), nodeOf('n1', pressure('True', 'little memory'))), 'plain: n1 MemoryPressure is True: little memory'],
  ['a condition that ends', said('Node', nodeOf('n1', pressure('True')), nodeOf('n1', pressure('False'))), 'plain: n1 MemoryPressure is False'],
  ['a restart', said('Container', containerOf('web-1'), containerOf('web-1', { restarts: 3 })), 'warn: shop/web-1/app restarted (3 times by now)'],
  ['a node that is lost', said('Node', nodeOf('n1'), nodeOf('n1', { ready: 'Unknown', conditions: [{ type: 'Ready', status: 'Unknown', message: 'no word of it' }] })), 'bad: n1 is not ready: no word of it'],
  ['a cordon', said('Node', nodeOf('n1'), nodeOf('n1', { schedulable: false })), 'warn: n1 is cordoned'],
  ['what its pods request', said('Node', nodeOf('n1'), nodeOf('n1', { pods: 7 })), undefined],
  ['a port that is taken', said('Port', undefined, portOf(31234)), 'plain: 31234/TCP on all nodes taken by Service shop/web'],
  ['a port of one address', said('Port', undefined, portOf(80, { address: '203.0.113.80' })), 'plain: 80/TCP at 203.0.113.80 taken by Service shop/web'],
  ['a port of an address of one node', said('Port', undefined, portOf(80, { node: 'worker', address: '10.0.0.1' })), 'plain: 80/TCP on worker at 10.0.0.1 taken by Service shop/web'],
  ['a port that leads nowhere', said('Port', portOf(31234, { targets: [target] }), portOf(31234, { targets: [{ ...target, ready: false }] })), 'bad: 31234/TCP on all nodes leads to 0 ready of 1 targets'],
  ['a port that two claim', said('Port', portOf(9100, { node: 'n1' }), portOf(9100, { node: 'n1', conflicts: [portOf(9100)] })), 'bad: 9100/TCP on n1 has 2 claimants'],
])('%s', (_, got, want) => expect(got).toBe(want))
