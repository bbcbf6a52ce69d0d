import { expect, test } from 'vitest'
import { containerOf, podOf, problemOf, summaryOf } from '../stream/fake'
import { countsOf, kindOf, lineOf, listsOf, moreOf, ProblemIndex, unnamed, worstOf } from './problems'

const crash = problemOf('CrashLoopBackOff', 'shop/web-1/app', { severity: 'critical', owner: { kind: 'Deployment', name: 'web' }, count: 6, others: ['shop/web-2/app', 'shop/web-3/app', 'shop/web-4/app'] })
const pressure = problemOf('MemoryPressure', 'n1', { kind: 'Node' })
const gated = problemOf('SchedulingGated', 'shop/job-1', { kind: 'Pod', severity: 'info' })
const muted = problemOf('CrashLoopBackOff', 'lab/try-1/app', { severity: 'critical', muted: 'nobody is on call for it' })
const all = [crash, pressure, gated, muted]

test('info and muted problems are listed apart, in the order of the API', () => {
  expect(listsOf(summaryOf({ problems: all }))).toEqual({ problems: [crash, pressure], info: [gated], muted: [muted] })
  expect(listsOf(summaryOf({ problems: [pressure, crash] })).problems).toEqual([pressure, crash])
})

test('a muted problem is not the worst, whatever its severity', () => {
  expect(worstOf(summaryOf({ problems: all }))).toBe(crash)
  expect(worstOf(summaryOf({ problems: [muted] }))).toBeUndefined()
  expect(worstOf(undefined)).toBeUndefined()
})

test.each([
  [crash, '6 containers', 'CrashLoopBackOff shop/web-1/app (6 containers)', 2],
  [pressure, 'Node', 'MemoryPressure n1', 0],
  [problemOf('NotReady', 'n1', { kind: 'Node', count: 12, others: ['shop/a', 'shop/b', 'shop/c'] }), 'Node and 11 pods', 'NotReady n1 (and 11 pods)', 8],
  [problemOf('Conflict', '*:80/TCP', { kind: 'Port', count: 2, others: ['Service shop/web (NodePort)'] }), 'Port, 2 claimants', 'Conflict *:80/TCP (2 claimants)', 0],
])('how many objects a problem affects', (p, kind, line, more) => {
  expect([kindOf(p), lineOf(p), unnamed(p)]).toEqual([kind, line, more])
})

test('counts by severity, and what is not listed', () => {
  expect(countsOf(summaryOf({ problemCounts: { critical: 1, warning: 2, info: 3 } }))).toBe('1 critical, 2 warnings, 3 info')
  expect(countsOf(summaryOf())).toBe('')
  expect(moreOf(0, 0)).toBe('')
  expect(moreOf(2, 1)).toBe('and 3 more: 2 critical, 1 warning')
})

test('an object has the problems that name it', () => {
  const index = new ProblemIndex(all)
  expect(index.of('Node', 'n1')).toEqual([pressure])
  expect(index.of('Pod', 'shop/job-1')).toEqual([gated])
  const since = { notReadySince: '2026-11-22T10:00:00Z' }
  expect(index.ofContainer(containerOf('web-3', since), podOf('web-3'))).toBe(crash)
  // The row names four of six.
  expect(index.ofContainer(containerOf('web-6', since), podOf('web-6'))).toBe(crash)
  expect(index.ofContainer(containerOf('web-7'), podOf('web-7'))).toBeUndefined()
  expect(index.ofContainer(containerOf('cart-1', since), podOf('cart-1', { owner: { kind: 'Deployment', name: 'cart' } }))).toBeUndefined()
})
