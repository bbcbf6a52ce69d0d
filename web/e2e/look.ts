import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { AxeResults, RunOptions } from 'axe-core'
import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'

/** How the page can look: in both themes, and where there is little room. */
export type Kind = 'light' | 'dark' | 'narrow'

const kinds: Kind[] = ['light', 'dark', 'narrow']
const little = { width: 390, height: 800 }

/**
 * Looks at a view in each way it can be had: axe-core finds nothing, in neither theme, there
 * is one typeface, and nothing is wider than a telephone. The pictures are for people, see keep; when they are
 * taken, axe-core looks at the narrow page too.
 */
export async function look(page: Page, name: string, ...documented: Kind[]) {
  const kept = process.env.SHOTS_OF === 'all' ? kinds : documented
  const before = { size: page.viewportSize()!, dark: await page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches) }
  for (const kind of kinds) {
    await page.emulateMedia({ colorScheme: kind === 'dark' ? 'dark' : 'light' })
    if (kind === 'narrow') await page.setViewportSize(little)
    await drawn(page)
    if (kept.includes(kind)) await keep(page, `${name}-${kind}`)
    if (kind === 'light') expect(await page.evaluate(typefaces), `the typefaces of ${name}`).toHaveLength(1)
    if (kind !== 'narrow' || process.env.SHOTS) expect(await violations(page, kind), `${name}, ${kind}`).toEqual([])
    if (kind === 'narrow') expect(await page.evaluate(() => document.documentElement.scrollWidth), `the width of ${name}`).toBeLessThanOrEqual(little.width)
  }
  await page.setViewportSize(before.size)
  await page.emulateMedia({ colorScheme: before.dark ? 'dark' : 'light' })
  await drawn(page)
}

/** Runs in the page. */
const typefaces = () => {
  const texts = document.createTreeWalker(document.getElementById('root')!, NodeFilter.SHOW_TEXT)
  const faces = new Set<string>()
  while (texts.nextNode()) faces.add(getComputedStyle(texts.currentNode.parentElement!).fontFamily)
  return [...faces]
}

/** Until what has changed is on the screen. */
const drawn = (page: Page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))

/** Keeps a picture where SHOTS names a folder. */
export async function keep(page: Page, name: string) {
  const folder = process.env.SHOTS
  if (!folder) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled' })
}

/** What can differ from the first look at a view. */
const rules: { [K in Kind]: RunOptions } = {
  light: {},
  dark: { runOnly: { type: 'rule', values: ['color-contrast'] } },
  narrow: { runOnly: { type: 'rule', values: ['color-contrast', 'target-size', 'scrollable-region-focusable'] } },
}

/** What axe finds, a line each. */
async function violations(page: Page, kind: Kind): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source)
  const found = await page.evaluate((o) => (window as unknown as { axe: { run(o: RunOptions): Promise<AxeResults> } }).axe.run(o), rules[kind])
  return found.violations.flatMap((v) => v.nodes.map((n) => `${v.id} (${v.impact}): ${n.html.slice(0, 160)} ${n.failureSummary?.split('\n')[1]?.trim() ?? ''}`))
}
