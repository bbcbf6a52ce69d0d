import type { ReactNode } from 'react'
import type { Sample } from '../stream/history'
import type { Cluster, Summary } from '../stream/types'
import { bytes, cores, count, counted, percent } from './format'
import { useStore } from './hooks'
import { problemCounts } from './problems'
import type { Line } from './sparkline'
import { Sparkline } from './sparkline'

const percentText = (ratio: number | null) => (ratio === null ? '–' : `${Math.floor(100 * ratio)}%`)

const cpuLines: Line<Sample>[] = [
  { value: (s) => s.cpuRequested, colour: 'requested' },
  { value: (s) => s.cpuUsed, colour: 'used', fill: true },
]
const memoryLines: Line<Sample>[] = [
  { value: (s) => s.memoryRequested, colour: 'requested' },
  { value: (s) => s.memoryUsed, colour: 'used', fill: true },
]
const readyLines: Line<Sample>[] = [
  { value: (s) => s.desired, colour: 'requested' },
  { value: (s) => s.ready, colour: 'used' },
]
// Two lines, so that the chart is red only while there are problems.
const problemLines: Line<Sample>[] = [
  { value: (s) => (s.problems === 0 ? 0 : null), colour: 'requested' },
  { value: (s) => s.problems || null, colour: 'bad', fill: true },
]

const cpuText = (s: Sample) => `${percentText(s.cpuRequested)} requested, ${percentText(s.cpuUsed)} used`
const memoryText = (s: Sample) => `${percentText(s.memoryRequested)} requested, ${percentText(s.memoryUsed)} used`

const readyText = (s: Sample) => `${s.ready ?? '–'} of ${s.desired ?? '–'}`
const problemText = (s: Sample) => (s.problems === null ? '–' : counted(s.problems, 'problem'))

/** Returns the number of problems by severity, and of muted ones. */
function problemsCaption(s: Summary): string {
  return [problemCounts(s), s.muted > 0 && `${count(s.muted)} muted`].filter(Boolean).join(', ') || 'none'
}

/** The main metrics of a cluster, with charts of the last 15 minutes. */
export function Tiles({ cluster, summary: s, live }: { cluster: Cluster; summary: Summary; live: boolean }) {
  const history = useStore().historyOf(cluster.name)
  const { allocatable, containers, nodes, requested, used } = s
  const requestedOf = (part: number, total: number, unit: string) =>
    `${percent(part, total) || '–'} requested of ${unit}`
  return (
    <section className={`tiles ${live ? '' : 'outdated'}`} aria-label="Metrics">
      <Tile
        title="CPU"
        value={percent(used?.cpuMillis, allocatable.cpuMillis) || '–'}
        unit="used"
        caption={requestedOf(requested.cpuMillis, allocatable.cpuMillis, `${cores(allocatable.cpuMillis)} cores`)}
      >
        <Sparkline {...history} lines={cpuLines} format={cpuText} top={1} label="CPU, last 15 minutes" />
      </Tile>
      <Tile
        title="Memory"
        value={percent(used?.memoryBytes, allocatable.memoryBytes) || '–'}
        unit="used"
        caption={requestedOf(requested.memoryBytes, allocatable.memoryBytes, bytes(allocatable.memoryBytes))}
      >
        <Sparkline {...history} lines={memoryLines} format={memoryText} top={1} label="Memory, last 15 minutes" />
      </Tile>
      <Tile
        title="Containers ready"
        value={count(containers.ready)}
        unit={`of ${count(containers.desired)}`}
        caption={[
          counted(containers.restarts, 'restart'),
          `${count(nodes.ready)} of ${counted(nodes.total, 'node')} ready`,
        ].join(', ')}
      >
        <Sparkline {...history} lines={readyLines} format={readyText} label="Ready containers, last 15 minutes" />
      </Tile>
      <Tile title="Problems" value={count(s.problemCount)} bad={!s.healthy} caption={problemsCaption(s)}>
        <Sparkline {...history} lines={problemLines} format={problemText} label="Problems, last 15 minutes" />
      </Tile>
    </section>
  )
}

function Tile({
  title,
  value,
  unit,
  caption,
  bad,
  children,
}: {
  title: string
  value: string
  unit?: string
  caption: string
  bad?: boolean
  children: ReactNode
}) {
  return (
    <div className="tile">
      <h2>{title}</h2>
      <p className={`value ${bad ? 'bad' : ''}`}>
        {value} {unit && <i>{unit}</i>}
      </p>
      <p className="mute">{caption}</p>
      {children}
    </div>
  )
}
