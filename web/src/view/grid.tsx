import { useVirtualizer } from '@tanstack/react-virtual'
import type { KeyboardEvent, ReactNode } from 'react'
import { memo, useEffect, useMemo, useRef, useState } from 'react'
import { useScrollAnchor } from './anchor'
import { useWidth } from './hooks'
import type { Sort, Sortable } from './sorting'

/** A column of a Grid. */
export interface Column<T> extends Sortable<T> {
  title: string
  /** The width as a CSS grid track. */
  width: string
  alignEnd?: boolean
  /** The column is hidden while the grid is narrower than this, in pixels. */
  minWidth?: number
  cell: (row: T) => ReactNode
}

interface Props<T> {
  label: string
  /** The rows in order. */
  rows: T[]
  /** An object that is replaced when the user changes the filter or the order. */
  viewKey: object
  columns: Column<T>[]
  id: (row: T) => string
  sort: Sort
  onSort: (sort: Sort) => void
  onOpen: (row: T) => void
  /** Handles other keys for the active row. Returns false for keys that it does not handle. */
  onKey?: (key: string, row: T) => boolean
  /** Renders a row on screens that are too narrow for columns. */
  narrowRow: (row: T) => ReactNode
  height: number
  narrowHeight: number
  /** The id of the row that is open in the drawer. */
  open?: string
  /** Returns when a row last changed; 0 if it has not changed recently. */
  changedAt?: (row: T) => number
  /** Renders the rows paler, as their data is not current. */
  dim?: boolean
  /** All visible rows are rendered again when this changes. */
  revision?: number
  /** Reuses the elements of rows that are scrolled out of view. Not for rows with focusable elements. */
  reuse?: boolean
  /** Shown if there are no rows. */
  empty: ReactNode
}

/** Below this width, in pixels, rows are rendered without columns. */
const narrowBelow = 640

/** A table of any number of rows. Only the visible ones are in the document. */
export function Grid<T>(props: Props<T>) {
  const { columns, id, rows } = props
  const [element, setElement] = useState<HTMLDivElement | null>(null)
  const [active, setActive] = useState<string | null>(null)
  const width = useWidth(element)
  const isNarrow = width > 0 && width < narrowBelow
  const shown = useMemo(
    () => columns.filter((c) => width === 0 || !c.minWidth || width >= c.minWidth),
    [columns, width],
  )
  const height = isNarrow ? props.narrowHeight : props.height
  // No getItemKey: all rows have the same height, and a new function would measure all of them with each render.
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => element,
    estimateSize: () => height,
    overscan: 6,
  })
  useEffect(() => virtual.measure(), [height, virtual])
  useScrollAnchor(element, rows, id, height, props.viewKey, virtual.scrollOffset ?? 0)
  const items = virtual.getVirtualItems()
  // The number of row elements that are reused.
  const slots = useRef(0)
  slots.current = Math.max(slots.current, items.length)
  const activeIndex = useMemo(
    () => (active === null ? -1 : rows.findIndex((row) => id(row) === active)),
    [active, rows, id],
  )
  const move = (to: number) => {
    const i = Math.max(0, Math.min(rows.length - 1, to))
    if (!rows[i]) return
    setActive(id(rows[i]))
    virtual.scrollToIndex(i)
  }
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.target !== e.currentTarget || e.ctrlKey || e.metaKey || e.altKey) return
    const page = Math.max(1, Math.floor((element?.clientHeight ?? 0) / height) - 2)
    const target = {
      ArrowDown: activeIndex + 1,
      ArrowUp: activeIndex - 1,
      PageDown: activeIndex + page,
      PageUp: activeIndex - page,
      Home: 0,
      End: rows.length - 1,
    }[e.key]
    if (target !== undefined) move(target)
    else if (e.key === 'Enter' && rows[activeIndex]) props.onOpen(rows[activeIndex])
    else if (!rows[activeIndex] || !props.onKey?.(e.key, rows[activeIndex])) return
    e.preventDefault()
  }
  const template = isNarrow ? '1fr' : shown.map((c) => c.width).join(' ')
  return (
    <div
      className={`grid ${props.dim ? 'dim' : ''}`}
      ref={setElement}
      role="grid"
      aria-label={props.label}
      tabIndex={0}
      onKeyDown={onKeyDown}
      onFocus={(e) => e.target === e.currentTarget && activeIndex < 0 && move(items[0]?.index ?? 0)}
      aria-rowcount={rows.length + 1}
      aria-colcount={isNarrow ? 1 : shown.length}
      aria-activedescendant={activeIndex >= 0 ? elementId(id(rows[activeIndex])) : undefined}
    >
      <Header columns={isNarrow ? [] : shown} template={template} sort={props.sort} onSort={props.onSort} />
      {rows.length === 0 && <div className="empty">{props.empty}</div>}
      <div className="rows" role="rowgroup" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = rows[item.index]
          const key = id(row)
          const changedAt = props.changedAt?.(row) ?? 0
          return (
            <Row
              key={props.reuse && !changedAt ? item.index % slots.current : key}
              row={row}
              id={key}
              index={item.index}
              top={item.start}
              height={height}
              template={template}
              columns={isNarrow ? null : shown}
              narrowRow={props.narrowRow}
              active={key === active}
              open={key === props.open}
              changedAt={changedAt}
              revision={props.revision}
              onOpen={props.onOpen}
              onActivate={setActive}
            />
          )
        })}
      </div>
    </div>
  )
}

/** Returns the id of a row's element. */
const elementId = (id: string) => `row ${id}`.replaceAll(' ', '_')

/** The column headers, which sort. */
function Header<T>({
  columns,
  template,
  sort,
  onSort,
}: {
  columns: Column<T>[]
  template: string
  sort: Sort
  onSort: (s: Sort) => void
}) {
  if (columns.length === 0) return null
  const name = sort.replace(/^-/, '')
  return (
    <div className="head" role="row" aria-rowindex={1} style={{ gridTemplateColumns: template }}>
      {columns.map((c) => {
        const sorted = c.name === name
        const descending = sorted && sort.startsWith('-')
        return (
          <div
            key={c.name}
            role="columnheader"
            className={c.alignEnd ? 'end' : ''}
            aria-sort={sorted ? (descending ? 'descending' : 'ascending') : undefined}
          >
            {c.sortBy ? (
              <button
                type="button"
                onClick={() => onSort(nextSort(c, sorted, descending))}
                title={
                  c.volatile ? `Sort by ${c.title}. Rows keep their order until you sort again.` : `Sort by ${c.title}`
                }
              >
                {c.title}
                <span className="arrow" aria-hidden="true">
                  {sorted ? (descending ? '↓' : '↑') : ''}
                </span>
              </button>
            ) : (
              c.title
            )}
          </div>
        )
      })}
    </div>
  )
}

/** Returns the sort after a click on a header: always descending for a volatile column, else the direction toggles. */
function nextSort<T>(c: Column<T>, sorted: boolean, descending: boolean): Sort {
  if (c.volatile) return `-${c.name}`
  return sorted && !descending ? `-${c.name}` : c.name
}

interface RowProps<T> {
  row: T
  id: string
  index: number
  top: number
  height: number
  template: string
  columns: Column<T>[] | null
  narrowRow: (row: T) => ReactNode
  active: boolean
  open: boolean
  changedAt: number
  revision: number | undefined
  onOpen: (row: T) => void
  onActivate: (id: string) => void
}

const Row = memo(
  PlainRow,
  (a, b) =>
    a.row === b.row &&
    a.id === b.id &&
    a.index === b.index &&
    a.top === b.top &&
    a.height === b.height &&
    a.template === b.template &&
    a.active === b.active &&
    a.open === b.open &&
    a.changedAt === b.changedAt &&
    a.revision === b.revision &&
    a.narrowRow === b.narrowRow &&
    equalColumns(a.columns, b.columns),
) as typeof PlainRow

function equalColumns(a: { cell: unknown }[] | null, b: { cell: unknown }[] | null): boolean {
  return a === b || (a !== null && b !== null && a.length === b.length && a.every((c, i) => c.cell === b[i].cell))
}

function PlainRow<T>(p: RowProps<T>) {
  const open = () => {
    p.onActivate(p.id)
    p.onOpen(p.row)
  }
  // Two equal animations: a class that the element already has would not restart one.
  const flash = p.changedAt ? `flash-${p.changedAt % 2}` : ''
  return (
    <div
      id={elementId(p.id)}
      role="row"
      aria-rowindex={p.index + 2}
      aria-selected={p.open}
      onClick={open}
      className={`row ${flash} ${p.active ? 'active' : ''} ${p.columns ? '' : 'narrow'}`}
      style={{ gridTemplateColumns: p.template, height: p.height, transform: `translateY(${p.top}px)` }}
    >
      {p.columns ? (
        p.columns.map((c) => (
          <div key={c.name} role="gridcell" className={c.alignEnd ? 'end' : ''}>
            {c.cell(p.row)}
          </div>
        ))
      ) : (
        <div role="gridcell">{p.narrowRow(p.row)}</div>
      )}
    </div>
  )
}
