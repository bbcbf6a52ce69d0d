import type { ReactNode } from 'react'
import type { Detail } from '../stream/detail'
import type { Cluster } from '../stream/types'
import { Age, Note, Text } from './bits'
import { visible } from './format'
import { useStore } from './hooks'
import { adviceFor, failing } from './reasons'

/** What keeps the cluster from being shown as it is now, and what to do. */
export function Notes({ cluster, detail }: { cluster: Cluster; detail: Detail }) {
  const { link } = useStore()
  const errors = detail.session?.sections?.filter((s) => s.error) ?? []
  return (
    <div className="notes">
      <Standing cluster={cluster} detail={detail} open={link.is === 'open'} />
      {errors.filter((s) => s.error!.reason !== 'Pending').map((s) => (
        <Note key={s.name} tone="warn" title={`${s.name[0].toUpperCase()}${s.name.slice(1)} cannot be read: ${visible(s.error!.reason)}`}>
          <Text>{s.error!.message}</Text>{s.observedAt && <> Last read <Age at={s.observedAt} ago />.</>}
        </Note>
      ))}
      {errors.some((s) => s.error!.reason === 'Pending') && (
        <Note tone="plain" title={`Waiting for ${errors.filter((s) => s.error!.reason === 'Pending').map((s) => s.name).join(', ')}`}>
          The first reading comes within seconds of a session; all else is shown already.
        </Note>
      )}
    </div>
  )
}

function Standing({ cluster, detail, open }: { cluster: Cluster; detail: Detail; open: boolean }) {
  const known = cluster.observedAt ? <>What you see is of <Age at={cluster.observedAt} ago />.</> : 'Nothing is known of it yet.'
  if (detail.refused) {
    const denied = detail.refused.code === 403
    return (
      <Note tone="warn" title={denied ? 'You may see the summary only' : 'Its details do not come'}>
        <Text>{detail.refused.message}</Text>
        {denied && <p>Ask who runs the hub for <code>get</code> and <code>watch</code> on <code>clusterstatuses/details</code> in <code>rollcall.dev</code>.</p>}
      </Note>
    )
  }
  if (cluster.suspended) {
    return <Note tone="plain" title="Suspended">It is not asked while <code>spec.suspend</code> of its ClusterAgent is true. {known}</Note>
  }
  if (failing(cluster.session)) return <Unreachable cluster={cluster} known={known} />
  if (!open) return null
  if (!detail.ready) return <Note tone="plain" title="Connecting to its agent">{known}</Note>
  if (cluster.stale) return <Note tone="warn" title="Stale">Reports have not come in time, or are older than they should be. {known}</Note>
  if (cluster.session.message) return <Note tone="warn" title="Mind this"><Text>{cluster.session.message}</Text></Note>
  return null
}

/** Why an agent cannot be reached, and what to do. */
function Unreachable({ cluster, known }: { cluster: Cluster; known: ReactNode }) {
  const { reason, message } = cluster.session
  const advice = adviceFor(reason)
  return (
    <Note tone="bad" title="The agent cannot be reached">
      <p>{advice && <b>{advice.is}: </b>}<Text>{message ?? reason}</Text></p>
      {advice && <p>{advice.todo}</p>}
      <p>{known} The master tries again by itself; <code>kubectl describe clusteragent {cluster.name}</code> on the hub tells more.</p>
    </Note>
  )
}
