import { expect, test } from 'vitest'
import { Order } from './order'

interface Row { id: string; load: number }

const row = (id: string, load = 0): Row => ({ id, load })
const orderings = [{ name: 'name', by: (r: Row) => r.id }, { name: 'load', by: (r: Row) => r.load, moves: true }, { name: 'none' }]

function ordering() {
  const order = new Order<Row>()
  return (rows: Row[], sort: string, asked = 0) => order.of(rows, (r) => r.id, sort, orderings, asked).map((r) => r.id).join(' ')
}

test('rows are put in order, up and down, and by the first column where another is asked for', () => {
  const of = ordering()
  const rows = [row('c', 1), row('a', 3), row('b', 2)]
  expect([of(rows, 'name'), of(rows, '-name'), of(rows, '-load'), of(rows, 'load'), of(rows, 'nothing'), of(rows, 'none')]).toEqual(['a b c', 'c b a', 'a b c', 'c b a', 'a b c', 'a b c'])
})

test('what comes, goes and is replaced finds its place without the rest being compared', () => {
  const of = ordering()
  const rows = [row('c'), row('a'), row('e')]
  of(rows, 'name')
  expect(of([...rows, row('d'), row('b')], 'name')).toBe('a b c d e')
  expect(of([row('c'), rows[2]], 'name')).toBe('c e')
  expect(of([], 'name')).toBe('')
  expect(of(rows, 'name')).toBe('a c e')
})

test('rows whose values move stay where they are until somebody asks, and new ones come last', () => {
  const of = ordering()
  expect(of([row('a', 1), row('b', 2), row('c', 3)], '-load')).toBe('c b a')
  const later = [row('a', 9), row('b', 2), row('c', 3), row('d', 5), row('e', 7)]
  expect(of(later, '-load')).toBe('c b a e d')
  expect(of([later[0], later[2]], '-load')).toBe('c a')
  expect(of(later, '-load')).toBe('c b a e d')
  expect(of(later, '-load', 1)).toBe('a e d c b')
})

test('many small changes leave the same order as sorting anew', () => {
  const of = ordering()
  let seed = 7
  const random = (n: number) => (seed = (seed * 16807) % 2147483647) % n
  let rows: Row[] = []
  for (let i = 0; i < 300; i++) {
    const id = `r${random(60)}`
    rows = rows.filter((r) => r.id !== id)
    if (random(3) > 0) rows = [...rows, row(id, random(100))]
    expect(of(rows, '-name')).toBe(ordering()(rows, '-name'))
  }
})
