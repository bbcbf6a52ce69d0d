import type { ReactNode } from 'react'
import { noResponse } from '../stream/connection'
import { clock, duration } from './format'
import { useNow, useStore } from './hooks'

/** A page with a text in place of data. */
function MessagePage({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="page center">
      <div className="prose">
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  )
}

const manifest = `apiVersion: rollcall.dev/v1alpha1
kind: ClusterAgent
metadata:
  name: prod-eu
spec:
  # the address of the agent
  endpoint: wss://10.20.0.7:7443
  tls:
    # printed by rollcall-agent certgen
    pinnedSHA256: [ … ]`

/** Shown if no cluster is registered: how to register one. */
export function NoClusters() {
  const { master } = useStore()
  if (master?.local) return <MessagePage title="No clusters yet">They appear within seconds.</MessagePage>
  return (
    <MessagePage title="No clusters are registered">
      <p>Install an agent in a cluster, then register the cluster on the hub:</p>
      <pre>{`kubectl apply -f - <<'EOF'\n${manifest}\nEOF`}</pre>
      <p className="mute">
        The cluster then appears here. If you expected to see clusters, you may lack the verb <code>list</code> on{' '}
        <code>clusterstatuses</code> in <code>rollcall.dev</code>.
      </p>
    </MessagePage>
  )
}

/** Shown if the user is not allowed to list clusters. */
export function AccessDenied({ message }: { message: string }) {
  return (
    <MessagePage title="Access denied">
      <p>{message}</p>
      <p className="mute">
        Ask an administrator of the hub for the verb <code>list</code> or <code>get</code> on{' '}
        <code>clusterstatuses</code> in <code>rollcall.dev</code>. This page retries every 30 seconds.
      </p>
    </MessagePage>
  )
}

/** Shown if the master has not responded since the page was opened. */
export function MasterUnavailable({ reason }: { reason: string }) {
  return (
    <MessagePage title="The master does not respond">
      {reason !== noResponse && <p>{reason}</p>}
      <p className="mute">This page retries automatically.</p>
      <RetryCountdown />
    </MessagePage>
  )
}

/** A bar above the content while the connection is lost: how old the data is, and when the page reconnects. */
export function ConnectionLostBar() {
  const store = useStore()
  const now = useNow() - store.clockSkew
  const state = store.connectionState
  if (state.status !== 'lost') return null
  return (
    <div className="lost-bar" role="alert">
      <strong>Connection lost</strong>
      <span>
        The data shown is {duration(now - state.lastMessageAt)} old, as of {clock(state.lastMessageAt)}: {state.reason}.
      </span>
      <span className="spacer" />
      <RetryCountdown />
    </div>
  )
}

function RetryCountdown() {
  const store = useStore()
  const now = useNow() - store.clockSkew
  const state = store.connectionState
  if (state.status !== 'lost') return null
  const seconds = Math.max(0, Math.ceil((state.retryAt - now) / 1000))
  return (
    <span className="retry">
      <span aria-hidden="true">{seconds > 0 ? `Retrying in ${seconds} s` : 'Retrying'}</span>
      <button type="button" className="small" onClick={store.retry}>
        Retry now
      </button>
    </span>
  )
}
