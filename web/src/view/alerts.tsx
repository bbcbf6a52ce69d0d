import type { ReactNode } from 'react'
import type { Detail } from '../stream/detail'
import type { Cluster } from '../stream/types'
import { Age, Alert, Text } from './components'
import { visible } from './format'
import { useStore } from './hooks'
import { adviceFor, isUnreachable } from './reasons'

/** Why the data of a cluster is missing or not current, and what to do about it. */
export function Alerts({ cluster, detail }: { cluster: Cluster; detail: Detail }) {
  const connected = useStore().connectionState.status === 'open'
  const failed = detail.session?.sections?.filter((s) => s.error) ?? []
  const pending = failed.filter((s) => s.error!.reason === 'Pending')
  return (
    <div className="alerts">
      <ClusterAlert cluster={cluster} detail={detail} connected={connected} />
      {failed
        .filter((s) => s.error!.reason !== 'Pending')
        .map((s) => (
          <Alert
            key={s.name}
            tone="warn"
            title={`${s.name[0].toUpperCase()}${s.name.slice(1)} cannot be read: ${visible(s.error!.reason)}`}
          >
            <Text>{s.error!.message}</Text>
            {s.observedAt && (
              <>
                {' '}
                Last read <Age at={s.observedAt} suffix />.
              </>
            )}
          </Alert>
        ))}
      {pending.length > 0 && (
        <Alert tone="plain" title={`Waiting for ${pending.map((s) => s.name).join(', ')}`}>
          The first reading arrives within seconds of the start of a session. All other data is already shown.
        </Alert>
      )}
    </div>
  )
}

/** The most important alert about the connection to the cluster, if there is one. */
function ClusterAlert({ cluster, detail, connected }: { cluster: Cluster; detail: Detail; connected: boolean }) {
  const age = cluster.observedAt ? (
    <>
      The data shown is from <Age at={cluster.observedAt} suffix />.
    </>
  ) : (
    'No data has been received yet.'
  )
  if (detail.error) {
    const forbidden = detail.error.code === 403
    return (
      <Alert
        tone="warn"
        title={forbidden ? 'You can only see the summary' : 'The details of this cluster are not available'}
      >
        <Text>{detail.error.message}</Text>
        {forbidden && (
          <p>
            Ask an administrator of the hub for the verbs <code>get</code> and <code>watch</code> on{' '}
            <code>clusterstatuses/details</code> in <code>rollcall.dev</code>.
          </p>
        )}
      </Alert>
    )
  }
  if (cluster.suspended) {
    return (
      <Alert tone="plain" title="Suspended">
        The master does not connect to this cluster while <code>spec.suspend</code> of its ClusterAgent is true. {age}
      </Alert>
    )
  }
  if (isUnreachable(cluster.session)) return <UnreachableAlert cluster={cluster} age={age} />
  if (!connected) return null
  if (!detail.ready)
    return (
      <Alert tone="plain" title="Connecting to the agent">
        {age}
      </Alert>
    )
  if (cluster.stale)
    return (
      <Alert tone="warn" title="Stale">
        Reports are late, or parts of them are outdated. {age}
      </Alert>
    )
  if (cluster.session.message)
    return (
      <Alert tone="warn" title="Warning">
        <Text>{cluster.session.message}</Text>
      </Alert>
    )
  return null
}

/** Why an agent cannot be reached, and what to do about it. */
function UnreachableAlert({ cluster, age }: { cluster: Cluster; age: ReactNode }) {
  const { reason, message } = cluster.session
  const { master } = useStore()
  if (master?.local)
    return (
      <Alert tone="bad" title="The cluster cannot be reached">
        <p>
          <Text>{message ?? reason}</Text>
        </p>
        <p>{age} It is tried again until it answers.</p>
      </Alert>
    )
  const advice = adviceFor(reason)
  return (
    <Alert tone="bad" title="The agent cannot be reached">
      <p>
        {advice && <b>{advice.title}: </b>}
        <Text>{message ?? reason}</Text>
      </p>
      {advice && <p>{advice.action}</p>}
      <p>
        {age} The master retries automatically. For details run{' '}
        <code>kubectl describe clusteragent {cluster.name}</code> on the hub.
      </p>
    </Alert>
  )
}
