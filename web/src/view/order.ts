import { useMemo, useRef } from 'react'

/** What rows are sorted by: a column's name, with a minus for descending. */
export type Sort = string

export interface Ordering<T> {
  name: string
  by: (row: T) => string | number
  /** Its values move by themselves: the order is kept as it was until somebody asks anew. */
  moves?: boolean
}

/**
 * Keeps rows in order without letting them jump. Where values move by themselves, rows
 * stay where they were put; new ones come at the end.
 */
export class Order<T> {
  private sorted = ''
  private places = new Map<string, number>()

  of(rows: T[], id: (row: T) => string, sort: Sort, orderings: Ordering<T>[], asked: number): T[] {
    const ordering = orderings.find((o) => o.name === sort.replace(/^-/, '')) ?? orderings[0]
    const compare = comparing(ordering.by, sort.startsWith('-'), id)
    const now = `${sort} ${asked}`
    if (!ordering.moves || now !== this.sorted) {
      const sorted = rows.toSorted(compare)
      this.sorted = now
      this.places = new Map(ordering.moves ? sorted.map((row, i) => [id(row), i]) : [])
      return sorted
    }
    return this.held(rows, id, compare)
  }

  private held(rows: T[], id: (row: T) => string, compare: (a: T, b: T) => number): T[] {
    const fresh = rows.filter((row) => !this.places.has(id(row))).sort(compare)
    for (const row of fresh) this.places.set(id(row), this.places.size)
    return rows.toSorted((a, b) => this.places.get(id(a))! - this.places.get(id(b))!)
  }
}

function comparing<T>(by: (row: T) => string | number, down: boolean, id: (row: T) => string) {
  const sign = down ? -1 : 1
  return (a: T, b: T) => {
    const [x, y] = [by(a), by(b)]
    if (x === y) return id(a) < id(b) ? -1 : 1
    return x < y ? -sign : sign
  }
}

export function useOrder<T>(rows: T[], id: (row: T) => string, sort: Sort, orderings: Ordering<T>[], asked: number): T[] {
  const order = useRef<Order<T>>(null)
  order.current ??= new Order<T>()
  const kept = order.current
  // What orders is told by its names: the functions are the same for as long as those are.
  return useMemo(() => kept.of(rows, id, sort, orderings, asked), [kept, rows, id, sort, orderings.map((o) => o.name).join(' '), asked])
}
