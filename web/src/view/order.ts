import { useMemo, useRef, useState } from 'react'

/** What rows are sorted by: a column's name, with a minus for descending. */
export type Sort = string

export interface Ordering<T> {
  name: string
  /** Without it nothing is put in order by this. */
  by?: (row: T) => string | number
  /** Its values move by themselves: the order is kept as it was until somebody asks anew. */
  moves?: boolean
}

interface Place<T> {
  row: T
  id: string
  by: string | number
}

/**
 * Keeps rows in order without letting them jump. Where values move by themselves, rows
 * stay where they were put; new ones come at the end. What is the same as before is not
 * compared again, so a change costs a pass over the rows and no sorting of all of them.
 */
export class Order<T extends object> {
  private sorted = ''
  private places: Place<T>[] = []
  /** Where rows were put that move, by id. */
  private held = new Map<string, number>()

  of(rows: T[], id: (row: T) => string, sort: Sort, orderings: Ordering<T>[], asked: number): T[] {
    const possible = orderings.filter((o) => o.by)
    const ordering = possible.find((o) => o.name === sort.replace(/^-/, '')) ?? possible[0]
    const now = `${sort} ${asked}`
    if (now !== this.sorted) {
      this.sorted = now
      this.places = []
      this.held = new Map()
    }
    const compare = ordering.moves && this.held.size > 0 ? this.asHeld : comparing<T>(sort.startsWith('-'))
    this.places = this.merged(rows, (row) => ({ row, id: id(row), by: ordering.by!(row) }), compare, ordering.moves)
    return this.places.map((p) => p.row)
  }

  private asHeld = (a: Place<T>, b: Place<T>) => this.held.get(a.id)! - this.held.get(b.id)!

  /** The places of before without those that are gone, and the new ones in between. */
  private merged(rows: T[], placeOf: (row: T) => Place<T>, compare: (a: Place<T>, b: Place<T>) => number, moves = false): Place<T>[] {
    const present = new Set(rows)
    const before = new Set(this.places.map((p) => p.row))
    const kept = this.places.filter((p) => present.has(p.row))
    const fresh = rows.filter((row) => !before.has(row)).map(placeOf)
    if (moves) this.hold(fresh)
    return merge(kept, fresh.sort(compare), compare)
  }

  private hold(fresh: Place<T>[]) {
    const strangers = fresh.filter((p) => !this.held.has(p.id))
    strangers.sort(comparing(this.sorted.startsWith('-')))
    for (const p of strangers) this.held.set(p.id, this.held.size)
  }
}

function merge<P>(a: P[], b: P[], compare: (a: P, b: P) => number): P[] {
  if (a.length === 0 || b.length === 0) return a.length ? a : b
  const all: P[] = []
  let i = 0
  for (const one of b) {
    while (i < a.length && compare(a[i], one) <= 0) all.push(a[i++])
    all.push(one)
  }
  while (i < a.length) all.push(a[i++])
  return all
}

function comparing<T>(down: boolean) {
  const sign = down ? -1 : 1
  return (a: Place<T>, b: Place<T>) => {
    if (a.by === b.by) return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
    return a.by < b.by ? -sign : sign
  }
}

/** Rows in order, those that are to be shown, and a way to have them put in order anew. */
export interface Ordered<T> {
  shown: T[]
  ask: () => void
  /** Another one whenever somebody asked for other rows, or for another order. */
  asked: object
}

/** All rows are kept in order, shown or not: what comes back into sight is where it was. */
export function useOrder<T extends object>(rows: T[], id: (row: T) => string, sort: Sort, orderings: Ordering<T>[], shows: (row: T) => boolean): Ordered<T> {
  const order = useRef<Order<T>>(null)
  const [asked, setAsked] = useState(0)
  order.current ??= new Order<T>()
  const kept = order.current
  const all = useMemo(() => kept.of(rows, id, sort, orderings, asked), [kept, rows, id, sort, orderings, asked])
  const shown = useMemo(() => all.filter(shows), [all, shows])
  const request = useMemo(() => ({}), [sort, asked, shows])
  return { shown, ask: () => setAsked((n) => n + 1), asked: request }
}
