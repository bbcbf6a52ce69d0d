import type { AxeResults } from 'axe-core'
import axe from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Master, launch, open } from './stage.ts'

let browser: Browser
let master: Master

beforeAll(async () => void (browser = await launch()))
afterAll(() => browser.close())
afterEach(() => master.stop())

interface View {
  name: string
  path: string
  /** What stands there once it is shown. */
  shows: string
  scenario?: string
  flags?: string[]
  narrow?: boolean
}

const views: View[] = [
  { name: 'fleet', path: '/', shows: 'edge-oslo' },
  { name: 'fleet, narrow', path: '/', shows: 'edge-oslo', narrow: true },
  { name: 'overview', path: '/clusters/prod-eu', shows: 'OOMKilled' },
  { name: 'nodes', path: '/clusters/prod-eu?tab=nodes', shows: 'MemoryPressure' },
  { name: 'containers', path: '/clusters/prod-eu?tab=containers&only=problems', shows: 'CrashLoopBackOff' },
  { name: 'containers, narrow', path: '/clusters/prod-eu?tab=containers&only=problems', shows: 'CrashLoopBackOff', narrow: true },
  { name: 'containers, none found', path: '/clusters/prod-eu?tab=containers&q=nowhere', shows: 'No container is like that' },
  { name: 'ports', path: '/clusters/prod-eu?tab=ports', shows: 'Service shop/web' },
  { name: 'changes', path: '/clusters/prod-eu?tab=changes', shows: 'prod-eu' },
  { name: 'drawer', path: '/clusters/prod-eu?tab=nodes&open=Node%2Fworker-a01', shows: 'containers on it' },
  { name: 'unreachable', path: '/clusters/edge-oslo', shows: 'The agent cannot be reached' },
  { name: 'usage not read', path: '/clusters/staging', shows: 'Usage cannot be read' },
  { name: 'connecting', path: '/clusters/lab', shows: 'Connecting to its agent' },
  { name: 'suspended', path: '/clusters/legacy', shows: 'It is not asked while' },
  { name: 'no such cluster', path: '/clusters/nowhere', shows: 'No such cluster' },
  { name: 'no cluster', path: '/', shows: 'No cluster is registered yet', scenario: 'empty' },
  { name: 'sign-in', path: '/', shows: 'A bearer token of the hub', flags: ['-auth'] },
]

test.each(views)('accessible in both themes: $name', async (view) => {
  master = await Master.start(view.scenario ?? 'fleet', ...(view.flags ?? []))
  for (const dark of [false, true]) {
    const t = await open(browser, master.url + view.path, { dark, width: view.narrow ? 390 : undefined })
    await t.page.getByText(view.shows).first().waitFor()
    expect(await violations(t.page), dark ? 'dark' : 'light').toEqual([])
    await t.context.close()
  }
})

test('accessible while the connection is lost', async () => {
  master = await Master.start('fleet')
  const tabs = await Promise.all([false, true].map((dark) => open(browser, `${master.url}/clusters/prod-us?tab=nodes`, { dark })))
  for (const t of tabs) await t.page.getByText('worker-a01').first().waitFor()
  await master.stop()
  for (const t of tabs) {
    await t.page.locator('.lost-bar').waitFor()
    expect(await violations(t.page)).toEqual([])
    await t.context.close()
  }
})

/** What axe finds, a line each. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const found = await page.evaluate(() => (window as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run())
  return found.violations.flatMap((v) => v.nodes.map((n) => `${v.id} (${v.impact}): ${n.html.slice(0, 160)} ${n.failureSummary?.split('\n')[1]?.trim() ?? ''}`))
}
