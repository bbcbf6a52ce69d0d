import { useEffect, useRef, useState } from 'react'
import uPlot from 'uplot'
import { span } from '../stream/history'
import { age, clock } from './format'
import { useNow } from './hooks'

/** What is shown at least; the line grows to a quarter of an hour from there. */
const leastSpan = 10_000

export interface Line<S> {
  of: (s: S) => number | null
  /** The name of a colour in the style sheet. */
  colour: string
  fill?: boolean
}

interface Props<S> {
  samples: S[]
  /** Counts what is new in samples. */
  revision: number
  lines: Line<S>[]
  /** What stands beside the time where the pointer is. */
  words: (s: S) => string
  /** The top of the scale; without it the largest value. */
  top?: number
  label: string
}

/** The last quarter of an hour as a line or two; the values where the pointer is. */
export function Sparkline<S extends { at: number }>({ samples, revision, lines, words, top, label }: Props<S>) {
  const element = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(null)
  const [at, setAt] = useState<number | null>(null)
  const now = Math.floor(useNow() / 1000) * 1000
  const shown = Math.min(span, Math.max(leastSpan, now - (samples[0]?.at ?? now)))
  useEffect(() => {
    const made = create(element.current!, lines, top, setAt)
    plot.current = made
    const observer = new ResizeObserver(([entry]) => made.setSize({ width: entry.contentRect.width, height: entry.contentRect.height }))
    observer.observe(element.current!)
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    const redraw = () => made.redraw()
    scheme.addEventListener('change', redraw)
    return () => {
      scheme.removeEventListener('change', redraw)
      observer.disconnect()
      made.destroy()
    }
  }, [])
  useEffect(() => {
    plot.current?.batch(() => {
      plot.current!.setData([samples.map((s) => s.at / 1000), ...lines.map((l) => samples.map(l.of))], false)
      plot.current!.setScale('x', { min: (now - shown) / 1000, max: now / 1000 })
    })
  }, [samples, revision, lines, now, shown])
  const pointed = at === null ? undefined : samples[at]
  const last = samples.at(-1)
  return (
    <div className="spark">
      <div className="plot" ref={element} role="img" aria-label={last ? `${label}, now ${words(last)}` : `${label}: not known`} />
      <span className="pointed" aria-hidden="true">{pointed ? `${clock(pointed.at)}  ${words(pointed)}` : samples.length > 0 ? `last ${age(shown)}` : ''}</span>
    </div>
  )
}

function create(element: HTMLElement, lines: { colour: string; fill?: boolean }[], top: number | undefined, point: (at: number | null) => void): uPlot {
  const style = getComputedStyle(document.documentElement)
  const colour = (name: string) => () => style.getPropertyValue(`--${name}`)
  return new uPlot({
    width: element.clientWidth || 200, height: element.clientHeight || 40, legend: { show: false }, pxAlign: 0, padding: [2, 0, 2, 0],
    axes: [{ show: false }, { show: false }],
    scales: { x: { time: true, auto: false }, y: { range: (_, __, max) => [0, top ?? 1.2 * Math.max(1, max)] } },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    hooks: { setCursor: [(u) => point(u.cursor.idx ?? null)] },
    series: [{}, ...lines.map((l) => ({ stroke: colour(l.colour), width: 1.5, fill: l.fill ? colour(`${l.colour}-soft`) : undefined, points: { show: false }, paths: uPlot.paths.stepped!({ align: 1 }) }))],
  }, [[], ...lines.map(() => [])] as unknown as uPlot.AlignedData, element)
}
