import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import type { Browser, BrowserContext, ConsoleMessage, Page } from 'playwright-core'
import { chromium } from 'playwright-core'
import { expect } from 'vitest'

/** The binary of test/web/fakemaster, which hack/web.sh builds. */
const binary = process.env.FAKEMASTER ?? ''

/** A process of the fake master. */
export class Master {
  private constructor(
    private process: ChildProcess,
    readonly url: string,
    private args: string[],
  ) {}

  /** Starts a fake master with the clusters of a scenario. */
  static async start(scenario: string, ...flags: string[]): Promise<Master> {
    return Master.run(['-scenario', scenario, ...flags])
  }

  private static async run(args: string[]): Promise<Master> {
    if (!existsSync(binary))
      throw new Error('FAKEMASTER is not the path of test/web/fakemaster: run hack/web.sh browser')
    const process = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(process.stdout!, 'data')) as [Buffer]
    return new Master(process, line.toString().trim(), args)
  }

  /** Kills the process. */
  async stop() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const exit = once(this.process, 'exit')
    this.process.kill('SIGKILL')
    await exit
  }

  /** Starts a new process at the same address, with new state. */
  restart(): Promise<Master> {
    return Master.run([...this.args, '-listen', new URL(this.url).host])
  }

  /** Runs an action of test/web/fakemaster on a cluster. */
  async run(action: string, cluster: string, n = 0) {
    const query = new URLSearchParams({ action, cluster, n: String(n) })
    const response = await fetch(`${this.url}/fake?${query}`, { method: 'POST' })
    if (!response.ok) throw new Error(`action ${action} on ${cluster}: ${await response.text()}`)
  }

  /** Returns the names of the clusters that are watched. */
  async watched(): Promise<string[]> {
    return (await (await fetch(`${this.url}/fake`)).json()) as string[]
  }
}

let browser: Browser
let tabs: Tab[] = []

/** Connects to the browser that all test files share. */
export async function connect(endpoint: string) {
  browser = await chromium.connect(endpoint)
}

export const disconnect = () => browser.close()

/** Closes the tabs of a test, and checks that none of them has sent a request to another host than the master. */
export async function closeTabs() {
  const open = tabs
  tabs = []
  await Promise.all(open.map((t) => t.context.close()))
  expect(
    open.flatMap((t) => t.foreignRequests),
    'requests to other hosts',
  ).toEqual([])
}

export interface TabOptions {
  dark?: boolean
  width?: number
  height?: number
}

/** For tests with a time limit: another process on the machine may delay the page. */
export const timed = { retry: 2 }

/** A tab of the browser. */
export interface Tab {
  page: Page
  context: BrowserContext
  /** Errors in the console, and uncaught exceptions. */
  errors: string[]
  /** The URLs of requests to other hosts than the master. */
  foreignRequests: string[]
}

/** Opens a URL in a new tab with a profile of its own. */
export async function open(url: string, options: TabOptions = {}): Promise<Tab> {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1360, height: options.height ?? 800 },
    colorScheme: options.dark ? 'dark' : 'light',
    ignoreHTTPSErrors: true,
    deviceScaleFactor: 1,
    locale: 'en-GB',
  })
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  const errors: string[] = []
  const foreignRequests: string[] = []
  page.on('console', (m: ConsoleMessage) => void (m.type() === 'error' && errors.push(m.text())))
  page.on('pageerror', (e) => errors.push(String(e)))
  page.on('request', (r) => void (new URL(r.url()).host !== new URL(url).host && foreignRequests.push(r.url())))
  const tab = { page, context, errors, foreignRequests }
  tabs.push(tab)
  await page.goto(url)
  return tab
}
