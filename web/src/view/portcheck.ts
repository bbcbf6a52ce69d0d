import { portUser } from '../stream/timeline'
import type { Port, Section } from '../stream/types'

/** Whether a port is free. */
export interface PortCheck {
  /** free: taken nowhere; partly: taken on some nodes, or at an address only. */
  result: 'free' | 'partly' | 'taken'
  text: string
  /** Why the result may be wrong; '' if it is certain. */
  uncertainty: string
}

/** Kinds that take a port at an address of their own, not at the addresses of nodes. */
const otherAddressKinds = new Set(['LoadBalancer', 'ExternalIP'])
/** The sections that the port map is built from. */
const sourceSections = new Set(['nodes', 'pods', 'network'])

const undeclared = 'Host processes and undeclared ports of hostNetwork pods may still use it.'

/** Checks whether a port is free on the nodes of a cluster. */
export function checkPort(
  port: number,
  protocol: string,
  ports: Iterable<Port>,
  nodeCount: number,
  sections: Section[],
): PortCheck {
  const rows = [...ports].filter((p) => p.port === port && p.protocol === protocol)
  const uncertainty = sections
    .filter((s) => s.error && sourceSections.has(s.name))
    .map((s) => `${s.name} cannot be read (${s.error!.reason})`)
    .join('; ')
  const name = `${port}/${protocol}`
  const onNodes = rows.filter((p) => !otherAddressKinds.has(p.kind))
  const onAllNodes = onNodes.filter((p) => p.node === '*')
  if (onAllNodes.length) return taken(name, onAllNodes)
  if (onNodes.length) return checkNodes(name, onNodes, nodeCount, uncertainty)
  if (rows.length) {
    const where = joinFirst(rows.map((p) => p.address || p.node))
    const text = `${name} is taken at ${where} by ${usersOf(rows)}, and free on the nodes. ${undeclared}`
    return { result: 'partly', text, uncertainty }
  }
  return { result: 'free', text: `${name} is not allocated and not declared on any node. ${undeclared}`, uncertainty }
}

function taken(name: string, rows: Port[]): PortCheck {
  return { result: 'taken', text: `${name} is taken on every node by ${usersOf(rows)}.`, uncertainty: '' }
}

/** Checks a port that is taken on single nodes. */
function checkNodes(name: string, rows: Port[], nodeCount: number, uncertainty: string): PortCheck {
  const nodes = new Set(rows.map((p) => p.node))
  if (nodes.size >= nodeCount) return taken(name, rows)
  const where = joinFirst([...nodes])
  const free = `free on the other ${nodeCount - nodes.size} of ${nodeCount} nodes`
  return {
    result: 'partly',
    text: `${name} is taken on ${where} by ${usersOf(rows)}, and ${free}. ${undeclared}`,
    uncertainty,
  }
}

/** How many nodes, addresses or users a text names at most. */
const maxNamed = 3

function joinFirst(names: string[]): string {
  const distinct = [...new Set(names)]
  const more = distinct.length - maxNamed
  return more > 0 ? `${distinct.slice(0, maxNamed).join(', ')} and ${more} more` : distinct.join(', ')
}

function usersOf(rows: Port[]): string {
  return joinFirst(rows.map((p) => (p.kind === 'Kubelet' ? 'the kubelet' : `${portUser(p)} (${p.kind})`)))
}

/** The default range of node ports (--service-node-port-range of the API server). */
const nodePorts = { first: 30000, last: 32767 }

/** Returns the first n free node ports. */
export function freeNodePorts(ports: Iterable<Port>, protocol: string, n: number): number[] {
  const used = new Set<number>()
  for (const p of ports) if (p.protocol === protocol && !otherAddressKinds.has(p.kind)) used.add(p.port)
  const free: number[] = []
  for (let port = nodePorts.first; port <= nodePorts.last && free.length < n; port++)
    if (!used.has(port)) free.push(port)
  return free
}
