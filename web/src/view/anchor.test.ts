import { expect, test } from 'vitest'
import { shiftOf, sightOf } from './anchor'

const self = (id: string) => id
const rows = 'abcdefghij'.split('')
const seen = sightOf(rows, self, 4) // e is topmost

test.each([
  ['nothing', rows, 0],
  ['rows above', ['0', '1', ...rows], 2],
  ['a row that went above', rows.slice(1), -1],
  ['rows in sight', ['a', 'b', 'c', 'd', 'e', 'x', 'f'], 0],
  ['the topmost row itself', ['a', 'b', 'c', 'd', 'f', 'g', 'h'], -1],
  ['all but rows that nobody saw', ['x', 'y'], 0],
  ['all', [], 0],
])('%s changes, and what was in sight is found again', (_, now, shift) => expect(shiftOf(now, self, seen)).toBe(shift))
