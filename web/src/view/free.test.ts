import { expect, test } from 'vitest'
import { portOf } from '../stream/fake'
import type { Port, Section } from '../stream/types'
import { firstFree, isFree } from './free'

const ask = (ports: Port[], sections: Section[] = []) => isFree(31234, 'TCP', ports, 3, sections)
const hostPort = (node: string): Port => portOf(31234, { kind: 'HostPort', node, service: undefined, pod: `p-${node}` })

test('a port that nobody has is free', () => {
  expect(ask([portOf(31235), portOf(31234, { protocol: 'UDP' })])).toMatchObject({ is: 'free', doubts: '' })
})

test('a node port is taken on every node', () => {
  expect(ask([portOf(31234)])).toMatchObject({ is: 'taken', words: '31234/TCP is taken on every node by Service shop/web (NodePort).' })
})

test('host ports take it on their nodes only', () => {
  const answer = ask([hostPort('n1')])
  expect(answer.is).toBe('partly')
  expect(answer.words).toContain('taken on n1 by pod shop/p-n1 (HostPort), and free on the other 2 of 3 nodes')
  expect(ask(['n1', 'n2', 'n3'].map(hostPort)).is).toBe('taken')
})

test("a load balancer's port is taken at its address", () => {
  const answer = ask([portOf(31234, { kind: 'LoadBalancer', address: '203.0.113.7' })])
  expect(answer.is).toBe('partly')
  expect(answer.words).toContain('at 203.0.113.7 by Service shop/web (LoadBalancer), and free on the nodes')
})

test('what cannot be read is a doubt, where it matters', () => {
  const error = { reason: 'Forbidden' }
  expect(ask([], [{ name: 'network', error }, { name: 'usage', error }]).doubts).toBe('network cannot be read (Forbidden)')
})

test('the first free node ports', () => {
  expect(firstFree([portOf(30000), portOf(30002), portOf(30001, { kind: 'LoadBalancer' })], 'TCP', 3)).toEqual([30001, 30003, 30004])
})
