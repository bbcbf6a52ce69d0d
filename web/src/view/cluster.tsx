import { useEffect } from 'react'
import type { Route } from '../route'
import { adjust, rename, urlOf } from '../route'
import type { Detail } from '../stream/detail'
import type { Cluster } from '../stream/types'
import { Age, HealthWords, Left, Text } from './bits'
import { Changes } from './changes'
import { Containers } from './containers'
import { Drawer } from './drawer'
import { count } from './format'
import { useStore } from './hooks'
import { Nodes } from './nodes'
import { Notes } from './notes'
import { Overview } from './overview'
import { Ports } from './ports'
import { failing } from './reasons'
import { healthOf, isLive, withSession } from './standing'
import { Tiles } from './tiles'

export interface TabProps {
  cluster: Cluster
  detail: Detail
  route: Route
  /** Whether what is shown is as of now. */
  live: boolean
}

const tabs = [
  { name: 'overview', title: 'Overview', of: () => 0, view: Overview },
  { name: 'nodes', title: 'Nodes', of: (d: Detail) => d.tables.Node.size, view: Nodes },
  { name: 'containers', title: 'Containers', of: (d: Detail) => d.tables.Container.size, view: Containers },
  { name: 'ports', title: 'Ports', of: (d: Detail) => d.tables.Port.size, view: Ports },
  { name: 'changes', title: 'Changes', of: (d: Detail) => d.timeline.entries.length, view: Changes },
]

/** One cluster, live, by its name or one of its addresses. To look at it is demand: its agent reports while this is open. */
export function ClusterView({ named, route }: { named: string; route: Route }) {
  const store = useStore()
  const name = store.resolve(named)
  useEffect(() => {
    store.show(name)
    if (name !== named) rename(name)
  }, [store, name, named])
  const listed = store.clusters.get(name)
  const detail = store.detail?.name === name ? store.detail : null
  if (!listed) return store.synced ? <Unknown name={name} /> : <main className="page" />
  if (!detail) return <main className="page" />
  const cluster = asAsked({ ...listed, summary: detail.summary ?? listed.summary, observedAt: detail.observedAt ?? listed.observedAt }, detail, store.link.is === 'open')
  const live = isLive(cluster) && detail.ready && store.link.is === 'open'
  const tab = tabs.find((t) => t.name === route.get('tab')) ?? tabs[0]
  return (
    <main className="page cluster">
      <Title cluster={cluster} live={live} />
      <Notes cluster={cluster} detail={detail} />
      {cluster.summary && <Tiles cluster={cluster} summary={cluster.summary} live={live} />}
      <nav className="tabs" aria-label="Parts of the cluster">
        {tabs.map((t) => (
          <a key={t.name} href={urlOf(name, { tab: t.name })} aria-current={t === tab ? 'page' : undefined}
            onClick={(e) => { if (e.metaKey || e.ctrlKey) return; e.preventDefault(); leave(t.name) }}>
            {t.title}{t.of(detail) > 0 && <span className="mute"> {count(t.of(detail))}</span>}
          </a>
        ))}
      </nav>
      <div className={`body ${live ? '' : 'old'}`}>
        <tab.view cluster={cluster} detail={detail} route={route} live={live} />
        {route.get('open') && <Drawer key={route.get('open')} cluster={cluster} detail={detail} open={route.get('open')} />}
      </div>
    </main>
  )
}

/** The cluster with what its own events tell; before they come it is being dialed, as this page asks for it. */
function asAsked(c: Cluster, detail: Detail, open: boolean): Cluster {
  const waits = open && !detail.session && !detail.refused && !c.suspended && c.session.phase === 'Idle' && !failing(c.session)
  return waits ? { ...c, session: { ...c.session, phase: 'Connecting' } } : withSession(c, detail.session)
}

/** What belongs to one tab is not taken to the next. */
function leave(tab: string) {
  adjust({ tab, q: '', only: '', namespace: '', node: '', state: '', kind: '', port: '', protocol: '', sort: '', open: '' }, true)
}

function Title({ cluster, live }: { cluster: Cluster; live: boolean }) {
  return (
    <div className="title">
      <h1><Text>{cluster.name}</Text></h1>
      <HealthWords health={healthOf(cluster)} idle={!live} />
      <span className="facts">
        {cluster.kubernetesVersion && <span>Kubernetes <Text>{cluster.kubernetesVersion}</Text></span>}
        {cluster.clusterIPs?.length ? <span><Text>{cluster.clusterIPs.join(', ')}</Text></span> : null}
        <span>{live ? 'Updated now' : cluster.observedAt ? <>Updated <Age at={cluster.observedAt} ago /></> : 'No report yet'}</span>
        {cluster.session.phase === 'Reporting' && cluster.session.expiresAt && <span>Live, <Left until={cluster.session.expiresAt} /></span>}
      </span>
    </div>
  )
}

function Unknown({ name }: { name: string }) {
  return (
    <main className="page center">
      <div className="prose">
        <h1>No such cluster</h1>
        <p>No cluster that you may see has the name or the address <b><Text>{name}</Text></b>.</p>
        <p><a href="/">All clusters</a></p>
      </div>
    </main>
  )
}
