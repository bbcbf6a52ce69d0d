import { expect, test } from 'vitest'
import { anchorOf, shiftOf } from './anchor'

const id = (row: string) => row
const rows = 'abcdefghij'.split('')
const anchor = anchorOf(rows, id, 4) // e is topmost

test.each([
  ['nothing changes', rows, 0],
  ['rows are added above', ['0', '1', ...rows], 2],
  ['a row above is deleted', rows.slice(1), -1],
  ['a row in view is added', ['a', 'b', 'c', 'd', 'e', 'x', 'f'], 0],
  ['the topmost row is deleted', ['a', 'b', 'c', 'd', 'f', 'g', 'h'], -1],
  ['all rows in view are deleted', ['x', 'y'], 0],
  ['all rows are deleted', [], 0],
])('%s', (_, after, shift) => expect(shiftOf(after, id, anchor)).toBe(shift))
