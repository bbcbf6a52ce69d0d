import type { FormEvent } from 'react'
import { useState } from 'react'
import { useStore } from './hooks'

const sessionPath = '/api/v1/session'

/** The local storage key of the name of the signed-in user. */
const userKey = 'signed-in'

/** The sign-in form. The master exchanges the token for a cookie that scripts cannot read. */
export function SignIn({ message }: { message: string }) {
  const store = useStore()
  const local = store.master?.local ?? false
  const [token, setToken] = useState('')
  const [error, setError] = useState('')
  const [busy, setBusy] = useState(false)
  const submit = async (e: FormEvent) => {
    e.preventDefault()
    setBusy(true)
    setError(await signIn(token.trim(), local))
    setBusy(false)
    setToken('')
    store.retry()
  }
  return (
    <main className="page center">
      <form className="prose" onSubmit={(e) => void submit(e)}>
        <h1>Sign in</h1>
        <p>
          {local ? (
            <>
              Sign in with the <code>ROLLCALL_TOKEN</code> that <code>kubectl rollcall local</code> has printed.
            </>
          ) : (
            'Sign in with a token for the hub cluster.'
          )}
        </p>
        <label htmlFor="token">Bearer token</label>
        <textarea
          id="token"
          rows={4}
          value={token}
          onChange={(e) => setToken(e.target.value)}
          autoComplete="off"
          spellCheck={false}
          autoFocus
          required
          aria-describedby="token-help"
        />
        <p id="token-help" className="mute">
          {local ? '' : <Example />}
          The token is sent to the master once, and kept in a cookie that scripts cannot read.
        </p>
        {error && (
          <p className="bad" role="alert">
            {error}
          </p>
        )}
        {!error && message && <p className="mute">{message}</p>}
        <button type="submit" className="main" disabled={busy || token.trim() === ''}>
          Sign in
        </button>
      </form>
    </main>
  )
}

/** How to get a token for the hub. */
function Example() {
  return (
    <>
      For example a token of a service account: <code>kubectl create token NAME --namespace NAMESPACE</code>.{' '}
    </>
  )
}

/** Signs in. Returns why it failed, or ''. */
async function signIn(token: string, local: boolean): Promise<string> {
  try {
    const response = await fetch(sessionPath, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      credentials: 'same-origin',
      body: JSON.stringify({ token }),
    })
    const body = (await response.json().catch(() => ({}))) as { user?: string; detail?: string }
    if (response.ok) {
      localStorage.setItem(userKey, body.user ?? '')
      return ''
    }
    if (response.status === 401 && local) return body.detail ?? 'This is not the token.'
    if (response.status === 401)
      return 'The hub does not accept this token. It may have expired, or belong to another cluster.'
    return body.detail ?? `The master responded with status ${response.status}.`
  } catch {
    return 'The master does not respond.'
  }
}

/** Signs out, and goes to the list of clusters. */
export async function signOut() {
  localStorage.removeItem(userKey)
  await fetch(sessionPath, { method: 'DELETE', credentials: 'same-origin' }).catch(() => undefined)
  location.assign('/')
}

/** Returns the name of the user who signed in, as the master returned it; null if there is none. */
export function signedInUser(): string | null {
  return localStorage.getItem(userKey)
}
