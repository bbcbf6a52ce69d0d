import { useEffect, useState } from 'react'
import { filled, span } from '../stream/history'
import type { Use } from '../stream/past'
import type { Container, Node } from '../stream/types'
import { bytes, cores } from './format'
import { useQuietStore } from './hooks'
import type { Line } from './sparkline'
import { Sparkline } from './sparkline'

const cpu: Line<Use>[] = [{ of: (u) => u.cpuMillis, colour: 'used', fill: true }]
const memory: Line<Use>[] = [{ of: (u) => u.memoryBytes, colour: 'used', fill: true }]
const cpuWords = (u: Use) => (u.cpuMillis === null ? '–' : cores(u.cpuMillis))
const memoryWords = (u: Use) => (u.memoryBytes === null ? '–' : bytes(u.memoryBytes))

/** What a node or a container used in the last quarter of an hour: what the master kept, and then what comes. */
export function Usage({ kind, object, readings }: { kind: 'Node' | 'Container'; object: Node | Container; readings: number }) {
  const store = useQuietStore()
  const [uses, setUses] = useState<Use[]>([])
  useEffect(() => {
    let wanted = true
    void store.usageOf(kind, object).then((kept) => wanted && setUses((seen) => filled(seen, kept)))
    return () => void (wanted = false)
  }, [])
  useEffect(() => {
    const { used } = object
    const at = used?.sampledAt ? Date.parse(used.sampledAt) : store.now()
    if (used) setUses((seen) => (seen.at(-1) && seen.at(-1)!.at >= at ? seen : [...seen.filter((u) => u.at > at - span), { at, ...used }]))
  }, [readings])
  const latest = object.used
  if (!latest && uses.length === 0) return null
  return (
    <section className="usage" aria-label="Usage">
      <div>
        <h3>CPU</h3><b>{latest ? cores(latest.cpuMillis) : '–'}</b>
        <Sparkline samples={uses} revision={uses.length} lines={cpu} words={cpuWords} label="CPU used in the last 15 minutes" />
      </div>
      <div>
        <h3>Memory</h3><b>{latest ? bytes(latest.memoryBytes) : '–'}</b>
        <Sparkline samples={uses} revision={uses.length} lines={memory} words={memoryWords} label="Memory used in the last 15 minutes" />
      </div>
    </section>
  )
}
