import { useCallback, useDeferredValue, useMemo } from 'react'
import type { Cluster } from '../stream/types'
import type { Route } from '../route'
import { adjust, go, urlOf } from '../route'
import { all } from '../stream/store'
import { DataAge, HealthIcon, HealthWords, Left, Meters, Of, Search, SeverityIcon, Text, Toggle } from './bits'
import { count, counted } from './format'
import type { Column } from './grid'
import { Grid } from './grid'
import { useOrder } from './order'
import { useQuietStore, useStore } from './hooks'
import { countsOf, worstOf } from './problems'
import { NoCluster } from './states'
import type { Health } from './standing'
import { healthOf, healths, isLive, trouble, wantsALook } from './standing'

export function Fleet({ route }: { route: Route }) {
  const store = useStore()
  const words = useDeferredValue(route.get('q'))
  const only = route.get('only') === 'problems'
  const is = route.get('is')
  const clusters = useMemo(() => [...store.clusters.values()], [store.revision])
  const sort = route.get('sort') || 'name'
  const shows = useCallback((c: Cluster) => (!only || wantsALook(c)) && (!is || healthOf(c) === is) && found(c, words), [only, is, words])
  const { shown, ask, asked } = useOrder(clusters, nameOf, sort, columns, shows)
  if (store.synced && clusters.length === 0) return <NoCluster />
  return (
    <main className="page fleet">
      <h1 className="hidden">Fleet</h1>
      <Tallies clusters={clusters} is={is} synced={store.synced} />
      <div className="tools">
        <Search value={route.get('q')} onChange={(q) => adjust({ q })} label="Search clusters" hint="Search names, addresses, versions, problems" />
        <Toggle on={only} onChange={(on) => adjust({ only: on ? 'problems' : '' })}>Only problems</Toggle>
        <span className="fill" />
        {(shown.length !== clusters.length) && <span className="mute" role="status">{count(shown.length)} of {count(clusters.length)}</span>}
        <WatchAll />
      </div>
      <Grid label="Clusters" rows={shown} asked={asked} columns={columns} id={nameOf} sort={sort} onSort={(by) => { ask(); adjust({ sort: by === 'name' ? '' : by }) }}
        onOpen={openCluster} onKey={(key, c) => key === 'w' && (store.demand(c.name, !store.demands(c.name)), true)} narrow={narrowRow} height={48} narrowHeight={98}
        dim={store.link.is === 'lost'} empty={store.synced ? 'No clusters match.' : ''} />
    </main>
  )
}

const nameOf = (c: Cluster) => c.name
const openCluster = (c: Cluster) => go(urlOf(c.name))

function found(c: Cluster, words: string): boolean {
  if (!words) return true
  const text = [c.name, c.kubernetesVersion, ...(c.clusterIPs ?? []), healths[healthOf(c)].words, c.session.phase, trouble(c), ...(c.summary?.problems ?? []).flatMap((p) => [p.what, p.where, p.message])]
    .join(' ').toLowerCase()
  return words.toLowerCase().split(/\s+/).every((w) => text.includes(w))
}

const order: Health[] = ['healthy', 'unhealthy', 'unreachable', 'stale', 'connecting', 'unknown', 'suspended']

/** How many are how; each is a filter. */
function Tallies({ clusters, is, synced }: { clusters: Cluster[]; is: string; synced: boolean }) {
  const tally = new Map<Health, number>()
  for (const c of clusters) tally.set(healthOf(c), (tally.get(healthOf(c)) ?? 0) + 1)
  return (
    <div className="tallies">
      <button type="button" aria-pressed={!is} onClick={() => adjust({ is: '' })}>
        <b>{synced ? count(clusters.length) : '–'}</b> {clusters.length === 1 ? 'cluster' : 'clusters'}
      </button>
      {order.filter((h) => tally.has(h) || h === is).map((h) => (
        <button key={h} type="button" className={h} aria-pressed={is === h} onClick={() => adjust({ is: is === h ? '' : h })}>
          <HealthIcon health={h} /><b>{count(tally.get(h) ?? 0)}</b> {healths[h].words.toLowerCase()}
        </button>
      ))}
    </div>
  )
}

function WatchAll() {
  const store = useStore()
  const on = store.demandsAll()
  return (
    <button type="button" className="plain" aria-pressed={on} onClick={() => store.demand(all, !on)}
      title={on ? 'Lets all sessions end that nobody else wants' : 'Asks the agent of every cluster to report while this page is open'}>
      {on ? 'Stop watching all' : 'Watch all'}
    </button>
  )
}

/** The session of a cluster, and the one click that starts it. */
function SessionCell({ cluster }: { cluster: Cluster }) {
  const store = useQuietStore()
  const wanted = useStore().demands(cluster.name)
  const { phase, expiresAt } = cluster.session
  return (
    <div className="session">
      <span>{phase === 'Reporting' ? <Left until={expiresAt} /> : <span className="mute">{phase}</span>}</span>
      {!cluster.suspended && !store.demandsAll() && (
        <button type="button" className="small" aria-pressed={wanted} aria-label={wanted ? `Stop watching ${cluster.name}` : `Watch ${cluster.name}`}
          onClick={(e) => { e.stopPropagation(); store.demand(cluster.name, !wanted) }}>
          {wanted ? 'Stop' : 'Watch'}
        </button>
      )}
    </div>
  )
}

function NameCell({ c }: { c: Cluster }) {
  return (
    <div className="two">
      <a href={urlOf(c.name)} tabIndex={-1} onClick={(e) => { if (!e.metaKey && !e.ctrlKey) e.preventDefault(); else e.stopPropagation() }}><Text>{c.name}</Text></a>
      {c.kubernetesVersion && <span className="mute"><Text>{c.kubernetesVersion}</Text></span>}
    </div>
  )
}

function HealthCell({ c }: { c: Cluster }) {
  return <HealthWords health={healthOf(c)} idle={!isLive(c)} />
}

function AgeCell({ c, ago }: { c: Cluster; ago?: boolean }) {
  return <DataAge cluster={c} live={isLive(c) && useStore().link.is === 'open'} ago={ago} />
}

/** The worst problem, and how many there are by severity. */
function ProblemCell({ c }: { c: Cluster }) {
  const words = trouble(c)
  if (!words) return <span className="mute">–</span>
  return (
    <div className={`two problem ${healthOf(c) === 'healthy' ? 'mute' : ''}`}>
      <span className="line"><TroubleIcon c={c} /><Text>{words}</Text></span>
      {c.summary && worstOf(c.summary) && <span className="mute">{countsOf(c.summary)}</span>}
    </div>
  )
}

/** The severity of the worst problem, where that is what trouble tells. */
function TroubleIcon({ c }: { c: Cluster }) {
  const worst = worstOf(c.summary)
  return worst && healthOf(c) !== 'unreachable' ? <SeverityIcon problem={worst} /> : null
}

function Ports({ taken, conflicts }: { taken: number; conflicts: number }) {
  return <div className="two"><span>{count(taken)}</span>{conflicts > 0 && <span className="short">{counted(conflicts, 'conflict')}</span>}</div>
}

const dash = <span className="mute">–</span>
const share = (part: number | undefined, whole: number | undefined) => (whole ? (part ?? 0) / whole : -1)

const columns: Column<Cluster>[] = [
  { name: 'health', title: 'Health', width: '136px', cell: (c) => <HealthCell c={c} />, by: (c) => -healths[healthOf(c)].rank, moves: true },
  { name: 'name', title: 'Cluster', width: 'minmax(120px, 1fr)', cell: (c) => <NameCell c={c} />, by: nameOf },
  { name: 'nodes', title: 'Nodes', width: '68px', end: true, from: 1000, cell: (c) => (c.summary ? <Of part={c.summary.nodes.ready} whole={c.summary.nodes.total} /> : dash), by: (c) => c.summary?.nodes.total ?? -1, moves: true },
  { name: 'containers', title: 'Containers', width: '92px', end: true, from: 1110, cell: (c) => (c.summary ? <Of part={c.summary.containers.ready} whole={c.summary.containers.desired} /> : dash), by: (c) => c.summary?.containers.desired ?? -1, moves: true },
  { name: 'cpu', title: 'CPU', width: '144px', cell: (c) => (c.summary ? <Meters kind="cpu" {...c.summary} /> : dash), by: (c) => share(c.summary?.requested.cpuMillis, c.summary?.allocatable.cpuMillis), moves: true },
  { name: 'memory', title: 'Memory', width: '132px', from: 760, cell: (c) => (c.summary ? <Meters kind="memory" {...c.summary} /> : dash), by: (c) => share(c.summary?.requested.memoryBytes, c.summary?.allocatable.memoryBytes), moves: true },
  { name: 'ports', title: 'Ports', width: '74px', end: true, from: 1270, cell: (c) => (c.summary ? <Ports {...c.summary.ports} /> : dash), by: (c) => c.summary?.ports.taken ?? -1, moves: true },
  { name: 'age', title: 'Updated', width: '70px', end: true, from: 1190, cell: (c) => <AgeCell c={c} /> },
  { name: 'session', title: 'Session', width: '140px', cell: (c) => <SessionCell cluster={c} /> },
  { name: 'problems', title: 'Problems', width: 'minmax(140px, 2fr)', from: 910, cell: (c) => <ProblemCell c={c} />, by: (c) => c.summary?.problemCount ?? 0, moves: true },
]

const narrowRow = (c: Cluster) => (
  <div className="card">
    <div className="line"><HealthIcon health={healthOf(c)} idle={!isLive(c)} /><b><Text>{c.name}</Text></b><span className="fill" /><SessionCell cluster={c} /></div>
    {c.summary && <div className="line meters"><Meters titled kind="cpu" {...c.summary} /><Meters titled kind="memory" {...c.summary} /></div>}
    <div className="line mute"><TroubleIcon c={c} /><Text>{trouble(c) || healths[healthOf(c)].words}</Text><span className="fill" />{c.observedAt && <span>Updated <AgeCell c={c} ago /></span>}</div>
  </div>
)
