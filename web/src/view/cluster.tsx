import { useEffect } from 'react'
import type { Route } from '../route'
import { replaceCluster, setParams, urlOf } from '../route'
import type { Detail } from '../stream/detail'
import type { Cluster } from '../stream/types'
import { Alerts } from './alerts'
import { Changes } from './changes'
import { Age, HealthLabel, Text, TimeLeft } from './components'
import { Containers } from './containers'
import { Drawer } from './drawer'
import { count } from './format'
import { healthOf, isLive, withSession } from './health'
import { useStore } from './hooks'
import { Nodes } from './nodes'
import { Overview } from './overview'
import { Ports } from './ports'
import { isUnreachable } from './reasons'
import { Tiles } from './tiles'

const tabs = [
  { name: 'overview', title: 'Overview', count: () => 0, View: Overview },
  { name: 'nodes', title: 'Nodes', count: (d: Detail) => d.tables.Node.size, View: Nodes },
  { name: 'containers', title: 'Containers', count: (d: Detail) => d.tables.Container.size, View: Containers },
  { name: 'ports', title: 'Ports', count: (d: Detail) => d.tables.Port.size, View: Ports },
  { name: 'changes', title: 'Changes', count: (d: Detail) => d.timeline.entries.length, View: Changes },
]

/** One cluster, by its name or one of its IP addresses. Showing it is demand: its agent reports while this is open. */
export function ClusterView({ nameOrIP, route }: { nameOrIP: string; route: Route }) {
  const store = useStore()
  const name = store.resolve(nameOrIP)
  useEffect(() => {
    store.show(name)
    if (name !== nameOrIP) replaceCluster(name)
  }, [store, name, nameOrIP])
  const listed = store.clusters.get(name)
  const detail = store.detail?.name === name ? store.detail : null
  if (!listed) return store.synced ? <NotFound name={name} /> : <main className="page" />
  if (!detail) return <main className="page" />
  const connected = store.connectionState.status === 'open'
  const cluster = merge(listed, detail, connected)
  const live = isLive(cluster) && detail.ready && connected
  const tab = tabs.find((t) => t.name === route.get('tab')) ?? tabs[0]
  return (
    <main className="page cluster">
      <Title cluster={cluster} live={live} />
      <Alerts cluster={cluster} detail={detail} />
      {cluster.summary && <Tiles cluster={cluster} summary={cluster.summary} live={live} />}
      <nav className="tabs" aria-label="Cluster views">
        {tabs.map((t) => (
          <a
            key={t.name}
            href={urlOf(name, { tab: t.name })}
            aria-current={t === tab ? 'page' : undefined}
            onClick={(e) => {
              if (e.metaKey || e.ctrlKey) return
              e.preventDefault()
              openTab(t.name)
            }}
          >
            {t.title}
            {t.count(detail) > 0 && <span className="mute"> {count(t.count(detail))}</span>}
          </a>
        ))}
      </nav>
      <div className={`body ${live ? '' : 'outdated'}`}>
        <tab.View cluster={cluster} detail={detail} route={route} live={live} />
        {route.get('open') && (
          <Drawer key={route.get('open')} cluster={cluster} detail={detail} open={route.get('open')} />
        )}
      </div>
    </main>
  )
}

/**
 * Returns a cluster of the list with the newer data of its own events. Before the first of them it is shown as
 * connecting, since the page has just demanded it.
 */
function merge(listed: Cluster, detail: Detail, connected: boolean): Cluster {
  const c = { ...listed, summary: detail.summary ?? listed.summary, observedAt: detail.observedAt ?? listed.observedAt }
  const demanded = connected && !detail.session && !detail.error && !c.suspended
  if (demanded && c.session.phase === 'Idle' && !isUnreachable(c.session)) {
    return { ...c, session: { ...c.session, phase: 'Connecting' } }
  }
  return withSession(c, detail.session)
}

/** Opens a tab, and clears the filters of the one before. */
function openTab(tab: string) {
  const cleared = {
    q: '',
    only: '',
    namespace: '',
    node: '',
    state: '',
    kind: '',
    port: '',
    protocol: '',
    sort: '',
    open: '',
  }
  setParams({ ...cleared, tab }, true)
}

function Title({ cluster, live }: { cluster: Cluster; live: boolean }) {
  return (
    <div className="title">
      <h1>
        <Text>{cluster.name}</Text>
      </h1>
      <HealthLabel health={healthOf(cluster)} idle={!live} />
      <span className="meta">
        {cluster.kubernetesVersion && (
          <span>
            Kubernetes <Text>{cluster.kubernetesVersion}</Text>
          </span>
        )}
        {cluster.clusterIPs?.length ? (
          <span>
            <Text>{cluster.clusterIPs.join(', ')}</Text>
          </span>
        ) : null}
        <span>
          {live ? (
            'Updated now'
          ) : cluster.observedAt ? (
            <>
              Updated <Age at={cluster.observedAt} suffix />
            </>
          ) : (
            'No report yet'
          )}
        </span>
        {cluster.session.phase === 'Reporting' && cluster.session.expiresAt && (
          <span>
            Live, <TimeLeft until={cluster.session.expiresAt} />
          </span>
        )}
      </span>
    </div>
  )
}

function NotFound({ name }: { name: string }) {
  return (
    <main className="page center">
      <div className="prose">
        <h1>Cluster not found</h1>
        <p>
          No cluster has the name or IP address{' '}
          <b>
            <Text>{name}</Text>
          </b>
          , or you are not allowed to see it.
        </p>
        <p>
          <a href="/">All clusters</a>
        </p>
      </div>
    </main>
  )
}
