import { holderOf } from '../stream/timeline'
import type { Port, Section } from '../stream/types'

/** The answer to «is this port free?». */
export interface Answer {
  /** free: nowhere taken; partly: on some nodes, or at an address only. */
  is: 'free' | 'partly' | 'taken' | 'unknown'
  words: string
  /** Why it may be otherwise; empty where nothing speaks for that. */
  doubts: string
  rows: Port[]
}

/** Kinds whose rows take the port at an address of their own, not at the nodes'. */
const elsewhere = new Set(['LoadBalancer', 'ExternalIP'])
/** Sections that rows of the port map come from. */
const sources = new Set(['nodes', 'pods', 'network'])

const undeclared = 'Processes of the node and undeclared ports of hostNetwork pods may still use it.'

export function isFree(port: number, protocol: string, ports: Iterable<Port>, nodes: number, sections: Section[]): Answer {
  const rows = [...ports].filter((p) => p.port === port && p.protocol === protocol)
  const doubts = sections.filter((s) => s.error && sources.has(s.name)).map((s) => `${s.name} cannot be read (${s.error!.reason})`).join('; ')
  const what = `${port}/${protocol}`
  const here = rows.filter((p) => !elsewhere.has(p.kind))
  const everywhere = here.filter((p) => p.node === '*')
  if (everywhere.length) return { is: 'taken', words: `${what} is taken on every node by ${holders(everywhere)}.`, doubts: '', rows }
  if (here.length) return partly(what, here, rows, nodes, doubts)
  if (rows.length) {
    return { is: 'partly', words: `${what} is taken at ${list(rows.map((p) => p.address || p.node))} by ${holders(rows)}, and free on the nodes. ${undeclared}`, doubts, rows }
  }
  return { is: 'free', words: `${what} is not allocated and not declared on any node. ${undeclared}`, doubts, rows }
}

function partly(what: string, here: Port[], rows: Port[], nodes: number, doubts: string): Answer {
  const on = new Set(here.map((p) => p.node))
  if (on.size >= nodes) return { is: 'taken', words: `${what} is taken on every node by ${holders(here)}.`, doubts: '', rows }
  return { is: 'partly', words: `${what} is taken on ${list([...on])} by ${holders(here)}, and free on the other ${nodes - on.size} of ${nodes} nodes. ${undeclared}`, doubts, rows }
}

const shown = 3

function list(all: string[]): string {
  const distinct = [...new Set(all)]
  const more = distinct.length - shown
  return more > 0 ? `${distinct.slice(0, shown).join(', ')} and ${more} more` : distinct.join(', ')
}

function holders(rows: Port[]): string {
  return list(rows.map((p) => (p.kind === 'Kubelet' ? 'the kubelet' : `${holderOf(p)} (${p.kind})`)))
}

/** The range that node ports are given out from, unless the API server is told otherwise. */
export const nodePorts = { first: 30000, last: 32767 }

/** The first node ports that nobody has. */
export function firstFree(ports: Iterable<Port>, protocol: string, n: number): number[] {
  const taken = new Set<number>()
  for (const p of ports) if (p.protocol === protocol && !elsewhere.has(p.kind)) taken.add(p.port)
  const free: number[] = []
  for (let port = nodePorts.first; port <= nodePorts.last && free.length < n; port++) if (!taken.has(port)) free.push(port)
  return free
}
