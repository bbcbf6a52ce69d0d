import { useSyncExternalStore } from 'react'

/** What is shown, as the URL has it, so that it can be shared and gone back to. */
export interface Route {
  /** The cluster that is shown; null: the fleet. */
  cluster: string | null
  get(name: string): string
}

const listeners = new Set<() => void>()
let current = read()

function read(): Route {
  const params = new URLSearchParams(location.search)
  const [, first, name] = location.pathname.split('/')
  return {
    cluster: first === 'clusters' && name ? decode(name) : null,
    get: (key) => params.get(key) ?? '',
  }
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

function changed() {
  current = read()
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void) {
  listeners.add(listener)
  if (listeners.size === 1) addEventListener('popstate', changed)
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) removeEventListener('popstate', changed)
  }
}

export function useRoute(): Route {
  return useSyncExternalStore(subscribe, () => current)
}

export type Params = Record<string, string | undefined>

/** The URL of a view. */
export function urlOf(cluster: string | null, params: Params = {}): string {
  const query = new URLSearchParams(Object.entries(params).filter((one): one is [string, string] => !!one[1]))
  const path = cluster === null ? '/' : `/clusters/${encodeURIComponent(cluster)}`
  return query.size ? `${path}?${query}` : path
}

/** Goes to another view; the browser's way back leads here. */
export function go(url: string) {
  history.pushState(null, '', url)
  changed()
}

/** Gives the cluster that is shown its name in the URL, where it was asked for by an address. */
export function rename(cluster: string) {
  history.replaceState(null, '', urlOf(cluster) + location.search)
  changed()
}

/** Changes parts of the present view: in place while somebody types, as a step where it opens something. */
export function adjust(params: Params, step = false) {
  const query = new URLSearchParams(location.search)
  for (const [name, value] of Object.entries(params)) {
    if (value) query.set(name, value)
    else query.delete(name)
  }
  const url = query.size ? `${location.pathname}?${query}` : location.pathname
  if (step) history.pushState(null, '', url)
  else history.replaceState(null, '', url)
  changed()
}
