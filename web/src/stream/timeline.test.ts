import { expect, test } from 'vitest'
import { containerOf, nodeOf, podOf, portOf } from './fakemaster'
import { Timeline } from './timeline'
import type { RowKind, Rows } from './types'

/** Returns the entry of a change as text; undefined if there is none. */
function entry<K extends RowKind>(kind: K, before: Rows[K] | undefined, now: Rows[K]): string | undefined {
  const t = new Timeline()
  t.addRow(kind, before ? 'MODIFIED' : 'ADDED', before, now, 0)
  const e = t.entries[0]
  return e && `${e.tone}: ${e.where} ${e.text}`
}

const since = '2026-11-22T10:00:00Z'
const pressure = (status: 'True' | 'False', message?: string) => ({
  conditions: [{ type: 'MemoryPressure', status, message }],
})
const target = { ready: true, serving: true }

test.each([
  [
    'a container that crashes',
    entry(
      'Container',
      containerOf('web-1'),
      containerOf('web-1', { state: 'waiting', reason: 'CrashLoopBackOff', notReadySince: since }),
    ),
    'bad: shop/web-1/app running → waiting (CrashLoopBackOff)',
  ],
  [
    'a container that is created',
    entry(
      'Container',
      containerOf('web-1', { state: 'waiting', reason: 'PodInitializing' }),
      containerOf('web-1', { state: 'waiting', reason: 'ContainerCreating' }),
    ),
    'plain: shop/web-1/app waiting (PodInitializing) → waiting (ContainerCreating)',
  ],
  [
    'a container that recovers',
    entry(
      'Container',
      containerOf('web-1', { state: 'waiting', reason: 'CrashLoopBackOff', notReadySince: since }),
      containerOf('web-1'),
    ),
    'good: shop/web-1/app waiting (CrashLoopBackOff) → running',
  ],
  [
    'the next state of a crash loop',
    entry(
      'Container',
      containerOf('web-1', { state: 'terminated', reason: 'Error', notReadySince: since }),
      containerOf('web-1', { state: 'waiting', reason: 'CrashLoopBackOff', notReadySince: since }),
    ),
    'plain: shop/web-1/app terminated (Error) → waiting (CrashLoopBackOff)',
  ],
  [
    'a container of a finished pod',
    entry(
      'Container',
      containerOf('job-1', { ready: false, notReadySince: since }),
      containerOf('job-1', { state: 'terminated', reason: 'Error', ready: false }),
    ),
    'plain: shop/job-1/app running → terminated (Error)',
  ],
  [
    'the status of a pod',
    entry(
      'Pod',
      podOf('web-1', { status: 'Init:0/1' }),
      podOf('web-1', { status: 'Init:CrashLoopBackOff', notReadySince: since }),
    ),
    'bad: shop/web-1 Init:0/1 → Init:CrashLoopBackOff',
  ],
  [
    'a pod that failed',
    entry(
      'Pod',
      podOf('web-1', { notReadySince: since }),
      podOf('web-1', { status: 'Evicted', phase: 'Failed', message: 'disk is full' }),
    ),
    'bad: shop/web-1 Running → Evicted: disk is full',
  ],
  [
    'a condition of a node',
    entry('Node', nodeOf('n1', pressure('False')), nodeOf('n1', pressure('True', 'little memory'))),
    'plain: n1 MemoryPressure is True: little memory',
  ],
  [
    'a condition that ends',
    entry('Node', nodeOf('n1', pressure('True')), nodeOf('n1', pressure('False'))),
    'plain: n1 MemoryPressure is False',
  ],
  [
    'a restart',
    entry('Container', containerOf('web-1'), containerOf('web-1', { restarts: 3 })),
    'warn: shop/web-1/app restarted (3 restarts in total)',
  ],
  [
    'a node that is lost',
    entry(
      'Node',
      nodeOf('n1'),
      nodeOf('n1', {
        ready: 'Unknown',
        conditions: [{ type: 'Ready', status: 'Unknown', message: 'kubelet stopped posting status' }],
      }),
    ),
    'bad: n1 is not ready: kubelet stopped posting status',
  ],
  ['a cordon', entry('Node', nodeOf('n1'), nodeOf('n1', { schedulable: false })), 'warn: n1 is cordoned'],
  ['requests of its pods', entry('Node', nodeOf('n1'), nodeOf('n1', { pods: 7 })), undefined],
  [
    'a port that is taken',
    entry('Port', undefined, portOf(31234)),
    'plain: 31234/TCP on all nodes taken by Service shop/web',
  ],
  [
    'a port at one address',
    entry('Port', undefined, portOf(80, { address: '203.0.113.80' })),
    'plain: 80/TCP at 203.0.113.80 taken by Service shop/web',
  ],
  [
    'a port at an address of one node',
    entry('Port', undefined, portOf(80, { node: 'worker', address: '10.0.0.1' })),
    'plain: 80/TCP on worker at 10.0.0.1 taken by Service shop/web',
  ],
  [
    'a port without ready targets',
    entry('Port', portOf(31234, { targets: [target] }), portOf(31234, { targets: [{ ...target, ready: false }] })),
    'bad: 31234/TCP on all nodes 0 of 1 targets ready',
  ],
  [
    'a conflict',
    entry('Port', portOf(9100, { node: 'n1' }), portOf(9100, { node: 'n1', conflicts: [portOf(9100)] })),
    'bad: 9100/TCP on n1 conflict: 2 claimants',
  ],
])('%s', (_, got, want) => expect(got).toBe(want))
