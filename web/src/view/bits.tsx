import type { ReactNode } from 'react'
import type { Cluster, Pod, Problem, Resources, Severity } from '../stream/types'
import { age, bytes, cores, count, moment, percent, visible } from './format'
import { useNow } from './hooks'
import { severities } from './problems'
import type { Health } from './standing'
import { healths } from './standing'

/** Foreign text: never markup, and nothing in it deceives the eye. */
export function Text({ children, className }: { children: string | undefined; className?: string }) {
  const text = visible(children ?? '')
  return <bdi className={`text ${className ?? ''}`} title={text}>{text}</bdi>
}

/** How long ago something was, growing. */
export function Age({ at, ago }: { at: string | number | undefined; ago?: boolean }) {
  const now = useNow()
  if (!at) return <span className="mute">–</span>
  const ms = typeof at === 'number' ? at : Date.parse(at)
  return <time title={moment(new Date(ms).toISOString())}>{age(now - ms)}{ago ? ' ago' : ''}</time>
}

/** How long a session goes on unless it is renewed. */
export function Left({ until }: { until: string | undefined }) {
  const now = useNow()
  if (!until) return null
  return <span className="left" title={`The session ends at ${moment(until)} unless it is renewed.`}>{age(Date.parse(until) - now)} left</span>
}

const shapes: { [H in Health]: ReactNode } = {
  healthy: <path d="M4.5 8.2 7 10.7l4.6-5" />,
  unhealthy: <path d="M8 4.4v4.4M8 11.3v.2" />,
  unreachable: <path d="m5.4 5.4 5.2 5.2m0-5.2-5.2 5.2" />,
  stale: <path d="M8 4.6V8l2.4 1.7" />,
  connecting: <path d="M5 8h.1M8 8h.1M11 8h.1" />,
  suspended: <path d="M6.4 5.4v5.2m3.2-5.2v5.2" />,
  unknown: null,
}

/** Health as a shape; its words stand beside it, so it is silent. */
export function HealthIcon({ health, idle, quiet }: { health: Health; idle?: boolean; quiet?: boolean }) {
  if (quiet && health === 'healthy') return <svg className="health dot" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="3.5" /></svg>
  return (
    <svg className={`health ${health} ${idle ? 'idle' : ''}`} viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="6.6" strokeDasharray={health === 'unknown' ? '2 2.15' : undefined} />
      {shapes[health]}
    </svg>
  )
}

export function HealthWords({ health, idle }: { health: Health; idle?: boolean }) {
  return <span className={`words ${health}`}><HealthIcon health={health} idle={idle} />{healths[health].words}</span>
}

const severityShapes: { [S in Severity | 'muted']: ReactNode } = {
  critical: <><circle cx="8" cy="8" r="6.6" /><path d="M8 4.4v4.4M8 11.3v.2" /></>,
  warning: <><path className="outline" d="M8 1.9 14.9 14H1.1z" /><path d="M8 6.4v3.4M8 11.8v.1" /></>,
  info: <><circle cx="8" cy="8" r="6.6" /><path d="M8 7.4v4M8 4.7v.1" /></>,
  muted: <><circle cx="8" cy="8" r="6.6" /><path d="m3.6 3.6 8.8 8.8" /></>,
}

/** The severity of a problem as a shape; its words stand beside it. */
export function SeverityIcon({ problem: p }: { problem: Pick<Problem, 'severity' | 'muted'> }) {
  const shape = p.muted ? 'muted' : p.severity
  return <svg className={`severity ${shape}`} viewBox="0 0 16 16" aria-hidden="true">{severityShapes[shape]}</svg>
}

export function SeverityWords({ problem: p }: { problem: Problem }) {
  return <span className={`words ${p.muted ? 'muted' : p.severity}`}><SeverityIcon problem={p} />{severities[p.severity]}</span>
}

/** STATUS, READY and RESTARTS of a pod, as kubectl get pods prints them. */
export function PodColumns({ p }: { p: Pod }) {
  return (
    <dl className="pod-columns">
      <div><dt>Status</dt><dd><Text>{p.status}</Text></dd></div>
      <div><dt>Ready</dt><dd><Text>{p.ready}</Text></dd></div>
      <div><dt>Restarts</dt><dd>{count(p.restarts)}{p.lastRestartAt && <span className="mute"> (<Age at={p.lastRestartAt} ago />)</span>}</dd></div>
    </dl>
  )
}

/** The same in a line. */
export function podLine(p: Pod): string {
  return `${p.status}, ${p.ready} ready${p.restarts > 0 ? `, ${p.restarts === 1 ? '1 restart' : `${count(p.restarts)} restarts`}` : ''}`
}

/** Requested and used, of what is allocatable, in one bar and in words; with what it is of, where no column says so. */
export function Meter({ label, requested, used, whole, unit, title }: {
  label: string; requested: number | undefined; used: number | undefined; whole: number; unit: (n: number) => string; title?: string
}) {
  const width = (n: number | undefined) => (n === undefined || whole <= 0 ? 0 : Math.min(100, (100 * n) / whole))
  const said = [
    requested === undefined ? '' : `${unit(requested)} requested`,
    used === undefined ? 'use not known' : `${unit(used)} used`,
    `of ${unit(whole)}`,
  ].filter(Boolean).join(', ')
  return (
    <div className="meter" role="img" aria-label={`${label}: ${said}`} title={`${label}: ${said}`}>
      <svg className="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect className="track" width="100" height="6" />
        <rect className="requested" width={width(requested)} height="6" />
        <rect className={`used ${(used ?? 0) > 0.9 * whole ? 'full' : ''}`} width={width(used)} height="6" />
      </svg>
      <div className="shares" aria-hidden="true">
        {title && <i>{title}</i>}
        <span>{percent(requested, whole) || '–'} <i>req</i></span>
        <span>{percent(used, whole) || '–'} <i>used</i></span>
      </div>
    </div>
  )
}

export function Meters({ kind, allocatable, requested, used, titled }: {
  kind: 'cpu' | 'memory'; titled?: boolean; allocatable: Resources; requested?: Resources; used?: { cpuMillis: number; memoryBytes: number }
}) {
  if (kind === 'cpu') return <Meter label="CPU" title={titled ? 'CPU' : undefined} requested={requested?.cpuMillis} used={used?.cpuMillis} whole={allocatable.cpuMillis} unit={cores} />
  return <Meter label="Memory" title={titled ? 'Mem' : undefined} requested={requested?.memoryBytes} used={used?.memoryBytes} whole={allocatable.memoryBytes} unit={bytes} />
}

/** Of how many, how many: what is short stands out. */
export function Of({ part, whole }: { part: number; whole: number }) {
  return <span className={part < whole ? 'short' : ''}>{part}<i>/{whole}</i></span>
}

/** A note on the state of things: what is the matter, and what to do. */
export function Note({ tone, title, children }: { tone: 'bad' | 'warn' | 'plain'; title: ReactNode; children?: ReactNode }) {
  return (
    <div className={`note ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
      <strong>{title}</strong>
      {children && <div>{children}</div>}
    </div>
  )
}

export function Search({ value, onChange, label, hint = label }: { value: string; onChange: (v: string) => void; label: string; hint?: string }) {
  return (
    <input type="search" className="search" data-search value={value} onChange={(e) => onChange(e.target.value)} aria-label={label}
      placeholder={hint} aria-keyshortcuts="/" autoComplete="off" spellCheck={false} />
  )
}

export function Toggle({ on, onChange, children }: { on: boolean; onChange: (on: boolean) => void; children: ReactNode }) {
  return <button type="button" className="toggle" aria-pressed={on} onClick={() => onChange(!on)}>{children}</button>
}

/** The age of what is known of a cluster; "now" while reports arrive. */
export function DataAge({ cluster, live, ago }: { cluster: Cluster; live: boolean; ago?: boolean }) {
  if (live) return <span className="live">now</span>
  return <Age at={cluster.observedAt} ago={ago} />
}
