import { useCallback, useDeferredValue, useMemo } from 'react'
import { adjust } from '../route'
import type { Node, Problem } from '../stream/types'
import { Age, HealthIcon, Meters, Search, SeverityIcon, Text, Toggle } from './bits'
import type { TabProps } from './cluster'
import { count } from './format'
import type { Column } from './grid'
import { Grid } from './grid'
import { useProblems } from './hooks'
import { useOrder } from './order'
import { ProblemIndex } from './problems'

export function Nodes({ cluster, detail, route, live }: TabProps) {
  const words = useDeferredValue(route.get('q'))
  const only = route.get('only') === 'problems'
  const rows = useMemo(() => [...detail.tables.Node.values()], [detail, detail.revision.Node])
  const sort = route.get('sort') || 'name'
  const problems = useProblems(cluster)
  const { columns, narrowRow, problemsOf } = useMemo(() => viewOf(problems), [problems])
  const shows = useCallback((n: Node) => (!only || isProblem(n, problemsOf(n))) && found(n, problemsOf(n), words), [only, problemsOf, words])
  const { shown, ask, asked } = useOrder(rows, nameOf, sort, columns, shows)
  return (
    <div className="list">
      <div className="tools">
        <Search value={route.get('q')} onChange={(q) => adjust({ q })} label="Search nodes" hint="Search names, roles, zones, versions" />
        <Toggle on={only} onChange={(on) => adjust({ only: on ? 'problems' : '' })}>Only problems</Toggle>
        <span className="fill" />
        {shown.length !== rows.length && <span className="mute" role="status">{count(shown.length)} of {count(rows.length)}</span>}
      </div>
      <Grid label="Nodes" rows={shown} asked={asked} columns={columns} id={nameOf} sort={sort} onSort={(by) => { ask(); adjust({ sort: by === 'name' ? '' : by }) }}
        onOpen={openNode} narrow={narrowRow} height={44} narrowHeight={84} open={route.get('open').replace(/^Node\//, '')} dim={!live} stamp={detail.readings}
        changed={(n) => detail.marks.get(`Node ${n.name}`) ?? 0}
        empty={detail.ready ? 'No nodes match.' : 'Nodes come with the first report.'} />
    </div>
  )
}

const nameOf = (n: Node) => n.name
const openNode = (n: Node) => adjust({ open: `Node/${n.name}` }, true)

/** Whether a problem that is not muted names the node. The API lists the worst problems only: a node beyond those that is not ready is one too. */
function isProblem(n: Node, problems: Problem[]): boolean {
  return problems.length > 0 ? problems.some((p) => p.severity !== 'info' && !p.muted) : n.ready !== 'True'
}

function found(n: Node, problems: Problem[], words: string): boolean {
  if (!words) return true
  const text = [n.name, ...(n.roles ?? []), n.zone, n.region, n.instanceType, n.kubeletVersion, stateOf(n), ...(n.addresses ?? []).map((a) => a.address), ...problems.flatMap((p) => [p.what, p.message])].join(' ').toLowerCase()
  return words.toLowerCase().split(/\s+/).every((w) => text.includes(w))
}

function stateOf(n: Node): string {
  const ready = n.ready === 'True' ? 'Ready' : n.ready === 'False' ? 'NotReady' : 'Unknown'
  return n.schedulable ? ready : `${ready}, cordoned`
}

/** The node's Ready condition, or its worst problem where it is ready. */
function State({ n, worst }: { n: Node; worst: Problem | undefined }) {
  const words = worst && n.ready === 'True' ? worst.what : stateOf(n)
  if (worst) return <span className={`words ${worst.muted ? 'muted' : worst.severity}`}><SeverityIcon problem={worst} /><Text>{words}</Text></span>
  const health = n.ready !== 'True' ? 'unknown' : n.schedulable ? 'healthy' : 'suspended'
  return <span className={`words ${health}`}><HealthIcon health={health} quiet /><Text>{words}</Text></span>
}

const ranks = { critical: 3, warning: 2, info: 1 }

const used = (part: number | undefined, whole: number) => (whole > 0 ? (part ?? 0) / whole : 0)

/** What the table shows of nodes, given the problems of their cluster. */
function viewOf(problems: Problem[]) {
  const index = new ProblemIndex(problems)
  const problemsOf = (n: Node) => index.of('Node', n.name)
  const state: Column<Node> = { name: 'state', title: 'State', width: '164px', cell: (n) => <State n={n} worst={problemsOf(n)[0]} />, by: (n) => rankOf(problemsOf(n)[0]), moves: true }
  const narrowRow = (n: Node) => (
    <div className="card">
      <div className="line"><b><Text>{n.name}</Text></b><span className="fill" /><State n={n} worst={problemsOf(n)[0]} /></div>
      <div className="line meters"><Meters titled kind="cpu" {...n} /><Meters titled kind="memory" {...n} /></div>
    </div>
  )
  return { columns: [state, ...others], narrowRow, problemsOf }
}

const rankOf = (p: Problem | undefined) => (!p || p.muted ? 0 : ranks[p.severity])

const others: Column<Node>[] = [
  { name: 'name', title: 'Node', width: 'minmax(120px, 1.4fr)', cell: (n) => <Text>{n.name}</Text>, by: nameOf },
  { name: 'roles', title: 'Roles', width: 'minmax(70px, .6fr)', from: 960, cell: (n) => <Text className="mute">{n.roles?.join(', ')}</Text>, by: (n) => n.roles?.join() ?? '' },
  { name: 'zone', title: 'Zone', width: 'minmax(70px, .6fr)', from: 1040, cell: (n) => <Text className="mute">{n.zone}</Text>, by: (n) => n.zone ?? '' },
  { name: 'cpu', title: 'CPU', width: '150px', cell: (n) => <Meters kind="cpu" {...n} />, by: (n) => used(n.requested?.cpuMillis, n.allocatable.cpuMillis), moves: true },
  { name: 'memory', title: 'Memory', width: '150px', cell: (n) => <Meters kind="memory" {...n} />, by: (n) => used(n.requested?.memoryBytes, n.allocatable.memoryBytes), moves: true },
  { name: 'pods', title: 'Pods', width: '86px', end: true, from: 790, cell: (n) => <span>{count(n.pods ?? 0)}<i className="mute">/{count(n.allocatable.pods ?? 0)}</i></span>, by: (n) => n.pods ?? 0, moves: true },
  { name: 'version', title: 'Kubelet', width: '100px', from: 1160, cell: (n) => <Text className="mute">{n.kubeletVersion}</Text>, by: (n) => n.kubeletVersion ?? '' },
  { name: 'age', title: 'Age', width: '70px', end: true, from: 870, cell: (n) => <Age at={n.createdAt} />, by: (n) => n.createdAt ?? '' },
]
