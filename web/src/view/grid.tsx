import { useVirtualizer } from '@tanstack/react-virtual'
import type { KeyboardEvent, ReactNode } from 'react'
import { memo, useEffect, useMemo, useRef, useState } from 'react'
import { useAnchor } from './anchor'
import { useWidth } from './hooks'
import type { Ordering, Sort } from './order'

export interface Column<T> extends Ordering<T> {
  title: string
  /** A track of CSS grid. */
  width: string
  end?: boolean
  /** From which width of the whole on it is shown. */
  from?: number
  cell: (row: T) => ReactNode
}

interface Props<T> {
  label: string
  /** In the order in which they are shown. */
  rows: T[]
  /** Another one when other rows, or another order, were asked for. */
  asked: object
  columns: Column<T>[]
  id: (row: T) => string
  sort: Sort
  onSort: (sort: Sort) => void
  onOpen: (row: T) => void
  /** What keys besides the usual ones do to the row that is marked. */
  onKey?: (key: string, row: T) => boolean
  /** A row where there is no room for columns. */
  narrow: (row: T) => ReactNode
  height: number
  narrowHeight: number
  open?: string
  /** When a row changed last; 0: not lately. */
  changed?: (row: T) => number
  dim?: boolean
  /** Rows in sight are rendered anew with each step of it. */
  stamp?: number
  /** Elements of rows that leave sight are given to those that come. Not for rows with something in them that takes the focus. */
  reuse?: boolean
  empty: ReactNode
}

const narrowBelow = 640

/** A table of any number of rows, of which only those in sight are in the document. */
export function Grid<T>(props: Props<T>) {
  const { columns, id, rows } = props
  const [element, setElement] = useState<HTMLDivElement | null>(null)
  const [active, setActive] = useState<string | null>(null)
  const width = useWidth(element)
  const isNarrow = width > 0 && width < narrowBelow
  const shown = useMemo(() => columns.filter((c) => width === 0 || !c.from || width >= c.from), [columns, width])
  const height = isNarrow ? props.narrowHeight : props.height
  // No getItemKey: all rows are of one height, and a new function would have all of them measured with each render.
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => element, estimateSize: () => height, overscan: 6 })
  useEffect(() => virtual.measure(), [height, virtual])
  useAnchor(element, rows, id, height, props.asked, virtual.scrollOffset ?? 0)
  const items = virtual.getVirtualItems()
  const slots = useRef(0)
  slots.current = Math.max(slots.current, items.length)
  const at = useMemo(() => (active === null ? -1 : rows.findIndex((row) => id(row) === active)), [active, rows, id])
  const move = (to: number) => {
    const i = Math.max(0, Math.min(rows.length - 1, to))
    if (!rows[i]) return
    setActive(id(rows[i]))
    virtual.scrollToIndex(i)
  }
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.target !== e.currentTarget || e.ctrlKey || e.metaKey || e.altKey) return
    const page = Math.max(1, Math.floor((element?.clientHeight ?? 0) / height) - 2)
    const target = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: rows.length - 1 }[e.key]
    if (target !== undefined) move(target)
    else if (e.key === 'Enter' && rows[at]) props.onOpen(rows[at])
    else if (!rows[at] || !props.onKey?.(e.key, rows[at])) return
    e.preventDefault()
  }
  const template = isNarrow ? '1fr' : shown.map((c) => c.width).join(' ')
  return (
    <div className={`grid ${props.dim ? 'dim' : ''}`} ref={setElement} role="grid" aria-label={props.label} tabIndex={0} onKeyDown={onKeyDown}
      onFocus={(e) => e.target === e.currentTarget && at < 0 && move(items[0]?.index ?? 0)}
      aria-rowcount={rows.length + 1} aria-colcount={isNarrow ? 1 : shown.length} aria-activedescendant={at >= 0 ? rowId(id(rows[at])) : undefined}>
      <Header columns={isNarrow ? [] : shown} template={template} sort={props.sort} onSort={props.onSort} />
      {rows.length === 0 && <div className="empty">{props.empty}</div>}
      <div className="rows" role="rowgroup" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = rows[item.index]
          const key = id(row)
          const changed = props.changed?.(row) ?? 0
          return (
            <Row key={props.reuse && !changed ? item.index % slots.current : key} row={row} id={key} index={item.index} top={item.start} height={height} template={template}
              columns={isNarrow ? null : shown} narrow={props.narrow} active={key === active} open={key === props.open}
              changed={changed} stamp={props.stamp} onOpen={props.onOpen} onActivate={setActive} />
          )
        })}
      </div>
    </div>
  )
}

const rowId = (id: string) => `row ${id}`.replaceAll(' ', '_')

function Header<T>({ columns, template, sort, onSort }: { columns: Column<T>[]; template: string; sort: Sort; onSort: (s: Sort) => void }) {
  if (columns.length === 0) return null
  const name = sort.replace(/^-/, '')
  return (
    <div className="head" role="row" aria-rowindex={1} style={{ gridTemplateColumns: template }}>
      {columns.map((c) => {
        const here = c.name === name
        const down = here && sort.startsWith('-')
        return (
          <div key={c.name} role="columnheader" className={c.end ? 'end' : ''} aria-sort={here ? (down ? 'descending' : 'ascending') : undefined}>
            {c.by ? (
              <button type="button" onClick={() => onSort(nextSort(c, here, down))} title={c.moves ? `Sort by ${c.title}: the order stays until you ask again` : `Sort by ${c.title}`}>
                {c.title}
                <span className="arrow" aria-hidden="true">{here ? (down ? '↓' : '↑') : ''}</span>
              </button>
            ) : c.title}
          </div>
        )
      })}
    </div>
  )
}

/** Numbers that move are wanted largest first, and again. */
function nextSort<T>(c: Column<T>, here: boolean, down: boolean): Sort {
  if (c.moves) return `-${c.name}`
  return here && !down ? `-${c.name}` : c.name
}

interface RowProps<T> {
  row: T
  id: string
  index: number
  top: number
  height: number
  template: string
  columns: Column<T>[] | null
  narrow: (row: T) => ReactNode
  active: boolean
  open: boolean
  changed: number
  stamp: number | undefined
  onOpen: (row: T) => void
  onActivate: (id: string) => void
}

const Row = memo(RowOf, (a, b) =>
  a.row === b.row && a.id === b.id && a.index === b.index && a.top === b.top && a.height === b.height && a.template === b.template &&
  a.active === b.active && a.open === b.open && a.changed === b.changed && a.stamp === b.stamp && a.narrow === b.narrow && sameColumns(a.columns, b.columns),
) as typeof RowOf

function sameColumns(a: { cell: unknown }[] | null, b: { cell: unknown }[] | null): boolean {
  return a === b || (a !== null && b !== null && a.length === b.length && a.every((c, i) => c.cell === b[i].cell))
}

function RowOf<T>(p: RowProps<T>) {
  const open = () => {
    p.onActivate(p.id)
    p.onOpen(p.row)
  }
  // Two animations that look the same: a class that is already there would not run again.
  const flash = p.changed ? `flash-${p.changed % 2}` : ''
  return (
    <div id={rowId(p.id)} role="row" aria-rowindex={p.index + 2} aria-selected={p.open} onClick={open}
      className={`row ${flash} ${p.active ? 'active' : ''} ${p.columns ? '' : 'narrow'}`}
      style={{ gridTemplateColumns: p.template, height: p.height, transform: `translateY(${p.top}px)` }}>
      {p.columns ? p.columns.map((c) => <div key={c.name} role="gridcell" className={c.end ? 'end' : ''}>{c.cell(p.row)}</div>)
        : <div role="gridcell">{p.narrow(p.row)}</div>}
    </div>
  )
}
