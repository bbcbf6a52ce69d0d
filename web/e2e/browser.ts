import { chromium } from 'playwright-core'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    browser: string
  }
}

/** Starts the one browser of all test files, and ends it behind them. */
export default async function setup(project: TestProject) {
  const server = await chromium.launchServer({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', host: '127.0.0.1', args: ['--no-sandbox', '--font-render-hinting=none', '--disable-lcd-text'],
  })
  project.provide('browser', server.wsEndpoint())
  return () => server.close()
}
