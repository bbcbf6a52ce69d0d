import { useLayoutEffect, useRef } from 'react'

/** The rows in view: the index of the topmost one, and the ids of that one and the ones below. */
export interface Anchor {
  index: number
  ids: string[]
}

/** How many ids an anchor has: as many rows may be deleted at once without losing the scroll position. */
const anchorRows = 20

/** Returns the anchor of rows of which the one at index is topmost. */
export function anchorOf<T>(rows: T[], id: (row: T) => string, index: number): Anchor {
  return { index, ids: rows.slice(index, index + anchorRows).map(id) }
}

/** Returns by how many rows the first row of an anchor that still exists has moved down. */
export function shiftOf<T>(rows: T[], id: (row: T) => string, anchor: Anchor): number {
  for (const [i, anchorId] of anchor.ids.entries()) {
    const at = findNear(rows, id, anchorId, anchor.index + i)
    if (at >= 0) return at - anchor.index - i
  }
  return 0
}

/** Returns the index of a row, or -1. It searches outwards from an index, as most changes move a row little. */
function findNear<T>(rows: T[], id: (row: T) => string, rowId: string, from: number): number {
  for (let d = 0; d <= rows.length; d++) {
    if (from - d >= 0 && from - d < rows.length && id(rows[from - d]) === rowId) return from - d
    if (from + d < rows.length && id(rows[from + d]) === rowId) return from + d
  }
  return -1
}

/**
 * Keeps the rows in view in place when rows are added or deleted above them. It changes nothing while the list is
 * scrolled to the top, or when viewKey changes because the user has changed the filter or the order.
 */
export function useScrollAnchor<T>(
  element: HTMLElement | null,
  rows: T[],
  id: (row: T) => string,
  height: number,
  viewKey: object,
  offset: number,
) {
  const last = useRef<{ anchor: Anchor; rows: T[]; viewKey: object; height: number } | null>(null)
  useLayoutEffect(() => {
    const before = last.current
    let top = offset
    const sameView = before && before.viewKey === viewKey && before.height === height
    if (element && sameView && before.rows !== rows && before.anchor.index > 0) {
      const shift = height * shiftOf(rows, id, before.anchor)
      if (shift !== 0) element.scrollTop += shift
      top += shift
    }
    last.current = { anchor: anchorOf(rows, id, Math.floor(top / height)), rows, viewKey, height }
  })
}
