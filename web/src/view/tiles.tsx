import type { Sample } from '../stream/history'
import type { Cluster, Summary } from '../stream/types'
import { bytes, cores, count, counted, percent } from './format'
import { useStore } from './hooks'
import { countsOf } from './problems'
import type { Line } from './sparkline'
import { Sparkline } from './sparkline'

const whole = (part: number | null) => (part === null ? '–' : `${Math.floor(100 * part)}%`)

const cpu: Line<Sample>[] = [{ of: (s) => s.cpuRequested, colour: 'requested' }, { of: (s) => s.cpuUsed, colour: 'used', fill: true }]
const memory: Line<Sample>[] = [{ of: (s) => s.memoryRequested, colour: 'requested' }, { of: (s) => s.memoryUsed, colour: 'used', fill: true }]
const ready: Line<Sample>[] = [{ of: (s) => s.desired, colour: 'requested' }, { of: (s) => s.ready, colour: 'used' }]
// Red only where there were any.
const problems: Line<Sample>[] = [{ of: (s) => (s.problems === 0 ? 0 : null), colour: 'requested' }, { of: (s) => s.problems || null, colour: 'bad', fill: true }]

const cpuWords = (s: Sample) => `${whole(s.cpuRequested)} requested, ${whole(s.cpuUsed)} used`
const memoryWords = (s: Sample) => `${whole(s.memoryRequested)} requested, ${whole(s.memoryUsed)} used`

const readyWords = (s: Sample) => `${s.ready ?? '–'} of ${s.desired ?? '–'}`
const problemWords = (s: Sample) => (s.problems === null ? '–' : counted(s.problems, 'problem'))

/** The problems of a cluster by severity, and how many are muted. */
function problemsAlso(s: Summary): string {
  return [countsOf(s), s.muted > 0 && `${count(s.muted)} muted`].filter(Boolean).join(', ') || 'none'
}

/** The cluster in four numbers, each with its last quarter of an hour. */
export function Tiles({ cluster, summary: s, live }: { cluster: Cluster; summary: Summary; live: boolean }) {
  const history = useStore().historyOf(cluster.name)
  const { allocatable: all, requested, used } = s
  return (
    <section className={`tiles ${live ? '' : 'old'}`} aria-label="The cluster in numbers">
      <Tile title="CPU" value={percent(used?.cpuMillis, all.cpuMillis) || '–'} unit="used" also={`${percent(requested.cpuMillis, all.cpuMillis) || '–'} requested of ${cores(all.cpuMillis)} cores`}>
        <Sparkline {...history} lines={cpu} words={cpuWords} top={1} label="CPU of the last 15 minutes" />
      </Tile>
      <Tile title="Memory" value={percent(used?.memoryBytes, all.memoryBytes) || '–'} unit="used" also={`${percent(requested.memoryBytes, all.memoryBytes) || '–'} requested of ${bytes(all.memoryBytes)}`}>
        <Sparkline {...history} lines={memory} words={memoryWords} top={1} label="Memory of the last 15 minutes" />
      </Tile>
      <Tile title="Containers ready" value={count(s.containers.ready)} unit={`of ${count(s.containers.desired)}`} also={`${counted(s.containers.restarts, 'restart')}, ${counted(s.nodes.ready, 'node')} ready of ${count(s.nodes.total)}`}>
        <Sparkline {...history} lines={ready} words={readyWords} label="Ready containers of the last 15 minutes" />
      </Tile>
      <Tile title="Problems" value={count(s.problemCount)} bad={!s.healthy} also={problemsAlso(s)}>
        <Sparkline {...history} lines={problems} words={problemWords} label="Problems of the last 15 minutes" />
      </Tile>
    </section>
  )
}

function Tile({ title, value, unit, also, bad, children }: { title: string; value: string; unit?: string; also: string; bad?: boolean; children: React.ReactNode }) {
  return (
    <div className="tile">
      <h2>{title}</h2>
      <p className={`value ${bad ? 'bad' : ''}`}>{value} {unit && <i>{unit}</i>}</p>
      <p className="mute">{also}</p>
      {children}
    </div>
  )
}
