import { useCallback, useDeferredValue, useMemo } from 'react'
import { adjust } from '../route'
import type { Node } from '../stream/types'
import { Age, HealthIcon, Meters, Search, Text, Toggle } from './bits'
import type { TabProps } from './cluster'
import { count } from './format'
import type { Column } from './grid'
import { Grid } from './grid'
import { useOrder } from './order'

const wrong = (n: Node) => n.ready !== 'True' || (n.problems?.length ?? 0) > 0

export function Nodes({ detail, route, live }: TabProps) {
  const words = useDeferredValue(route.get('q'))
  const only = route.get('only') === 'problems'
  const rows = useMemo(() => [...detail.tables.Node.values()], [detail, detail.revision.Node])
  const sort = route.get('sort') || 'name'
  const { shown, ask, asked } = useOrder(rows, nameOf, sort, columns, useCallback((n: Node) => (!only || wrong(n)) && found(n, words), [only, words]))
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
        empty={detail.ready ? 'No node is like that.' : 'Nodes come with the first report.'} />
    </div>
  )
}

const nameOf = (n: Node) => n.name
const openNode = (n: Node) => adjust({ open: `Node/${n.name}` }, true)

function found(n: Node, words: string): boolean {
  if (!words) return true
  const text = [n.name, ...(n.roles ?? []), n.zone, n.region, n.instanceType, n.kubeletVersion, stateOf(n), ...(n.addresses ?? []).map((a) => a.address), ...(n.problems ?? []).flatMap((p) => [p.type, p.reason, p.message])].join(' ').toLowerCase()
  return words.toLowerCase().split(/\s+/).every((w) => text.includes(w))
}

function stateOf(n: Node): string {
  const ready = n.ready === 'True' ? 'Ready' : n.ready === 'False' ? 'Not ready' : 'Unknown'
  return n.schedulable ? ready : `${ready}, cordoned`
}

function State({ n }: { n: Node }) {
  const health = n.ready !== 'True' ? 'unhealthy' : n.problems?.length ? 'stale' : n.schedulable ? 'healthy' : 'suspended'
  const problem = n.problems?.find((p) => p.type !== 'Ready')
  return <span className={`words ${health}`}><HealthIcon health={health} quiet /><Text>{problem && n.ready === 'True' ? problem.type : stateOf(n)}</Text></span>
}

const used = (part: number | undefined, whole: number) => (whole > 0 ? (part ?? 0) / whole : 0)

const columns: Column<Node>[] = [
  { name: 'state', title: 'State', width: '164px', cell: (n) => <State n={n} />, by: (n) => (wrong(n) ? 1 : 0), moves: true },
  { name: 'name', title: 'Node', width: 'minmax(120px, 1.4fr)', cell: (n) => <Text>{n.name}</Text>, by: nameOf },
  { name: 'roles', title: 'Roles', width: 'minmax(70px, .6fr)', from: 960, cell: (n) => <Text className="mute">{n.roles?.join(', ')}</Text>, by: (n) => n.roles?.join() ?? '' },
  { name: 'zone', title: 'Zone', width: 'minmax(70px, .6fr)', from: 1040, cell: (n) => <Text className="mute">{n.zone}</Text>, by: (n) => n.zone ?? '' },
  { name: 'cpu', title: 'CPU', width: '150px', cell: (n) => <Meters kind="cpu" {...n} />, by: (n) => used(n.requested?.cpuMillis, n.allocatable.cpuMillis), moves: true },
  { name: 'memory', title: 'Memory', width: '150px', cell: (n) => <Meters kind="memory" {...n} />, by: (n) => used(n.requested?.memoryBytes, n.allocatable.memoryBytes), moves: true },
  { name: 'pods', title: 'Pods', width: '86px', end: true, from: 790, cell: (n) => <span>{count(n.pods ?? 0)}<i className="mute">/{count(n.allocatable.pods ?? 0)}</i></span>, by: (n) => n.pods ?? 0, moves: true },
  { name: 'version', title: 'Kubelet', width: '100px', from: 1160, cell: (n) => <Text className="mute">{n.kubeletVersion}</Text>, by: (n) => n.kubeletVersion ?? '' },
  { name: 'age', title: 'Age', width: '70px', end: true, from: 870, cell: (n) => <Age at={n.createdAt} />, by: (n) => n.createdAt ?? '' },
]

const narrowRow = (n: Node) => (
  <div className="card">
    <div className="line"><b><Text>{n.name}</Text></b><span className="fill" /><State n={n} /></div>
    <div className="line meters"><Meters titled kind="cpu" {...n} /><Meters titled kind="memory" {...n} /></div>
  </div>
)
