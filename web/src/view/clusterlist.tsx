import type { MouseEvent } from 'react'
import { useCallback, useDeferredValue, useMemo } from 'react'
import type { Route } from '../route'
import { navigate, setParams, urlOf } from '../route'
import { allClusters } from '../stream/store'
import type { Cluster } from '../stream/types'
import {
  DataAge,
  FilteredCount,
  Fraction,
  HealthIcon,
  HealthLabel,
  ResourceMeter,
  SearchField,
  SeverityIcon,
  Text,
  TimeLeft,
  Toggle,
} from './components'
import { count, counted, matchesAll } from './format'
import type { Column } from './grid'
import { Grid } from './grid'
import type { Health } from './health'
import { healthOf, healthStates, isLive, needsAttention, statusLine } from './health'
import { useStore } from './hooks'
import { problemCounts, worstOf } from './problems'
import { useSorted } from './sorting'
import { NoClusters } from './states'

/** The list of clusters. Showing it is no demand: no agent is connected to. */
export function ClusterList({ route }: { route: Route }) {
  const store = useStore()
  const query = useDeferredValue(route.get('q'))
  const onlyProblems = route.get('only') === 'problems'
  const health = route.get('is')
  const clusters = useMemo(() => [...store.clusters.values()], [store.revision])
  const sort = route.get('sort') || 'name'
  const filter = useCallback(
    (c: Cluster) => (!onlyProblems || needsAttention(c)) && (!health || healthOf(c) === health) && matches(c, query),
    [onlyProblems, health, query],
  )
  const { visible, resort, viewKey } = useSorted(clusters, nameOf, sort, columns, filter)
  if (store.synced && clusters.length === 0) return <NoClusters />
  const onSort = (by: string) => {
    resort()
    setParams({ sort: by === 'name' ? '' : by })
  }
  const onKey = (key: string, c: Cluster) => {
    if (key !== 'w') return false
    store.setDemand(c.name, !store.isDemanded(c.name))
    return true
  }
  return (
    <main className="page clusters">
      <h1 className="visually-hidden">Clusters</h1>
      <HealthFilter clusters={clusters} selected={health} synced={store.synced} />
      <div className="tools">
        <SearchField
          value={route.get('q')}
          onChange={(q) => setParams({ q })}
          label="Search clusters"
          placeholder="Search names, addresses, versions, problems"
        />
        <Toggle on={onlyProblems} onChange={(on) => setParams({ only: on ? 'problems' : '' })}>
          Only problems
        </Toggle>
        <span className="spacer" />
        <FilteredCount visible={visible.length} total={clusters.length} />
        <WatchAllButton />
      </div>
      <Grid
        label="Clusters"
        rows={visible}
        viewKey={viewKey}
        columns={columns}
        id={nameOf}
        sort={sort}
        onSort={onSort}
        onOpen={openCluster}
        onKey={onKey}
        narrowRow={narrowRow}
        height={48}
        narrowHeight={98}
        dim={store.connectionState.status === 'lost'}
        empty={store.synced ? 'No clusters match.' : ''}
      />
    </main>
  )
}

const nameOf = (c: Cluster) => c.name
const openCluster = (c: Cluster) => navigate(urlOf(c.name))

function matches(c: Cluster, query: string): boolean {
  if (!query) return true
  const health = healthStates[healthOf(c)].label
  const problems = (c.summary?.problems ?? []).flatMap((p) => [p.what, p.where, p.message])
  const texts = [
    c.name,
    c.kubernetesVersion,
    ...(c.clusterIPs ?? []),
    health,
    c.session.phase,
    statusLine(c),
    ...problems,
  ]
  return matchesAll(texts.join(' '), query)
}

const healthOrder: Health[] = ['healthy', 'unhealthy', 'unreachable', 'stale', 'connecting', 'unknown', 'suspended']

/** The number of clusters of each health. Each number is a filter. */
function HealthFilter({ clusters, selected, synced }: { clusters: Cluster[]; selected: string; synced: boolean }) {
  const counts = new Map<Health, number>()
  for (const c of clusters) counts.set(healthOf(c), (counts.get(healthOf(c)) ?? 0) + 1)
  return (
    <div className="health-filter">
      <button type="button" aria-pressed={!selected} onClick={() => setParams({ is: '' })}>
        <b>{synced ? count(clusters.length) : '–'}</b> {clusters.length === 1 ? 'cluster' : 'clusters'}
      </button>
      {healthOrder
        .filter((h) => counts.has(h) || h === selected)
        .map((h) => (
          <button
            key={h}
            type="button"
            className={h}
            aria-pressed={selected === h}
            onClick={() => setParams({ is: selected === h ? '' : h })}
          >
            <HealthIcon health={h} />
            <b>{count(counts.get(h) ?? 0)}</b> {healthStates[h].label.toLowerCase()}
          </button>
        ))}
    </div>
  )
}

function WatchAllButton() {
  const store = useStore()
  const on = store.allDemanded()
  const title = on
    ? 'Ends the sessions that no other client needs'
    : 'Connects to the agent of every cluster while this page is open'
  return (
    <button
      type="button"
      className="plain"
      aria-pressed={on}
      onClick={() => store.setDemand(allClusters, !on)}
      title={title}
    >
      {on ? 'Stop watching all' : 'Watch all'}
    </button>
  )
}

/** The session of a cluster, and a button that starts and ends the demand for it. */
function SessionCell({ cluster }: { cluster: Cluster }) {
  const store = useStore()
  const watched = store.isDemanded(cluster.name)
  const { phase, expiresAt } = cluster.session
  return (
    <div className="session">
      <span>{phase === 'Reporting' ? <TimeLeft until={expiresAt} /> : <span className="mute">{phase}</span>}</span>
      {!cluster.suspended && !store.allDemanded() && (
        <button
          type="button"
          className="small"
          aria-pressed={watched}
          aria-label={watched ? `Stop watching ${cluster.name}` : `Watch ${cluster.name}`}
          onClick={(e) => {
            e.stopPropagation()
            store.setDemand(cluster.name, !watched)
          }}
        >
          {watched ? 'Stop' : 'Watch'}
        </button>
      )}
    </div>
  )
}

function NameCell({ c }: { c: Cluster }) {
  // A plain click is handled by the row; a click with a modifier opens a new tab.
  const onClick = (e: MouseEvent) => {
    if (e.metaKey || e.ctrlKey) e.stopPropagation()
    else e.preventDefault()
  }
  return (
    <div className="two-lines">
      <a href={urlOf(c.name)} tabIndex={-1} onClick={onClick}>
        <Text>{c.name}</Text>
      </a>
      {c.kubernetesVersion && (
        <span className="mute">
          <Text>{c.kubernetesVersion}</Text>
        </span>
      )}
    </div>
  )
}

function HealthCell({ c }: { c: Cluster }) {
  return <HealthLabel health={healthOf(c)} idle={!isLive(c)} />
}

function AgeCell({ c, suffix }: { c: Cluster; suffix?: boolean }) {
  const connected = useStore().connectionState.status === 'open'
  return <DataAge cluster={c} live={connected && isLive(c)} suffix={suffix} />
}

/** Why the cluster is unreachable, or else its worst problem; and the number of problems by severity. */
function ProblemCell({ c }: { c: Cluster }) {
  const text = statusLine(c)
  if (!text) return <span className="mute">–</span>
  return (
    <div className={`two-lines problem ${healthOf(c) === 'healthy' ? 'mute' : ''}`}>
      <span className="line">
        <StatusLineIcon c={c} />
        <Text>{text}</Text>
      </span>
      {c.summary && worstOf(c.summary) && <span className="mute">{problemCounts(c.summary)}</span>}
    </div>
  )
}

/** The severity of the worst problem, if that is what the status line is about. */
function StatusLineIcon({ c }: { c: Cluster }) {
  const worst = worstOf(c.summary)
  return worst && healthOf(c) !== 'unreachable' ? <SeverityIcon problem={worst} /> : null
}

function PortsCell({ taken, conflicts }: { taken: number; conflicts: number }) {
  return (
    <div className="two-lines">
      <span>{count(taken)}</span>
      {conflicts > 0 && <span className="incomplete">{counted(conflicts, 'conflict')}</span>}
    </div>
  )
}

const unknown = <span className="mute">–</span>
const shareOf = (part: number | undefined, total: number | undefined) => (total ? (part ?? 0) / total : -1)

const columns: Column<Cluster>[] = [
  {
    name: 'health',
    title: 'Health',
    width: '136px',
    cell: (c) => <HealthCell c={c} />,
    sortBy: (c) => -healthStates[healthOf(c)].rank,
    volatile: true,
  },
  { name: 'name', title: 'Cluster', width: 'minmax(120px, 1fr)', cell: (c) => <NameCell c={c} />, sortBy: nameOf },
  {
    name: 'nodes',
    title: 'Nodes',
    width: '68px',
    alignEnd: true,
    minWidth: 1000,
    cell: (c) => (c.summary ? <Fraction part={c.summary.nodes.ready} total={c.summary.nodes.total} /> : unknown),
    sortBy: (c) => c.summary?.nodes.total ?? -1,
    volatile: true,
  },
  {
    name: 'containers',
    title: 'Containers',
    width: '92px',
    alignEnd: true,
    minWidth: 1110,
    cell: (c) =>
      c.summary ? <Fraction part={c.summary.containers.ready} total={c.summary.containers.desired} /> : unknown,
    sortBy: (c) => c.summary?.containers.desired ?? -1,
    volatile: true,
  },
  {
    name: 'cpu',
    title: 'CPU',
    width: '144px',
    cell: (c) => (c.summary ? <ResourceMeter resource="cpu" {...c.summary} /> : unknown),
    sortBy: (c) => shareOf(c.summary?.requested.cpuMillis, c.summary?.allocatable.cpuMillis),
    volatile: true,
  },
  {
    name: 'memory',
    title: 'Memory',
    width: '132px',
    minWidth: 760,
    cell: (c) => (c.summary ? <ResourceMeter resource="memory" {...c.summary} /> : unknown),
    sortBy: (c) => shareOf(c.summary?.requested.memoryBytes, c.summary?.allocatable.memoryBytes),
    volatile: true,
  },
  {
    name: 'ports',
    title: 'Ports',
    width: '74px',
    alignEnd: true,
    minWidth: 1270,
    cell: (c) => (c.summary ? <PortsCell {...c.summary.ports} /> : unknown),
    sortBy: (c) => c.summary?.ports.taken ?? -1,
    volatile: true,
  },
  { name: 'age', title: 'Updated', width: '70px', alignEnd: true, minWidth: 1190, cell: (c) => <AgeCell c={c} /> },
  { name: 'session', title: 'Session', width: '140px', cell: (c) => <SessionCell cluster={c} /> },
  {
    name: 'problems',
    title: 'Problems',
    width: 'minmax(140px, 2fr)',
    minWidth: 910,
    cell: (c) => <ProblemCell c={c} />,
    sortBy: (c) => c.summary?.problemCount ?? 0,
    volatile: true,
  },
]

const narrowRow = (c: Cluster) => (
  <div className="card">
    <div className="line">
      <HealthIcon health={healthOf(c)} idle={!isLive(c)} />
      <b>
        <Text>{c.name}</Text>
      </b>
      <span className="spacer" />
      <SessionCell cluster={c} />
    </div>
    {c.summary && (
      <div className="line meters">
        <ResourceMeter labelled resource="cpu" {...c.summary} />
        <ResourceMeter labelled resource="memory" {...c.summary} />
      </div>
    )}
    <div className="line mute">
      <StatusLineIcon c={c} />
      <Text>{statusLine(c) || healthStates[healthOf(c)].label}</Text>
      <span className="spacer" />
      {c.observedAt && (
        <span>
          Updated <AgeCell c={c} suffix />
        </span>
      )}
    </div>
  </div>
)
