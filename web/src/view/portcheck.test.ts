import { expect, test } from 'vitest'
import { portOf } from '../stream/fakemaster'
import type { Port, Section } from '../stream/types'
import { checkPort, freeNodePorts } from './portcheck'

const check = (ports: Port[], sections: Section[] = []) => checkPort(31234, 'TCP', ports, 3, sections)
const hostPort = (node: string): Port => portOf(31234, { kind: 'HostPort', node, service: undefined, pod: `p-${node}` })

test('a port without rows is free', () => {
  expect(check([portOf(31235), portOf(31234, { protocol: 'UDP' })])).toMatchObject({ result: 'free', uncertainty: '' })
})

test('a node port is taken on every node', () => {
  expect(check([portOf(31234)])).toMatchObject({
    result: 'taken',
    text: '31234/TCP is taken on every node by Service shop/web (NodePort).',
  })
})

test('a host port is taken on its nodes only', () => {
  const got = check([hostPort('n1')])
  expect(got.result).toBe('partly')
  expect(got.text).toContain('taken on n1 by pod shop/p-n1 (HostPort), and free on the other 2 of 3 nodes')
  expect(check(['n1', 'n2', 'n3'].map(hostPort)).result).toBe('taken')
})

test("a load balancer's port is taken at its address", () => {
  const got = check([portOf(31234, { kind: 'LoadBalancer', address: '203.0.113.7' })])
  expect(got.result).toBe('partly')
  expect(got.text).toContain('at 203.0.113.7 by Service shop/web (LoadBalancer), and free on the nodes')
})

test('a section of the port map that cannot be read makes the result uncertain', () => {
  const error = { reason: 'Forbidden' }
  expect(
    check(
      [],
      [
        { name: 'network', error },
        { name: 'usage', error },
      ],
    ).uncertainty,
  ).toBe('network cannot be read (Forbidden)')
})

test('the first free node ports', () => {
  expect(freeNodePorts([portOf(30000), portOf(30002), portOf(30001, { kind: 'LoadBalancer' })], 'TCP', 3)).toEqual([
    30001, 30003, 30004,
  ])
})
