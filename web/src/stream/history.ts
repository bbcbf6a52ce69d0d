import type { Summary } from './types'

/** The values of a cluster at one time. CPU and memory are ratios of what is allocatable; null is unknown. */
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

/** How long samples are kept, in milliseconds. */
export const historySpan = 15 * 60_000
/** Of two samples that are closer than this, only the newer is kept, in milliseconds. */
const minSampleDistance = 1000
/** A stored sample within this distance of one that the page received is dropped, in milliseconds. */
const mergeDistance = 15_000

/** History is the last 15 minutes of one cluster: the samples that the page received, and older stored ones. */
export class History {
  samples: Sample[] = []
  /** Counts the changes of samples. */
  revision = 0

  /** Adds the values of a summary at a time. */
  add(s: Summary, at: number) {
    const last = this.samples.at(-1)
    if (last && at <= last.at) return
    const sample = sampleOf(s, at)
    const before = this.samples.at(-2)
    if (last && before && last.at - before.at < minSampleDistance) this.samples.pop()
    this.samples.push(sample)
    this.revision++
    const firstKept = this.samples.findIndex((s) => s.at > at - historySpan)
    // One older sample is kept, so that the line starts at the edge of the chart.
    if (firstKept > 1) this.samples.splice(0, firstKept - 1)
  }

  /** Adds samples that the master has stored. Returns false if they add nothing. */
  addStored(stored: Sample[]): boolean {
    const merged = mergeSamples(this.samples, stored)
    if (merged === this.samples) return false
    this.samples = merged
    this.revision++
    return true
  }
}

/** Returns received samples together with the stored ones of other times. Returns received itself if there are none. */
export function mergeSamples<S extends { at: number }>(received: S[], stored: S[]): S[] {
  const missing = stored.filter((s) => !received.some((r) => Math.abs(r.at - s.at) < mergeDistance))
  return missing.length === 0 ? received : [...missing, ...received].sort((a, b) => a.at - b.at)
}

function sampleOf(s: Summary, at: number): Sample {
  return {
    at,
    cpuUsed: s.used ? ratio(s.used.cpuMillis, s.allocatable.cpuMillis) : null,
    cpuRequested: ratio(s.requested.cpuMillis, s.allocatable.cpuMillis),
    memoryUsed: s.used ? ratio(s.used.memoryBytes, s.allocatable.memoryBytes) : null,
    memoryRequested: ratio(s.requested.memoryBytes, s.allocatable.memoryBytes),
    ready: s.containers.ready,
    desired: s.containers.desired,
    problems: s.problemCount,
  }
}

/** Returns part / total, or null if total is not positive. */
export function ratio(part: number, total: number): number | null {
  return total > 0 ? part / total : null
}
