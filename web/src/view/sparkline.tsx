import { useEffect, useRef, useState } from 'react'
import uPlot from 'uplot'
import { historySpan } from '../stream/history'
import { clock, duration } from './format'
import { useNow } from './hooks'

/** The shortest time that the chart spans, in milliseconds. It grows to 15 minutes. */
const minSpan = 10_000

/** One line of a chart. */
export interface Line<S> {
  value: (s: S) => number | null
  /** The name of a CSS variable. */
  colour: string
  fill?: boolean
}

interface Props<S> {
  samples: S[]
  /** Changes with samples, which may be changed in place. */
  revision: number
  lines: Line<S>[]
  /** Returns the values of a sample as text. */
  format: (s: S) => string
  /** The top of the scale; by default the largest value. */
  top?: number
  label: string
}

/** A small chart of the last 15 minutes. It shows the values at the pointer as text. */
export function Sparkline<S extends { at: number }>({ samples, revision, lines, format, top, label }: Props<S>) {
  const element = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(null)
  const [pointedIndex, setPointedIndex] = useState<number | null>(null)
  const now = Math.floor(useNow() / 1000) * 1000
  const span = Math.min(historySpan, Math.max(minSpan, now - (samples[0]?.at ?? now)))
  useEffect(() => {
    const chart = create(element.current!, lines, top, setPointedIndex)
    plot.current = chart
    const observer = new ResizeObserver(([entry]) =>
      chart.setSize({ width: entry.contentRect.width, height: entry.contentRect.height }),
    )
    observer.observe(element.current!)
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    const redraw = () => chart.redraw()
    scheme.addEventListener('change', redraw)
    return () => {
      scheme.removeEventListener('change', redraw)
      observer.disconnect()
      chart.destroy()
    }
  }, [])
  useEffect(() => {
    plot.current?.batch(() => {
      plot.current!.setData([samples.map((s) => s.at / 1000), ...lines.map((l) => samples.map(l.value))], false)
      plot.current!.setScale('x', { min: (now - span) / 1000, max: now / 1000 })
    })
  }, [samples, revision, lines, now, span])
  const pointed = pointedIndex === null ? undefined : samples[pointedIndex]
  const last = samples.at(-1)
  return (
    <div className="spark">
      <div
        className="plot"
        ref={element}
        role="img"
        aria-label={last ? `${label}, now ${format(last)}` : `${label}: no data`}
      />
      <span className="readout" aria-hidden="true">
        {pointed ? `${clock(pointed.at)}  ${format(pointed)}` : samples.length > 0 ? `last ${duration(span)}` : ''}
      </span>
    </div>
  )
}

/** Creates the chart. onPoint is called with the index of the sample at the pointer, or null. */
function create(
  element: HTMLElement,
  lines: { colour: string; fill?: boolean }[],
  top: number | undefined,
  onPoint: (index: number | null) => void,
): uPlot {
  const style = getComputedStyle(document.documentElement)
  const colour = (name: string) => () => style.getPropertyValue(`--${name}`)
  return new uPlot(
    {
      width: element.clientWidth || 200,
      height: element.clientHeight || 40,
      legend: { show: false },
      pxAlign: 0,
      padding: [2, 0, 2, 0],
      axes: [{ show: false }, { show: false }],
      scales: { x: { time: true, auto: false }, y: { range: (_, __, max) => [0, top ?? 1.2 * Math.max(1, max)] } },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      hooks: { setCursor: [(u) => onPoint(u.cursor.idx ?? null)] },
      series: [
        {},
        ...lines.map((l) => ({
          stroke: colour(l.colour),
          width: 1.5,
          fill: l.fill ? colour(`${l.colour}-soft`) : undefined,
          points: { show: false },
          paths: uPlot.paths.stepped!({ align: 1 }),
        })),
      ],
    },
    [[], ...lines.map(() => [])] as unknown as uPlot.AlignedData,
    element,
  )
}
