import { useMemo, useRef, useState } from 'react'

/** What rows are sorted by: the name of a column, with a leading "-" for descending. */
export type Sort = string

/** A column that rows may be sorted by. */
export interface Sortable<T> {
  name: string
  /** Returns the value to sort by. A column without it cannot be sorted by. */
  sortBy?: (row: T) => string | number
  /** The values change by themselves. Rows keep their order until the user sorts again, so that they do not jump. */
  volatile?: boolean
}

interface Entry<T> {
  row: T
  id: string
  value: string | number
}

/**
 * StableOrder sorts rows. For a volatile column, rows stay where they were first put, and new rows are added at the
 * end. Rows that are unchanged since the last call are not compared again: a change costs one pass over the rows, and
 * no sort of all of them.
 */
export class StableOrder<T extends object> {
  /** The sort and the version of the last call. */
  private key = ''
  private entries: Entry<T>[] = []
  /** The positions of rows by id, for a volatile column. */
  private positions = new Map<string, number>()

  /** Returns rows in order. A new version sorts a volatile column again. */
  sort(rows: T[], id: (row: T) => string, sort: Sort, columns: Sortable<T>[], version: number): T[] {
    const sortable = columns.filter((c) => c.sortBy)
    const column = sortable.find((c) => c.name === sort.replace(/^-/, '')) ?? sortable[0]
    const key = `${sort} ${version}`
    if (key !== this.key) {
      this.key = key
      this.entries = []
      this.positions = new Map()
    }
    const compare = column.volatile && this.positions.size > 0 ? this.byPosition : comparator<T>(sort.startsWith('-'))
    const entryOf = (row: T) => ({ row, id: id(row), value: column.sortBy!(row) })
    this.entries = this.update(rows, entryOf, compare, column.volatile)
    return this.entries.map((e) => e.row)
  }

  private byPosition = (a: Entry<T>, b: Entry<T>) => this.positions.get(a.id)! - this.positions.get(b.id)!

  /** Returns the entries of the last call without those of deleted rows, merged with those of new rows. */
  private update(
    rows: T[],
    entryOf: (row: T) => Entry<T>,
    compare: (a: Entry<T>, b: Entry<T>) => number,
    volatile = false,
  ): Entry<T>[] {
    const current = new Set(rows)
    const before = new Set(this.entries.map((e) => e.row))
    const kept = this.entries.filter((e) => current.has(e.row))
    const added = rows.filter((row) => !before.has(row)).map(entryOf)
    if (volatile) this.assignPositions(added)
    return merge(kept, added.sort(compare), compare)
  }

  /** Gives the rows that have no position yet the next ones. */
  private assignPositions(added: Entry<T>[]) {
    const unplaced = added.filter((e) => !this.positions.has(e.id))
    unplaced.sort(comparator(this.key.startsWith('-')))
    for (const e of unplaced) this.positions.set(e.id, this.positions.size)
  }
}

/** Merges two sorted lists. */
function merge<E>(a: E[], b: E[], compare: (a: E, b: E) => number): E[] {
  if (a.length === 0 || b.length === 0) return a.length ? a : b
  const merged: E[] = []
  let i = 0
  for (const e of b) {
    while (i < a.length && compare(a[i], e) <= 0) merged.push(a[i++])
    merged.push(e)
  }
  while (i < a.length) merged.push(a[i++])
  return merged
}

/** Returns a function that compares entries by value, and by id where values are equal. */
function comparator<T>(descending: boolean) {
  const sign = descending ? -1 : 1
  return (a: Entry<T>, b: Entry<T>) => {
    if (a.value === b.value) return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
    return a.value < b.value ? -sign : sign
  }
}

/** The result of useSorted. */
export interface Sorted<T> {
  /** The rows that pass the filter, in order. */
  visible: T[]
  /** Sorts a volatile column again. */
  resort: () => void
  /** An object that is replaced when the user changes the filter or the order. */
  viewKey: object
}

/**
 * Sorts and filters rows. All rows are sorted, whether they pass the filter or not, so that a row which passes again
 * is where it was.
 */
export function useSorted<T extends object>(
  rows: T[],
  id: (row: T) => string,
  sort: Sort,
  columns: Sortable<T>[],
  filter: (row: T) => boolean,
): Sorted<T> {
  const order = useRef<StableOrder<T>>(null)
  const [version, setVersion] = useState(0)
  order.current ??= new StableOrder<T>()
  const stable = order.current
  const sorted = useMemo(
    () => stable.sort(rows, id, sort, columns, version),
    [stable, rows, id, sort, columns, version],
  )
  const visible = useMemo(() => sorted.filter(filter), [sorted, filter])
  const viewKey = useMemo(() => ({}), [sort, version, filter])
  return { visible, resort: () => setVersion((v) => v + 1), viewKey }
}
