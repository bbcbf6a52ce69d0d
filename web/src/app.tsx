import { useEffect } from 'react'
import { adjust, go, urlOf, useRoute } from './route'
import { ClusterView } from './view/cluster'
import { Fleet } from './view/fleet'
import { useStore } from './view/hooks'
import { LostBar, NoMaster, NotAllowed, SignIn, signOut, whoSignedIn } from './view/states'
import { Text } from './view/bits'

export function App() {
  const route = useRoute()
  const store = useStore()
  useKeys()
  useEffect(() => {
    document.title = route.cluster === null ? 'Rollcall' : `${route.cluster} · Rollcall`
    if (route.cluster === null) store.show(null)
  }, [route.cluster, store])
  return (
    <>
      <Bar cluster={route.cluster} />
      {store.synced && <LostBar />}
      <Content />
    </>
  )
}

function Content() {
  const route = useRoute()
  const { link, synced } = useStore()
  if (link.is === 'signedout') return <SignIn why={link.why} />
  if (link.is === 'refused') return <NotAllowed why={link.why} />
  if (!synced && link.is === 'lost') return <NoMaster why={link.why} />
  return route.cluster === null ? <Fleet route={route} /> : <ClusterView named={route.cluster} route={route} />
}

function Bar({ cluster }: { cluster: string | null }) {
  return (
    <header className="bar">
      <a className="brand" href="/" onClick={(e) => { if (e.metaKey || e.ctrlKey) return; e.preventDefault(); go(urlOf(null)) }}>
        <svg viewBox="0 0 16 16" aria-hidden="true"><path d="M2 4h7M2 8h12M2 12h9" /></svg>Rollcall
      </a>
      {cluster !== null && <><span className="mute" aria-hidden="true">/</span><span className="crumb"><Text>{cluster}</Text></span></>}
      <span className="fill" />
      <LinkState />
      <User />
    </header>
  )
}

/** How the stream stands, for eyes and for screen readers. */
function LinkState() {
  const { link } = useStore()
  const words = { connecting: 'Connecting', open: 'Live', lost: 'Connection lost', signedout: 'Signed out', refused: 'Not allowed' }[link.is]
  return <span className={`link-state ${link.is}`} role="status">{words}</span>
}

function User() {
  const { link } = useStore()
  const user = whoSignedIn()
  if (user === null || link.is === 'signedout') return null
  return <span className="user"><Text className="mute">{user}</Text><button type="button" className="small" onClick={() => void signOut()}>Sign out</button></span>
}

/** Keys that work everywhere: / searches, Escape closes and leaves. */
function useKeys() {
  const store = useStore()
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      const inField = e.target instanceof HTMLInputElement || e.target instanceof HTMLTextAreaElement
      if (e.key === '/' && !inField && !e.ctrlKey && !e.metaKey) {
        const search = document.querySelector<HTMLInputElement>('[data-search]')
        search?.focus()
        search?.select()
        if (search) e.preventDefault()
      }
      if (e.key === 'Escape') inField ? document.querySelector<HTMLElement>('[role=grid]')?.focus() : adjust({ open: '' })
    }
    const again = () => document.visibilityState === 'visible' && store.retry()
    addEventListener('keydown', onKey)
    addEventListener('online', store.retry)
    document.addEventListener('visibilitychange', again)
    return () => {
      removeEventListener('keydown', onKey)
      removeEventListener('online', store.retry)
      document.removeEventListener('visibilitychange', again)
    }
  }, [store])
}
