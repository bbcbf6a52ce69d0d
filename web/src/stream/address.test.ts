import { expect, test } from 'vitest'
import { addressOf } from './address'

test.each([
  ['203.0.113.7', '203.0.113.7'],
  ['2001:DB8:0:0::7', '2001:db8::7'],
  ['prod-eu', null],
  ['203.0.113.256', null],
  ['203.0.113.07', null],
  ['10.1', null],
  ['a:b', null],
  ['::1%eth0', null],
  ['::1]/x', null],
])('%s is %s', (text, want) => expect(addressOf(text)).toBe(want))
