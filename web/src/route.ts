import { useSyncExternalStore } from 'react'

/** What is shown, as the URL says. Every view can be shared as a URL, and the browser's back button works. */
export interface Route {
  /** The name or IP address of the cluster that is shown; null for the list. */
  cluster: string | null
  /** Returns a query parameter, or ''. */
  get(name: string): string
}

const listeners = new Set<() => void>()
let current = parse()

function parse(): Route {
  const params = new URLSearchParams(location.search)
  const [, first, name] = location.pathname.split('/')
  return {
    cluster: first === 'clusters' && name ? decode(name) : null,
    get: (key) => params.get(key) ?? '',
  }
}

/** Returns a path segment decoded, or as it is if it is malformed. */
function decode(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

function update() {
  current = parse()
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void) {
  listeners.add(listener)
  if (listeners.size === 1) addEventListener('popstate', update)
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) removeEventListener('popstate', update)
  }
}

/** Returns the current route, and renders the component again when it changes. */
export function useRoute(): Route {
  return useSyncExternalStore(subscribe, () => current)
}

/** Query parameters. An empty value removes the parameter. */
export type Params = Record<string, string | undefined>

/** Returns the URL of a cluster, or of the list if cluster is null. */
export function urlOf(cluster: string | null, params: Params = {}): string {
  const query = new URLSearchParams(Object.entries(params).filter((p): p is [string, string] => !!p[1]))
  const path = cluster === null ? '/' : `/clusters/${encodeURIComponent(cluster)}`
  return query.size ? `${path}?${query}` : path
}

/** Goes to a URL of the page, and adds it to the browser's history. */
export function navigate(url: string) {
  history.pushState(null, '', url)
  update()
}

/** Replaces the IP address of the cluster in the URL by its name. */
export function replaceCluster(cluster: string) {
  history.replaceState(null, '', urlOf(cluster) + location.search)
  update()
}

/** Changes query parameters. push adds the new URL to the browser's history, for what opens a view. */
export function setParams(params: Params, push = false) {
  const query = new URLSearchParams(location.search)
  for (const [name, value] of Object.entries(params)) {
    if (value) query.set(name, value)
    else query.delete(name)
  }
  const url = query.size ? `${location.pathname}?${query}` : location.pathname
  if (push) history.pushState(null, '', url)
  else history.replaceState(null, '', url)
  update()
}
