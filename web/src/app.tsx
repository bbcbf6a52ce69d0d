import { useEffect } from 'react'
import { navigate, setParams, urlOf, useRoute } from './route'
import { ClusterView } from './view/cluster'
import { ClusterList } from './view/clusterlist'
import { Text } from './view/components'
import { useStore } from './view/hooks'
import { SignIn, signedInUser, signOut } from './view/signin'
import { AccessDenied, ConnectionLostBar, MasterUnavailable } from './view/states'

export function App() {
  const route = useRoute()
  const store = useStore()
  useGlobalEvents()
  useEffect(() => {
    document.title = route.cluster === null ? 'Rollcall' : `${route.cluster} · Rollcall`
    if (route.cluster === null) store.show(null)
  }, [route.cluster, store])
  return (
    <>
      <Header cluster={route.cluster} />
      {store.synced && <ConnectionLostBar />}
      <Content />
    </>
  )
}

function Content() {
  const route = useRoute()
  const { connectionState: state, synced } = useStore()
  if (state.status === 'unauthenticated') return <SignIn message={state.message} />
  if (state.status === 'forbidden') return <AccessDenied message={state.message} />
  if (!synced && state.status === 'lost') return <MasterUnavailable reason={state.reason} />
  return route.cluster === null ? <ClusterList route={route} /> : <ClusterView nameOrIP={route.cluster} route={route} />
}

function Header({ cluster }: { cluster: string | null }) {
  return (
    <header className="bar">
      <a
        className="brand"
        href="/"
        onClick={(e) => {
          if (e.metaKey || e.ctrlKey) return
          e.preventDefault()
          navigate(urlOf(null))
        }}
      >
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M2 4h7M2 8h12M2 12h9" />
        </svg>
        Rollcall
      </a>
      {cluster !== null && (
        <>
          <span className="mute" aria-hidden="true">
            /
          </span>
          <span className="crumb">
            <Text>{cluster}</Text>
          </span>
        </>
      )}
      <span className="spacer" />
      <Version />
      <ConnectionStatus />
      <User />
    </header>
  )
}

/** The version of the master. */
function Version() {
  const { master } = useStore()
  return master && <Text className="mute version">{master.version}</Text>
}

const connectionLabels = {
  connecting: 'Connecting',
  open: 'Live',
  lost: 'Connection lost',
  unauthenticated: 'Signed out',
  forbidden: 'Access denied',
}

/** The state of the connection, which screen readers announce. */
function ConnectionStatus() {
  const { status } = useStore().connectionState
  return (
    <span className={`connection-state ${status}`} role="status">
      {connectionLabels[status]}
    </span>
  )
}

function User() {
  const { connectionState } = useStore()
  const user = signedInUser()
  if (user === null || connectionState.status === 'unauthenticated') return null
  return (
    <span className="user">
      <Text className="mute">{user}</Text>
      <button type="button" className="small" onClick={() => void signOut()}>
        Sign out
      </button>
    </span>
  )
}

/**
 * Handles events of the whole page: "/" focuses the search field, Escape leaves it or closes the drawer, and the page
 * reconnects when the browser is online or visible again.
 */
function useGlobalEvents() {
  const store = useStore()
  useEffect(() => {
    const onKeyDown = (e: KeyboardEvent) => {
      const inField = e.target instanceof HTMLInputElement || e.target instanceof HTMLTextAreaElement
      if (e.key === '/' && !inField && !e.ctrlKey && !e.metaKey) {
        const search = document.querySelector<HTMLInputElement>('[data-search]')
        search?.focus()
        search?.select()
        if (search) e.preventDefault()
      }
      if (e.key !== 'Escape') return
      if (inField) document.querySelector<HTMLElement>('[role=grid]')?.focus()
      else setParams({ open: '' })
    }
    const onVisibilityChange = () => document.visibilityState === 'visible' && store.retry()
    addEventListener('keydown', onKeyDown)
    addEventListener('online', store.retry)
    document.addEventListener('visibilitychange', onVisibilityChange)
    return () => {
      removeEventListener('keydown', onKeyDown)
      removeEventListener('online', store.retry)
      document.removeEventListener('visibilitychange', onVisibilityChange)
    }
  }, [store])
}
