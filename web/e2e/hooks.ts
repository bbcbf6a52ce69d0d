import { afterAll, afterEach, beforeAll, inject } from 'vitest'
import { connect, disconnect, leave } from './stage.ts'

beforeAll(() => connect(inject('browser')))
afterEach(leave)
afterAll(disconnect)
