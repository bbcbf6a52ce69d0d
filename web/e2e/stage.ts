import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import type { Browser, BrowserContext, ConsoleMessage, Page } from 'playwright-core'
import { chromium } from 'playwright-core'
import { expect } from 'vitest'

/** The fake master of test/web/fakemaster, built by hack/web.sh before. */
const binary = process.env.FAKEMASTER ?? ''

/** A fake master that runs. */
export class Master {
  private constructor(private process: ChildProcess, readonly url: string, private args: string[]) {}

  static async start(scenario: string, ...flags: string[]): Promise<Master> {
    return Master.run(['-scenario', scenario, ...flags])
  }

  private static async run(args: string[]): Promise<Master> {
    if (!existsSync(binary)) throw new Error('FAKEMASTER is not the path of the built test/web/fakemaster')
    const process = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(process.stdout!, 'data')) as [Buffer]
    return new Master(process, line.toString().trim(), args)
  }

  /** Ends it, as a node that goes away would. */
  async stop() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const ended = once(this.process, 'exit')
    this.process.kill('SIGKILL')
    await ended
  }

  /** Another one in the same place, which knows nothing of the first. */
  again(): Promise<Master> {
    return Master.run([...this.args, '-listen', new URL(this.url).host])
  }

  async act(act: string, cluster: string, n = 0) {
    const answer = await fetch(`${this.url}/fake?${new URLSearchParams({ act, cluster, n: String(n) })}`, { method: 'POST' })
    if (!answer.ok) throw new Error(await answer.text())
  }

  async watched(): Promise<string[]> {
    return (await (await fetch(`${this.url}/fake`)).json()) as string[]
  }
}

let browser: Browser
let tabs: Tab[] = []

/** The browser that all test files have in common. */
export async function connect(endpoint: string) {
  browser = await chromium.connect(endpoint)
}

export const disconnect = () => browser.close()

/** Closes what a test has opened. Whatever it was about, no tab may have asked anybody but the master. */
export async function leave() {
  const left = tabs
  tabs = []
  await Promise.all(left.map((t) => t.context.close()))
  expect(left.flatMap((t) => t.strangers)).toEqual([])
}

export interface Look {
  dark?: boolean
  width?: number
  height?: number
}

/** For tests of a time that people are promised: a machine that is busy for a moment is not the page's doing. */
export const figure = { retry: 2 }

/** A tab, and what it complained of. */
export interface Tab {
  page: Page
  context: BrowserContext
  complaints: string[]
  /** Addresses of requests to anybody but the master. */
  strangers: string[]
}

export async function open(url: string, look: Look = {}): Promise<Tab> {
  const context = await browser.newContext({
    viewport: { width: look.width ?? 1360, height: look.height ?? 800 }, colorScheme: look.dark ? 'dark' : 'light', ignoreHTTPSErrors: true, deviceScaleFactor: 1, locale: 'en-GB',
  })
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  const complaints: string[] = []
  const strangers: string[] = []
  page.on('console', (m: ConsoleMessage) => void (m.type() === 'error' && complaints.push(m.text())))
  page.on('pageerror', (e) => complaints.push(String(e)))
  page.on('request', (r) => void (new URL(r.url()).host !== new URL(url).host && strangers.push(r.url())))
  const tab = { page, context, complaints, strangers }
  tabs.push(tab)
  await page.goto(url)
  return tab
}
