import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, BrowserContext, ConsoleMessage, Page } from 'playwright-core'
import { chromium } from 'playwright-core'

export const repository = join(import.meta.dirname, '..', '..')
const images = join(repository, 'docs', 'images')

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

export async function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--font-render-hinting=none', '--disable-lcd-text'] })
}

export interface Look {
  dark?: boolean
  width?: number
  height?: number
}

/** A tab, and what it complained of. */
export interface Tab {
  page: Page
  context: BrowserContext
  complaints: string[]
  /** Addresses of requests to anybody but the master. */
  strangers: string[]
}

export async function open(browser: Browser, url: string, look: Look = {}): Promise<Tab> {
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
  await page.goto(url)
  return { page, context, complaints, strangers }
}

/** Keeps what the page looks like, for people to look at. */
export async function shoot(page: Page, name: string) {
  const folder = process.env.SHOTS ?? images
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled' })
}

/** Text of the page, for what is easier read than asked for. */
export async function textOf(page: Page, selector = 'body'): Promise<string> {
  return page.locator(selector).innerText()
}
