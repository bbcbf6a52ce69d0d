import { createContext, useContext, useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import type { Store } from '../stream/store'
import type { Cluster, Problem } from '../stream/types'

export const StoreContext = createContext<Store | null>(null)

/** Returns the store, and renders the component again with each of its changes. */
export function useStore(): Store {
  const store = useStoreRef()
  useSyncExternalStore(store.subscribe, () => store.revision)
  return store
}

/** Returns the store without rendering the component again when it changes. */
export function useStoreRef(): Store {
  const store = useContext(StoreContext)
  if (!store) throw new Error('no StoreContext above this component')
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

/** Returns the time on the master's clock, and renders the component again each second. */
export function useNow(): number {
  const store = useStoreRef()
  useSyncExternalStore(subscribe, () => tick)
  return store.now()
}

/**
 * Returns the problems of a cluster. It returns the same list until a problem changes, although the summary is
 * replaced with each reading of usage.
 */
export function useProblems({ summary }: Cluster): Problem[] {
  const json = useMemo(() => JSON.stringify(summary?.problems ?? []), [summary])
  return useMemo(() => JSON.parse(json) as Problem[], [json])
}

/** Returns the width of an element in pixels; 0 before it is known. */
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

/**
 * Calls work repeatedly while the browser is idle, until it returns false. The argument of work reports whether there
 * is time left in this call. The returned function cancels.
 */
export function whenIdle(work: (timeLeft: () => boolean) => boolean): () => void {
  let handle = 0
  if (typeof requestIdleCallback !== 'function') {
    // Safari: short slices on a timer.
    const step = () => {
      handle = work(until(5)) ? window.setTimeout(step, 20) : 0
    }
    handle = window.setTimeout(step, 20)
    return () => clearTimeout(handle)
  }
  const step = (deadline: IdleDeadline) => {
    handle = work(() => deadline.timeRemaining() > 1) ? requestIdleCallback(step) : 0
  }
  handle = requestIdleCallback(step)
  return () => cancelIdleCallback(handle)
}

/** Returns a function that reports whether some milliseconds have not passed yet. */
function until(ms: number): () => boolean {
  const end = performance.now() + ms
  return () => performance.now() < end
}
