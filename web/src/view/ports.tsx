import { useDeferredValue, useMemo } from 'react'
import { setParams } from '../route'
import { portUser } from '../stream/timeline'
import type { Port, Target } from '../stream/types'
import { portId } from '../stream/types'
import { FilteredCount, HealthIcon, SearchField, Text, Toggle } from './components'
import { visible as visibleText, wordsOf } from './format'
import type { Column } from './grid'
import { Grid } from './grid'
import { checkPort, freeNodePorts } from './portcheck'
import { Select } from './select'
import { useSorted } from './sorting'
import type { TabProps } from './tab'

const protocols = ['TCP', 'UDP', 'SCTP']

/** The port map: every taken port, what uses it, and its targets. */
export function Ports({ detail, route, live }: TabProps) {
  const deferred = useDeferredValue(route)
  const rows = useMemo(() => [...detail.tables.Port.values()], [detail, detail.revision.Port])
  const kinds = useMemo(() => [...new Set(rows.map((p) => p.kind))].sort(), [rows])
  const sort = route.get('sort') || 'port'
  const filter = useMemo(() => filterOf(deferred), [deferred])
  const { visible, resort, viewKey } = useSorted(rows, portId, sort, columns, filter)
  const onSort = (by: string) => {
    resort()
    setParams({ sort: by === 'port' ? '' : by })
  }
  return (
    <div className="list">
      {detail.ready && (
        <PortCheckForm
          rows={rows}
          nodeCount={detail.tables.Node.size}
          detail={detail}
          port={route.get('port')}
          protocol={route.get('protocol') || 'TCP'}
        />
      )}
      <div className="tools">
        <SearchField
          value={route.get('q')}
          onChange={(q) => setParams({ q })}
          label="Search ports"
          placeholder="Search ports, Services, pods, nodes"
        />
        <Select label="Kind" value={route.get('kind')} options={kinds} onChange={setKind} />
        <Toggle on={route.get('only') === 'conflicts'} onChange={(on) => setParams({ only: on ? 'conflicts' : '' })}>
          Only conflicts
        </Toggle>
        <span className="spacer" />
        <FilteredCount visible={visible.length} total={rows.length} />
      </div>
      <Grid
        label="Port map"
        reuse
        rows={visible}
        viewKey={viewKey}
        columns={columns}
        id={portId}
        sort={sort}
        onSort={onSort}
        onOpen={openPort}
        narrowRow={narrowRow}
        height={34}
        narrowHeight={70}
        open={route.get('open').replace(/^Port\//, '')}
        dim={!live}
        changedAt={(p) => detail.changedAt.get(`Port ${portId(p)}`) ?? 0}
        empty={detail.ready ? 'No ports match.' : 'Ports are listed after the first report.'}
      />
    </div>
  )
}

const setKind = (kind: string) => setParams({ kind })
const openPort = (p: Port) => setParams({ open: `Port/${portId(p)}` }, true)

function filterOf(route: { get(name: string): string }): (p: Port) => boolean {
  const [kind, only] = [route.get('kind'), route.get('only')]
  const words = wordsOf(route.get('q'))
  const port = Number(route.get('port')) || 0
  return (p) =>
    (!kind || p.kind === kind) &&
    (!port || p.port === port) &&
    (only !== 'conflicts' || !!p.conflicts?.length) &&
    (words.length === 0 || matches(p, words))
}

function matches(p: Port, words: string[]): boolean {
  const targets = p.targets.flatMap((t) => [t.pod, t.node, ...(t.addresses ?? [])])
  const fields = [p.port, p.protocol, p.node, p.address, p.kind, p.namespace, p.service, p.pod, p.servicePort?.name]
  const text = [...fields, ...targets].join(' ').toLowerCase()
  return words.every((w) => text.includes(w))
}

/** The form that answers whether a port is free. */
function PortCheckForm({
  rows,
  nodeCount,
  detail,
  port,
  protocol,
}: {
  rows: Port[]
  nodeCount: number
  detail: TabProps['detail']
  port: string
  protocol: string
}) {
  const n = Number(port)
  const valid = Number.isInteger(n) && n > 0 && n < 65536
  const check = useMemo(
    () => (valid ? checkPort(n, protocol, rows, nodeCount, detail.session?.sections ?? []) : null),
    [rows, nodeCount, n, valid, protocol, detail.session],
  )
  const freePorts = useMemo(() => freeNodePorts(rows, protocol, 3), [rows, protocol])
  const health = check?.result === 'free' ? 'healthy' : check?.result === 'taken' ? 'unhealthy' : 'stale'
  return (
    <form className="port-check" role="search" aria-label="Is a port free?" onSubmit={(e) => e.preventDefault()}>
      <label>
        Is port{' '}
        <input
          inputMode="numeric"
          value={port}
          onChange={(e) => setParams({ port: e.target.value.replace(/\D/g, '').slice(0, 5) })}
          placeholder={String(freePorts[0] ?? 31234)}
          aria-label="Port"
        />
      </label>
      <select
        value={protocol}
        onChange={(e) => setParams({ protocol: e.target.value === 'TCP' ? '' : e.target.value })}
        aria-label="Protocol"
      >
        {protocols.map((p) => (
          <option key={p}>{p}</option>
        ))}
      </select>
      <span>free?</span>
      <output aria-live="polite">
        {check ? (
          <span className={`status ${health}`}>
            <HealthIcon health={health} />
            <span>
              {visibleText(check.text)}
              {check.uncertainty && <b> This is not certain: {visibleText(check.uncertainty)}.</b>}
            </span>
          </span>
        ) : port ? (
          <span className="mute">Enter a port from 1 to 65535.</span>
        ) : (
          <span className="mute">The next free node ports are {freePorts.join(', ')}.</span>
        )}
      </output>
    </form>
  )
}

/** The number of ready targets, and the first target. */
function Targets({ p }: { p: Port }) {
  if (p.targets.length === 0) return <span className="mute">{p.service ? 'no endpoints' : '–'}</span>
  const ready = p.targets.filter((t) => t.ready).length
  return (
    <span className="targets">
      <span className={ready < p.targets.length ? 'incomplete' : 'mute'}>
        {ready}/{p.targets.length}
      </span>{' '}
      <Text>{targetName(p.targets[0])}</Text>
      {p.targets.length > 1 && <span className="mute"> and {p.targets.length - 1} more</span>}
    </span>
  )
}

/** Returns the name of a target: namespace/pod/container:port, or an address. */
export function targetName(t: Target): string {
  const at = t.containerPort ? `:${t.containerPort}` : ''
  return (t.pod ? `${t.namespace}/${t.pod}${t.container ? `/${t.container}` : ''}` : (t.addresses?.[0] ?? '')) + at
}

const nodeName = (p: Port) => (p.node === '*' ? 'all nodes' : p.node)

const columns: Column<Port>[] = [
  {
    name: 'port',
    title: 'Port',
    width: '104px',
    cell: (p) => (
      <span>
        {p.port}
        <i className="mute">/{p.protocol}</i>
      </span>
    ),
    sortBy: (p) => p.port,
  },
  {
    name: 'node',
    title: 'Node',
    width: 'minmax(90px, .9fr)',
    cell: (p) => (p.node === '*' ? <span className="mute">all nodes</span> : <Text>{p.node}</Text>),
    sortBy: nodeName,
  },
  {
    name: 'address',
    title: 'Address',
    width: 'minmax(90px, .8fr)',
    minWidth: 960,
    cell: (p) => <Text className="mute">{p.address}</Text>,
    sortBy: (p) => p.address ?? '',
  },
  { name: 'kind', title: 'Kind', width: 'minmax(90px, .7fr)', cell: (p) => p.kind, sortBy: (p) => p.kind },
  {
    name: 'holder',
    title: 'Used by',
    width: 'minmax(130px, 1.4fr)',
    cell: (p) => <Text>{portUser(p)}</Text>,
    sortBy: portUser,
  },
  { name: 'leads', title: 'Targets', width: 'minmax(140px, 1.8fr)', minWidth: 760, cell: (p) => <Targets p={p} /> },
  {
    name: 'conflicts',
    title: 'Conflicts',
    width: 'minmax(80px, .9fr)',
    minWidth: 700,
    cell: (p) =>
      p.conflicts?.length ? (
        <span className="status unhealthy">
          <HealthIcon health="unhealthy" />
          <Text>{p.conflicts.map(portUser).join(', ')}</Text>
        </span>
      ) : (
        <span className="mute">–</span>
      ),
    sortBy: (p) => -(p.conflicts?.length ?? 0),
  },
]

const narrowRow = (p: Port) => (
  <div className="card">
    <div className="line">
      <b>
        {p.port}/{p.protocol}
      </b>
      <span className="mute">
        <Text>{nodeName(p)}</Text>
      </span>
      <span className="spacer" />
      {p.conflicts?.length ? <HealthIcon health="unhealthy" /> : null}
      <span>{p.kind}</span>
    </div>
    <div className="line mute">
      <Text>{portUser(p)}</Text>
      <span className="spacer" />
      <Targets p={p} />
    </div>
  </div>
)
