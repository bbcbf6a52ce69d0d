import { useLayoutEffect, useRef } from 'react'

/** What was in sight last: the rows from the topmost on, and where that was. */
export interface Sight {
  index: number
  ids: string[]
}

/** How many rows are remembered: as many as may go at once without those in sight losing their place. */
const remembered = 20

export function sightOf<T>(rows: T[], id: (row: T) => string, index: number): Sight {
  return { index, ids: rows.slice(index, index + remembered).map(id) }
}

/** By how many rows what was in sight is further down than before. */
export function shiftOf<T>(rows: T[], id: (row: T) => string, before: Sight): number {
  for (const [i, wanted] of before.ids.entries()) {
    const at = nearest(rows, id, wanted, before.index + i)
    if (at >= 0) return at - before.index - i
  }
  return 0
}

/** Where a row is, looked for from where it was: most changes move it little. */
function nearest<T>(rows: T[], id: (row: T) => string, wanted: string, from: number): number {
  for (let d = 0; d <= rows.length; d++) {
    if (from - d >= 0 && from - d < rows.length && id(rows[from - d]) === wanted) return from - d
    if (from + d < rows.length && id(rows[from + d]) === wanted) return from + d
  }
  return -1
}

/**
 * Keeps the rows in sight where they are when others come or go above them. At the top
 * nothing is above, and when something else was asked for, nothing is kept.
 */
export function useAnchor<T>(element: HTMLElement | null, rows: T[], id: (row: T) => string, height: number, asked: object, offset: number) {
  const last = useRef<{ sight: Sight; rows: T[]; asked: object; height: number } | null>(null)
  useLayoutEffect(() => {
    const before = last.current
    let top = offset
    if (element && before && before.rows !== rows && before.asked === asked && before.height === height && before.sight.index > 0) {
      const shift = height * shiftOf(rows, id, before.sight)
      if (shift !== 0) element.scrollTop += shift
      top += shift
    }
    last.current = { sight: sightOf(rows, id, Math.floor(top / height)), rows, asked, height }
  })
}
