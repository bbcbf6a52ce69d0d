import { afterAll, afterEach, beforeAll, inject } from 'vitest'
import { closeTabs, connect, disconnect } from './harness.ts'

beforeAll(() => connect(inject('browser')))
afterEach(closeTabs)
afterAll(disconnect)
