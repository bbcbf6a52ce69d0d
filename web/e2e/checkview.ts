import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { AxeResults, RunOptions } from 'axe-core'
import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'

/** The variants in which a view is checked: both themes, and a narrow screen. */
export type Variant = 'light' | 'dark' | 'narrow'

const variants: Variant[] = ['light', 'dark', 'narrow']
const narrowSize = { width: 390, height: 800 }

/**
 * Checks a view in each variant: axe-core finds no violations, there is one typeface, and nothing is wider than a
 * narrow screen. It takes screenshots of the documented variants, or of all with SHOTS_OF=all; see screenshot. On a
 * narrow screen, axe-core runs only if screenshots are taken.
 */
export async function checkView(page: Page, name: string, ...documented: Variant[]) {
  const saved = process.env.SHOTS_OF === 'all' ? variants : documented
  const size = page.viewportSize()!
  const dark = await page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches)
  for (const variant of variants) {
    await page.emulateMedia({ colorScheme: variant === 'dark' ? 'dark' : 'light' })
    if (variant === 'narrow') await page.setViewportSize(narrowSize)
    await nextFrame(page)
    if (saved.includes(variant)) await screenshot(page, `${name}-${variant}`)
    if (variant === 'light') expect(await page.evaluate(typefaces), `typefaces of ${name}`).toHaveLength(1)
    if (variant !== 'narrow' || process.env.SHOTS) {
      expect(await violations(page, variant), `accessibility of ${name}, ${variant}`).toEqual([])
    }
    if (variant === 'narrow') {
      const width = await page.evaluate(() => document.documentElement.scrollWidth)
      expect(width, `width of ${name}`).toBeLessThanOrEqual(narrowSize.width)
    }
  }
  await page.setViewportSize(size)
  await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' })
  await nextFrame(page)
}

/** Returns the typefaces of all texts. It runs in the page. */
const typefaces = () => {
  const texts = document.createTreeWalker(document.getElementById('root')!, NodeFilter.SHOW_TEXT)
  const faces = new Set<string>()
  while (texts.nextNode()) faces.add(getComputedStyle(texts.currentNode.parentElement!).fontFamily)
  return [...faces]
}

/** Waits until changes are on the screen. */
const nextFrame = (page: Page) =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))

/** Saves a screenshot in the folder SHOTS, if it is set. */
export async function screenshot(page: Page, name: string) {
  const folder = process.env.SHOTS
  if (!folder) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled' })
}

/** The rules of axe-core for each variant. The other variants are checked for what differs from light. */
const rules: { [V in Variant]: RunOptions } = {
  light: {},
  dark: { runOnly: { type: 'rule', values: ['color-contrast'] } },
  narrow: { runOnly: { type: 'rule', values: ['color-contrast', 'target-size', 'scrollable-region-focusable'] } },
}

interface WithAxe {
  axe: { run(o: RunOptions): Promise<AxeResults> }
}

/** Returns the violations that axe-core finds, one line each. */
async function violations(page: Page, variant: Variant): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source)
  const results = await page.evaluate((o) => (window as unknown as WithAxe).axe.run(o), rules[variant])
  return results.violations.flatMap((v) =>
    v.nodes.map((n) => {
      const summary = n.failureSummary?.split('\n')[1]?.trim() ?? ''
      return `${v.id} (${v.impact}): ${n.html.slice(0, 160)} ${summary}`
    }),
  )
}
