import { useDeferredValue, useMemo } from 'react'
import { adjust } from '../route'
import { holderOf } from '../stream/timeline'
import type { Port, Target } from '../stream/types'
import { portId } from '../stream/types'
import { HealthIcon, Search, Text, Toggle } from './bits'
import { Choice } from './choice'
import type { TabProps } from './cluster'
import { count, visible } from './format'
import { firstFree, isFree } from './free'
import type { Column } from './grid'
import { Grid } from './grid'
import { useOrder } from './order'

const protocols = ['TCP', 'UDP', 'SCTP']

/** The port map: every taken port of a node, and where it leads. */
export function Ports({ detail, route, live }: TabProps) {
  const filter = useDeferredValue(route)
  const rows = useMemo(() => [...detail.tables.Port.values()], [detail, detail.revision.Port])
  const kinds = useMemo(() => [...new Set(rows.map((p) => p.kind))].sort(), [rows])
  const sort = route.get('sort') || 'port'
  const { shown, ask, asked } = useOrder(rows, portId, sort, columns, useMemo(() => filterOf(filter), [filter]))
  return (
    <div className="list">
      {detail.ready && <Free rows={rows} nodes={detail.tables.Node.size} detail={detail} port={route.get('port')} protocol={route.get('protocol') || 'TCP'} />}
      <div className="tools">
        <Search value={route.get('q')} onChange={(q) => adjust({ q })} label="Search ports" hint="Search ports, Services, pods, nodes" />
        <Choice label="Kind" value={route.get('kind')} of={kinds} onChange={chooseKind} />
        <Toggle on={route.get('only') === 'conflicts'} onChange={(on) => adjust({ only: on ? 'conflicts' : '' })}>Only conflicts</Toggle>
        <span className="fill" />
        {shown.length !== rows.length && <span className="mute" role="status">{count(shown.length)} of {count(rows.length)}</span>}
      </div>
      <Grid label="Port map" reuse rows={shown} asked={asked} columns={columns} id={portId} sort={sort} onSort={(by) => { ask(); adjust({ sort: by === 'port' ? '' : by }) }}
        onOpen={openPort} narrow={narrowRow} height={34} narrowHeight={70} open={route.get('open').replace(/^Port\//, '')} dim={!live}
        changed={(p) => detail.marks.get(`Port ${portId(p)}`) ?? 0}
        empty={detail.ready ? 'No ports match.' : 'Ports come with the first report.'} />
    </div>
  )
}

const chooseKind = (kind: string) => adjust({ kind })
const openPort = (p: Port) => adjust({ open: `Port/${portId(p)}` }, true)

function filterOf(route: { get(name: string): string }): (p: Port) => boolean {
  const [kind, only] = [route.get('kind'), route.get('only')]
  const words = route.get('q').toLowerCase().split(/\s+/).filter(Boolean)
  const port = Number(route.get('port')) || 0
  return (p) => (!kind || p.kind === kind) && (!port || p.port === port) && (only !== 'conflicts' || !!p.conflicts?.length) && (words.length === 0 || includes(p, words))
}

function includes(p: Port, words: string[]): boolean {
  const text = [p.port, p.protocol, p.node, p.address, p.kind, p.namespace, p.service, p.pod, p.servicePort?.name, ...p.targets.flatMap((t) => [t.pod, t.node, ...(t.addresses ?? [])])].join(' ').toLowerCase()
  return words.every((w) => text.includes(w))
}

/** «Is 31234 free?» */
function Free({ rows, nodes, detail, port, protocol }: { rows: Port[]; nodes: number; detail: TabProps['detail']; port: string; protocol: string }) {
  const n = Number(port)
  const valid = Number.isInteger(n) && n > 0 && n < 65536
  const answer = useMemo(() => (valid ? isFree(n, protocol, rows, nodes, detail.session?.sections ?? []) : null), [rows, nodes, n, valid, protocol, detail.session])
  const next = useMemo(() => firstFree(rows, protocol, 3), [rows, protocol])
  const health = answer?.is === 'free' ? 'healthy' : answer?.is === 'taken' ? 'unhealthy' : 'stale'
  return (
    <form className="free" role="search" aria-label="Is a port free?" onSubmit={(e) => e.preventDefault()}>
      <label>Is port <input inputMode="numeric" value={port} onChange={(e) => adjust({ port: e.target.value.replace(/\D/g, '').slice(0, 5) })} placeholder={String(next[0] ?? 31234)} aria-label="Port" /></label>
      <select value={protocol} onChange={(e) => adjust({ protocol: e.target.value === 'TCP' ? '' : e.target.value })} aria-label="Protocol">
        {protocols.map((p) => <option key={p}>{p}</option>)}
      </select>
      <span>free?</span>
      <output aria-live="polite">
        {answer ? (
          <span className={`words ${health}`}><HealthIcon health={health} /><span>{visible(answer.words)}{answer.doubts && <b> This is not certain: {visible(answer.doubts)}.</b>}</span></span>
        ) : port ? <span className="mute">A port is a number from 1 to 65535.</span>
          : <span className="mute">The next free node ports are {next.join(', ')}.</span>}
      </output>
    </form>
  )
}

function Leads({ p }: { p: Port }) {
  if (p.targets.length === 0) return <span className="mute">{p.service ? 'nowhere: no endpoint' : '–'}</span>
  const ready = p.targets.filter((t) => t.ready).length
  return (
    <span className="leads">
      <span className={ready < p.targets.length ? 'short' : 'mute'}>{ready}/{p.targets.length}</span> <Text>{placeOf(p.targets[0])}</Text>
      {p.targets.length > 1 && <span className="mute"> and {p.targets.length - 1} more</span>}
    </span>
  )
}

export function placeOf(t: Target): string {
  const at = t.containerPort ? `:${t.containerPort}` : ''
  return (t.pod ? `${t.namespace}/${t.pod}${t.container ? `/${t.container}` : ''}` : t.addresses?.[0] ?? '') + at
}

const placed = (p: Port) => (p.node === '*' ? 'all nodes' : p.node)

const columns: Column<Port>[] = [
  { name: 'port', title: 'Port', width: '104px', cell: (p) => <span>{p.port}<i className="mute">/{p.protocol}</i></span>, by: (p) => p.port },
  { name: 'node', title: 'Node', width: 'minmax(90px, .9fr)', cell: (p) => (p.node === '*' ? <span className="mute">all nodes</span> : <Text>{p.node}</Text>), by: placed },
  { name: 'address', title: 'Address', width: 'minmax(90px, .8fr)', from: 960, cell: (p) => <Text className="mute">{p.address}</Text>, by: (p) => p.address ?? '' },
  { name: 'kind', title: 'Kind', width: 'minmax(90px, .7fr)', cell: (p) => p.kind, by: (p) => p.kind },
  { name: 'holder', title: 'Held by', width: 'minmax(130px, 1.4fr)', cell: (p) => <Text>{holderOf(p)}</Text>, by: holderOf },
  { name: 'leads', title: 'Leads to', width: 'minmax(140px, 1.8fr)', from: 760, cell: (p) => <Leads p={p} /> },
  { name: 'conflicts', title: 'Conflicts', width: 'minmax(80px, .9fr)', from: 700, cell: (p) => (p.conflicts?.length ? <span className="words unhealthy"><HealthIcon health="unhealthy" /><Text>{p.conflicts.map(holderOf).join(', ')}</Text></span> : <span className="mute">–</span>), by: (p) => -(p.conflicts?.length ?? 0) },
]

const narrowRow = (p: Port) => (
  <div className="card">
    <div className="line"><b>{p.port}/{p.protocol}</b><span className="mute"><Text>{placed(p)}</Text></span><span className="fill" />{p.conflicts?.length ? <HealthIcon health="unhealthy" /> : null}<span>{p.kind}</span></div>
    <div className="line mute"><Text>{holderOf(p)}</Text><span className="fill" /><Leads p={p} /></div>
  </div>
)
