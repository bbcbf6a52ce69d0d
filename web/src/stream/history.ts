import type { Summary } from './types'

/** What is kept of one instant, for the sparklines. Shares are of what is allocatable. */
export interface Sample {
  /** Milliseconds since 1970, on the master's clock. */
  at: number
  cpuUsed: number | null
  cpuRequested: number | null
  memoryUsed: number | null
  memoryRequested: number | null
  ready: number
  desired: number
  problems: number
}

/** For how long samples are kept, in milliseconds. */
export const span = 15 * 60_000
/** Of two samples closer than this only the later is kept. */
const grain = 1000

/** History is the last quarter of an hour of one cluster, as far as this page saw it. */
export class History {
  samples: Sample[] = []

  /** Takes in a summary that is true at an instant. */
  add(s: Summary, at: number) {
    const last = this.samples.at(-1)
    if (last && at <= last.at) return
    const sample = sampleOf(s, at)
    const before = this.samples.at(-2)
    if (last && before && last.at - before.at < grain) this.samples.pop()
    this.samples.push(sample)
    const old = this.samples.findIndex((one) => one.at > at - span)
    // One older sample stays, for a line that begins at the edge.
    if (old > 1) this.samples.splice(0, old - 1)
  }
}

function sampleOf(s: Summary, at: number): Sample {
  return {
    at,
    cpuUsed: s.used ? share(s.used.cpuMillis, s.allocatable.cpuMillis) : null,
    cpuRequested: share(s.requested.cpuMillis, s.allocatable.cpuMillis),
    memoryUsed: s.used ? share(s.used.memoryBytes, s.allocatable.memoryBytes) : null,
    memoryRequested: share(s.requested.memoryBytes, s.allocatable.memoryBytes),
    ready: s.containers.ready,
    desired: s.containers.desired,
    problems: s.problemCount,
  }
}

function share(part: number, whole: number): number | null {
  return whole > 0 ? part / whole : null
}
