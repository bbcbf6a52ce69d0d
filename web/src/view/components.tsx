import type { ReactNode } from 'react'
import { type Cluster, type Pod, type Problem, type Resources, type Severity, severityOf } from '../stream/types'
import { bytes, cores, count, dateTime, duration, percent, visible } from './format'
import type { Health } from './health'
import { healthStates } from './health'
import { useNow } from './hooks'
import { severityLabels } from './problems'

/** Text from a cluster. It is never parsed as markup, and invisible characters are escaped. */
export function Text({ children, className }: { children: string | undefined; className?: string }) {
  const text = visible(children ?? '')
  return (
    <bdi className={`text ${className ?? ''}`} title={text}>
      {text}
    </bdi>
  )
}

/** The time that has passed since a time; "–" if the time is unknown. suffix adds "ago". */
export function Age({ at, suffix }: { at: string | number | undefined; suffix?: boolean }) {
  const now = useNow()
  if (!at) return <span className="mute">–</span>
  const ms = typeof at === 'number' ? at : Date.parse(at)
  return (
    <time title={dateTime(new Date(ms).toISOString())}>
      {duration(now - ms)}
      {suffix ? ' ago' : ''}
    </time>
  )
}

/** The time until a session ends. */
export function TimeLeft({ until }: { until: string | undefined }) {
  const now = useNow()
  if (!until) return null
  const title = `The session ends at ${dateTime(until)} unless it is renewed.`
  return (
    <span className="time-left" title={title}>
      {duration(Date.parse(until) - now)} left
    </span>
  )
}

const healthShapes: { [H in Health]: ReactNode } = {
  healthy: <path d="M4.5 8.2 7 10.7l4.6-5" />,
  unhealthy: <path d="M8 4.4v4.4M8 11.3v.2" />,
  unreachable: <path d="m5.4 5.4 5.2 5.2m0-5.2-5.2 5.2" />,
  stale: <path d="M8 4.6V8l2.4 1.7" />,
  connecting: <path d="M5 8h.1M8 8h.1M11 8h.1" />,
  suspended: <path d="M6.4 5.4v5.2m3.2-5.2v5.2" />,
  unknown: null,
}

/** The icon of a health. Screen readers skip it: its label is next to it. compact draws a dot for healthy. */
export function HealthIcon({ health, idle, compact }: { health: Health; idle?: boolean; compact?: boolean }) {
  if (compact && health === 'healthy') {
    return (
      <svg className="health dot" viewBox="0 0 16 16" aria-hidden="true">
        <circle cx="8" cy="8" r="3.5" />
      </svg>
    )
  }
  return (
    <svg className={`health ${health} ${idle ? 'idle' : ''}`} viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="6.6" strokeDasharray={health === 'unknown' ? '2 2.15' : undefined} />
      {healthShapes[health]}
    </svg>
  )
}

export function HealthLabel({ health, idle }: { health: Health; idle?: boolean }) {
  return (
    <span className={`status ${health}`}>
      <HealthIcon health={health} idle={idle} />
      {healthStates[health].label}
    </span>
  )
}

const severityShapes: { [S in Severity | 'muted']: ReactNode } = {
  critical: (
    <>
      <circle cx="8" cy="8" r="6.6" />
      <path d="M8 4.4v4.4M8 11.3v.2" />
    </>
  ),
  warning: (
    <>
      <path className="outline" d="M8 1.9 14.9 14H1.1z" />
      <path d="M8 6.4v3.4M8 11.8v.1" />
    </>
  ),
  info: (
    <>
      <circle cx="8" cy="8" r="6.6" />
      <path d="M8 7.4v4M8 4.7v.1" />
    </>
  ),
  muted: (
    <>
      <circle cx="8" cy="8" r="6.6" />
      <path d="m3.6 3.6 8.8 8.8" />
    </>
  ),
}

/** The icon of a problem's severity. Screen readers skip it: its label is next to it. */
export function SeverityIcon({ problem: p }: { problem: Pick<Problem, 'severity' | 'muted'> }) {
  const shape = p.muted ? 'muted' : severityOf(p)
  return (
    <svg className={`severity ${shape}`} viewBox="0 0 16 16" aria-hidden="true">
      {severityShapes[shape]}
    </svg>
  )
}

export function SeverityLabel({ problem: p }: { problem: Problem }) {
  return (
    <span className={`status ${p.muted ? 'muted' : p.severity}`}>
      <SeverityIcon problem={p} />
      {severityLabels[severityOf(p)]}
    </span>
  )
}

/** The columns STATUS, READY and RESTARTS of a pod, as kubectl get pods prints them. */
export function PodColumns({ p }: { p: Pod }) {
  return (
    <dl className="pod-columns">
      <div>
        <dt>Status</dt>
        <dd>
          <Text>{p.status}</Text>
        </dd>
      </div>
      <div>
        <dt>Ready</dt>
        <dd>
          <Text>{p.ready}</Text>
        </dd>
      </div>
      <div>
        <dt>Restarts</dt>
        <dd>
          {count(p.restarts)}
          {p.lastRestartAt && (
            <span className="mute">
              {' '}
              (<Age at={p.lastRestartAt} suffix />)
            </span>
          )}
        </dd>
      </div>
    </dl>
  )
}

/** Returns the columns of a pod in one line, for example "Running, 1/1 ready, 3 restarts". */
export function podLine(p: Pod): string {
  const restarts = p.restarts === 1 ? '1 restart' : `${count(p.restarts)} restarts`
  return `${p.status}, ${p.ready} ready${p.restarts > 0 ? `, ${restarts}` : ''}`
}

/** A bar with the requested and used shares of a resource. shortLabel is shown where no column header names it. */
function Meter({
  label,
  requested,
  used,
  allocatable,
  unit,
  shortLabel,
}: {
  label: string
  requested: number | undefined
  used: number | undefined
  allocatable: number
  unit: (n: number) => string
  shortLabel?: string
}) {
  const width = (n: number | undefined) =>
    n === undefined || allocatable <= 0 ? 0 : Math.min(100, (100 * n) / allocatable)
  const description = [
    requested === undefined ? '' : `${unit(requested)} requested`,
    used === undefined ? 'usage unknown' : `${unit(used)} used`,
    `of ${unit(allocatable)}`,
  ]
    .filter(Boolean)
    .join(', ')
  return (
    <div className="meter" role="img" aria-label={`${label}: ${description}`} title={`${label}: ${description}`}>
      <svg className="meter-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect className="track" width="100" height="6" />
        <rect className="requested" width={width(requested)} height="6" />
        <rect className={`used ${(used ?? 0) > 0.9 * allocatable ? 'full' : ''}`} width={width(used)} height="6" />
      </svg>
      <div className="shares" aria-hidden="true">
        {shortLabel && <i>{shortLabel}</i>}
        <span>
          {percent(requested, allocatable) || '–'} <i>req</i>
        </span>
        <span>
          {percent(used, allocatable) || '–'} <i>used</i>
        </span>
      </div>
    </div>
  )
}

/** The meter of CPU or memory of a node or cluster. */
export function ResourceMeter({
  resource,
  allocatable,
  requested,
  used,
  labelled,
}: {
  resource: 'cpu' | 'memory'
  allocatable: Resources
  requested?: Resources
  used?: { cpuMillis: number; memoryBytes: number }
  labelled?: boolean
}) {
  if (resource === 'cpu') {
    return (
      <Meter
        label="CPU"
        shortLabel={labelled ? 'CPU' : undefined}
        requested={requested?.cpuMillis}
        used={used?.cpuMillis}
        allocatable={allocatable.cpuMillis}
        unit={cores}
      />
    )
  }
  return (
    <Meter
      label="Memory"
      shortLabel={labelled ? 'Mem' : undefined}
      requested={requested?.memoryBytes}
      used={used?.memoryBytes}
      allocatable={allocatable.memoryBytes}
      unit={bytes}
    />
  )
}

/** "part/total", highlighted if part is less than total. */
export function Fraction({ part, total }: { part: number; total: number }) {
  return (
    <span className={part < total ? 'incomplete' : ''}>
      {part}
      <i>/{total}</i>
    </span>
  )
}

/** A message above the content: what is wrong, and what to do. */
export function Alert({
  tone,
  title,
  children,
}: {
  tone: 'bad' | 'warn' | 'plain'
  title: ReactNode
  children?: ReactNode
}) {
  return (
    <div className={`alert ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
      <strong>{title}</strong>
      {children && <div>{children}</div>}
    </div>
  )
}

/** A search field, which the key "/" focuses. */
export function SearchField({
  value,
  onChange,
  label,
  placeholder = label,
}: {
  value: string
  onChange: (v: string) => void
  label: string
  placeholder?: string
}) {
  return (
    <input
      type="search"
      className="search"
      data-search
      value={value}
      onChange={(e) => onChange(e.target.value)}
      aria-label={label}
      placeholder={placeholder}
      aria-keyshortcuts="/"
      autoComplete="off"
      spellCheck={false}
    />
  )
}

export function Toggle({
  on,
  onChange,
  children,
}: {
  on: boolean
  onChange: (on: boolean) => void
  children: ReactNode
}) {
  return (
    <button type="button" className="toggle" aria-pressed={on} onClick={() => onChange(!on)}>
      {children}
    </button>
  )
}

/** "n of total", shown while a filter hides rows. */
export function FilteredCount({ visible: n, total }: { visible: number; total: number }) {
  return n === total ? null : (
    <span className="mute" role="status">
      {count(n)} of {count(total)}
    </span>
  )
}

/** The age of the data of a cluster; "now" while reports arrive. */
export function DataAge({ cluster, live, suffix }: { cluster: Cluster; live: boolean; suffix?: boolean }) {
  if (live) return <span className="live">now</span>
  return <Age at={cluster.observedAt} suffix={suffix} />
}
