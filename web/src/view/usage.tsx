import { useEffect, useState } from 'react'
import { historySpan, mergeSamples } from '../stream/history'
import type { UsageSample } from '../stream/prometheus'
import type { Container, Node } from '../stream/types'
import { bytes, cores } from './format'
import { useStoreRef } from './hooks'
import type { Line } from './sparkline'
import { Sparkline } from './sparkline'

const cpuLines: Line<UsageSample>[] = [{ value: (u) => u.cpuMillis, colour: 'used', fill: true }]
const memoryLines: Line<UsageSample>[] = [{ value: (u) => u.memoryBytes, colour: 'used', fill: true }]
const cpuText = (u: UsageSample) => (u.cpuMillis === null ? '–' : cores(u.cpuMillis))
const memoryText = (u: UsageSample) => (u.memoryBytes === null ? '–' : bytes(u.memoryBytes))

/**
 * The usage of a node or container in the last 15 minutes: the samples that the master has stored, and then those that
 * arrive. revision changes with each reading of usage, as the usage of an object is changed in place.
 */
export function Usage({
  kind,
  object,
  revision,
}: {
  kind: 'Node' | 'Container'
  object: Node | Container
  revision: number
}) {
  const store = useStoreRef()
  const [samples, setSamples] = useState<UsageSample[]>([])
  useEffect(() => {
    let mounted = true
    void store
      .storedUsage(kind, object)
      .then((stored) => mounted && setSamples((received) => mergeSamples(received, stored)))
    return () => {
      mounted = false
    }
  }, [])
  useEffect(() => {
    const { used } = object
    const at = used?.sampledAt ? Date.parse(used.sampledAt) : store.now()
    if (used) {
      setSamples((before) => {
        const last = before.at(-1)
        return last && last.at >= at ? before : [...before.filter((s) => s.at > at - historySpan), { at, ...used }]
      })
    }
  }, [revision])
  const latest = object.used
  if (!latest && samples.length === 0) return null
  return (
    <section className="usage" aria-label="Usage">
      <div>
        <h3>CPU</h3>
        <b>{latest ? cores(latest.cpuMillis) : '–'}</b>
        <Sparkline
          samples={samples}
          revision={samples.length}
          lines={cpuLines}
          format={cpuText}
          label="CPU usage, last 15 minutes"
        />
      </div>
      <div>
        <h3>Memory</h3>
        <b>{latest ? bytes(latest.memoryBytes) : '–'}</b>
        <Sparkline
          samples={samples}
          revision={samples.length}
          lines={memoryLines}
          format={memoryText}
          label="Memory usage, last 15 minutes"
        />
      </div>
    </section>
  )
}
