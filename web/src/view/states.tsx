import { useState } from 'react'
import { noAnswer } from '../stream/connection'
import { age, clock } from './format'
import { useNow, useStore } from './hooks'

const manifest = `apiVersion: rollcall.dev/v1alpha1
kind: ClusterAgent
metadata:
  name: prod-eu
spec:
  # where its agent listens
  endpoint: wss://10.20.0.7:7443
  tls:
    # what rollcall-agent certgen printed
    pinnedSHA256: [ … ]`

/** Nothing is registered: says how that is done. */
export function NoCluster() {
  return (
    <main className="page center">
      <div className="prose">
        <h1>No cluster is registered yet</h1>
        <p>Install an agent in a cluster, then tell this master of it on the hub:</p>
        <pre>{`kubectl apply -f - <<'EOF'\n${manifest}\nEOF`}</pre>
        <p className="mute">It appears here by itself. If you expected clusters, you may lack the right to see them: <code>list</code> on <code>clusterstatuses</code> in <code>rollcall.dev</code>.</p>
      </div>
    </main>
  )
}

/** Who asks may see nothing. */
export function NotAllowed({ why }: { why: string }) {
  return (
    <main className="page center">
      <div className="prose">
        <h1>You may not see this</h1>
        <p>{why}</p>
        <p className="mute">Ask who runs the hub for <code>list</code> or <code>get</code> on <code>clusterstatuses</code> in <code>rollcall.dev</code>. This page looks again every half minute.</p>
      </div>
    </main>
  )
}

/** The master never answered this page. */
export function NoMaster({ why }: { why: string }) {
  return (
    <main className="page center">
      <div className="prose">
        <h1>The master does not answer</h1>
        {why !== noAnswer && <p>{why}</p>}
        <p className="mute">This page tries again by itself.</p>
        <Next />
      </div>
    </main>
  )
}

/** Across the top while nothing comes: since when, and when it is tried again. */
export function LostBar() {
  const store = useStore()
  const now = useNow() - store.skew
  if (store.link.is !== 'lost') return null
  return (
    <div className="lost-bar" role="alert">
      <strong>Connection lost</strong>
      <span>What you see is {age(now - store.link.since)} old, as of {clock(store.link.since)}: {store.link.why}.</span>
      <span className="fill" />
      <Next />
    </div>
  )
}

function Next() {
  const store = useStore()
  const now = useNow() - store.skew
  if (store.link.is !== 'lost') return null
  const seconds = Math.max(0, Math.ceil((store.link.next - now) / 1000))
  return (
    <span className="next">
      <span aria-hidden="true">{seconds > 0 ? `Next try in ${seconds} s` : 'Trying now'}</span>
      <button type="button" className="small" onClick={store.retry}>Try now</button>
    </span>
  )
}

/** Takes a token, and gives it to the master for a cookie that this page cannot read. */
export function SignIn({ why }: { why: string }) {
  const store = useStore()
  const [token, setToken] = useState('')
  const [failed, setFailed] = useState('')
  const [busy, setBusy] = useState(false)
  const submit = async () => {
    setBusy(true)
    setFailed(await signIn(token.trim()))
    setBusy(false)
    setToken('')
    store.retry()
  }
  return (
    <main className="page center">
      <form className="prose" onSubmit={(e) => { e.preventDefault(); void submit() }}>
        <h1>Sign in</h1>
        <p>Sign in with a token for the hub cluster.</p>
        <label htmlFor="token">A bearer token of the hub</label>
        <textarea id="token" rows={4} value={token} onChange={(e) => setToken(e.target.value)} autoComplete="off" spellCheck={false} autoFocus required aria-describedby="how" />
        <p id="how" className="mute">For example of a service account: <code>kubectl create token NAME --namespace NAMESPACE</code>. It is sent to the master once and kept in a cookie that no script can read.</p>
        {failed && <p className="bad" role="alert">{failed}</p>}
        {!failed && why && <p className="mute">{why}</p>}
        <button type="submit" className="main" disabled={busy || token.trim() === ''}>Sign in</button>
      </form>
    </main>
  )
}

/** Why a sign-in failed; empty where it did not. */
async function signIn(token: string): Promise<string> {
  try {
    const answer = await fetch('/api/v1/session', { method: 'POST', headers: { 'content-type': 'application/json' }, credentials: 'same-origin', body: JSON.stringify({ token }) })
    const said = (await answer.json().catch(() => ({}))) as { user?: string; detail?: string }
    if (answer.ok) {
      localStorage.setItem(signedIn, said.user ?? '')
      return ''
    }
    if (answer.status === 401) return 'The hub does not accept this token: it may have expired, or be for another cluster.'
    return said.detail ?? `The master answers with status ${answer.status}.`
  } catch {
    return 'The master does not answer.'
  }
}

export async function signOut() {
  localStorage.removeItem(signedIn)
  await fetch('/api/v1/session', { method: 'DELETE', credentials: 'same-origin' }).catch(() => undefined)
  location.assign('/')
}

const signedIn = 'signed-in'

/** Who signed in here, as the master called them; null where nobody did. */
export function whoSignedIn(): string | null {
  return localStorage.getItem(signedIn)
}
