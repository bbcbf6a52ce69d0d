import { expect, test } from 'vitest'
import { StableOrder } from './sorting'

interface Row {
  id: string
  load: number
}

const row = (id: string, load = 0): Row => ({ id, load })
const columns = [
  { name: 'name', sortBy: (r: Row) => r.id },
  { name: 'load', sortBy: (r: Row) => r.load, volatile: true },
  { name: 'none' },
]

/** Returns a function that sorts rows with one StableOrder, and returns their ids. */
function newSorter() {
  const order = new StableOrder<Row>()
  return (rows: Row[], sort: string, version = 0) =>
    order
      .sort(rows, (r) => r.id, sort, columns, version)
      .map((r) => r.id)
      .join(' ')
}

test('rows are sorted in both directions, and by the first column for a column that cannot be sorted by', () => {
  const sorted = newSorter()
  const rows = [row('c', 1), row('a', 3), row('b', 2)]
  expect([
    sorted(rows, 'name'),
    sorted(rows, '-name'),
    sorted(rows, '-load'),
    sorted(rows, 'load'),
    sorted(rows, 'nothing'),
    sorted(rows, 'none'),
  ]).toEqual(['a b c', 'c b a', 'a b c', 'c b a', 'a b c', 'a b c'])
})

test('added, deleted and replaced rows are merged into the order', () => {
  const sorted = newSorter()
  const rows = [row('c'), row('a'), row('e')]
  sorted(rows, 'name')
  expect(sorted([...rows, row('d'), row('b')], 'name')).toBe('a b c d e')
  expect(sorted([row('c'), rows[2]], 'name')).toBe('c e')
  expect(sorted([], 'name')).toBe('')
  expect(sorted(rows, 'name')).toBe('a c e')
})

test('rows of a volatile column keep their order until they are sorted again, and new rows are last', () => {
  const sorted = newSorter()
  expect(sorted([row('a', 1), row('b', 2), row('c', 3)], '-load')).toBe('c b a')
  const later = [row('a', 9), row('b', 2), row('c', 3), row('d', 5), row('e', 7)]
  expect(sorted(later, '-load')).toBe('c b a e d')
  expect(sorted([later[0], later[2]], '-load')).toBe('c a')
  expect(sorted(later, '-load')).toBe('c b a e d')
  expect(sorted(later, '-load', 1)).toBe('a e d c b')
})

test('many small changes give the same order as a new sort', () => {
  const sorted = newSorter()
  let seed = 7
  const random = (n: number) => {
    seed = (seed * 16807) % 2147483647
    return seed % n
  }
  let rows: Row[] = []
  for (let i = 0; i < 300; i++) {
    const id = `r${random(60)}`
    rows = rows.filter((r) => r.id !== id)
    if (random(3) > 0) rows = [...rows, row(id, random(100))]
    expect(sorted(rows, '-name')).toBe(newSorter()(rows, '-name'))
  }
})
