import type { Summary } from './types'

/** What is kept of one instant, for the sparklines. Shares are of what is allocatable; null is what nobody knows. */
export interface Sample {
  /** Milliseconds since 1970, on the master's clock. */
  at: number
  cpuUsed: number | null
  cpuRequested: number | null
  memoryUsed: number | null
  memoryRequested: number | null
  ready: number | null
  desired: number | null
  problems: number | null
}

/** For how long samples are kept, in milliseconds. */
export const span = 15 * 60_000
/** Of two samples closer than this only the later is kept. */
const grain = 1000
/** What was seen here stands for what was within this many milliseconds of it. */
const near = 15_000

/** History is the last quarter of an hour of one cluster: what this page saw, and before that what the master kept. */
export class History {
  samples: Sample[] = []
  /** Counts changes. */
  revision = 0

  /** Takes in a summary that is true at an instant. */
  add(s: Summary, at: number) {
    const last = this.samples.at(-1)
    if (last && at <= last.at) return
    const sample = sampleOf(s, at)
    const before = this.samples.at(-2)
    if (last && before && last.at - before.at < grain) this.samples.pop()
    this.samples.push(sample)
    this.revision++
    const old = this.samples.findIndex((one) => one.at > at - span)
    // One older sample stays, for a line that begins at the edge.
    if (old > 1) this.samples.splice(0, old - 1)
  }

  /** Takes in what the master kept of instants of which nothing was seen here; false: there was none. */
  fill(kept: Sample[]): boolean {
    const all = filled(this.samples, kept)
    if (all === this.samples) return false
    this.samples = all
    this.revision++
    return true
  }
}

/** What was seen here, with what was kept of instants of which nothing was seen. */
export function filled<S extends { at: number }>(seen: S[], kept: S[]): S[] {
  const unseen = kept.filter((k) => !seen.some((s) => Math.abs(s.at - k.at) < near))
  return unseen.length === 0 ? seen : [...unseen, ...seen].sort((a, b) => a.at - b.at)
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

export function share(part: number, whole: number): number | null {
  return whole > 0 ? part / whole : null
}
