import { createContext, useContext, useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import type { Store } from '../stream/store'
import type { Cluster, Problem } from '../stream/types'

export const StoreContext = createContext<Store | null>(null)

/** The store; who uses it is rendered anew with every step of it. */
export function useStore(): Store {
  const store = useQuietStore()
  useSyncExternalStore(store.subscribe, () => store.revision)
  return store
}

/** The store, for those that only tell it something. */
export function useQuietStore(): Store {
  const store = useContext(StoreContext)
  if (!store) throw new Error('there is no store')
  return store
}

const listeners = new Set<() => void>()
let timer: ReturnType<typeof setInterval> | undefined
let tick = 0

function subscribe(listener: () => void) {
  listeners.add(listener)
  timer ??= setInterval(() => {
    tick++
    for (const l of listeners) l()
  }, 1000)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

/** The master's time, anew each second. */
export function useNow(): number {
  const store = useQuietStore()
  useSyncExternalStore(subscribe, () => tick)
  return store.now()
}

/** The problems of a cluster; the same list for as long as it has the same in it, though its summary is new with each reading of usage. */
export function useProblems({ summary }: Cluster): Problem[] {
  const text = useMemo(() => JSON.stringify(summary?.problems ?? []), [summary])
  return useMemo(() => JSON.parse(text) as Problem[], [text])
}

/** The width of an element, 0 before it is known. */
export function useWidth(element: HTMLElement | null): number {
  const [width, setWidth] = useState(0)
  useEffect(() => {
    if (!element) return
    const observer = new ResizeObserver(([entry]) => setWidth(entry.contentRect.width))
    observer.observe(element)
    return () => observer.disconnect()
  }, [element])
  return width
}

/** Does work piece by piece while the browser has nothing else to do, until it says that nothing is left; gives a way to stop. */
export function whenIdle(work: (left: () => boolean) => boolean): () => void {
  let handle = 0
  if (typeof requestIdleCallback !== 'function') {
    const some = () => void (handle = work(within(5)) ? window.setTimeout(some, 20) : 0)
    handle = window.setTimeout(some, 20)
    return () => clearTimeout(handle)
  }
  const some = (deadline: IdleDeadline) => void (handle = work(() => deadline.timeRemaining() > 1) ? requestIdleCallback(some) : 0)
  handle = requestIdleCallback(some)
  return () => cancelIdleCallback(handle)
}

function within(ms: number): () => boolean {
  const end = performance.now() + ms
  return () => performance.now() < end
}
