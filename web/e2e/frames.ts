import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'

/** How smoothly something went, in milliseconds. */
export interface Frames {
  /** Between one frame and the next: half of them took no longer, 95 of 100, none. */
  median: number
  most: number
  longest: number
  /** The longest that the page kept its thread; tasks of less than 50 ms are 0. */
  task: number
  /** The most that a frame took of the thread's own time, whatever else the machine did; the mean of each turn's frames. */
  own: number
}

/** Something done in turns, in which round; it tells when a turn is over. */
export type Doing = (round: number, turned: () => Promise<void>) => Promise<void>

interface Watched { frames: number[]; tasks: number[]; round: number; observer: PerformanceObserver }

/** Watches frames and long tasks while something is done. TRACE names a folder for Chromium's own record of it. */
export async function framesOf(page: Page, name: string, doing: (turned: () => Promise<void>) => Promise<void>): Promise<Frames> {
  const trace = process.env.TRACE
  const browser = page.context().browser()!
  if (trace) await browser.startTracing(page, { categories: ['toplevel', 'devtools.timeline', 'disabled-by-default-devtools.timeline', 'disabled-by-default-v8.cpu_profiler', 'v8'] })
  // Asking costs, too: where the clock is what counts, nobody asks.
  const spent = process.env.FRAMES ? () => Promise.resolve(0) : await spentBy(page)
  const turns: number[] = []
  await page.evaluate(watch)
  await spent()
  await doing(async () => void turns.push(await spent()))
  const seen = await page.evaluate(seenSo)
  if (trace) writeFileSync(join(trace, `${name.replaceAll(' ', '-')}.json`), await browser.stopTracing())
  const sorted = seen.frames.toSorted((a, b) => a - b)
  const at = (share: number) => Math.round(10 * (sorted[Math.floor(share * (sorted.length - 1))] ?? 0)) / 10
  const frames = { median: at(0.5), most: at(0.95), longest: at(1), task: Math.round(Math.max(0, ...seen.tasks)), own: Math.round(Math.max(...turns)) }
  console.log(`${name}: frames of ${frames.median} ms, 95% within ${frames.most} ms, longest ${frames.longest} ms, longest task ${frames.task || '< 50'} ms; a frame took up to ${frames.own} ms of the thread's own time`)
  return frames
}

/** The best of three rounds (of one where nobody measures), by the longest task and then the longest frame: what else a machine does is in the others. */
export async function bestOf(page: Page, name: string, doing: Doing): Promise<Frames> {
  const rounds: Frames[] = []
  for (let i = 1; i <= (process.env.FRAMES ? 3 : 1); i++) rounds.push(await framesOf(page, `${name} ${i}`, (turned) => doing(i, turned)))
  return rounds.sort((a, b) => a.task - b.task || a.longest - b.longest)[0]
}

/** Tells, each time it is asked, how many milliseconds of its own time the page's thread has spent on each frame since it was asked before. */
async function spentBy(page: Page): Promise<() => Promise<number>> {
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable', { timeDomain: 'threadTicks' })
  let before = { time: 0, frames: 0 }
  return async () => {
    const frames = await page.evaluate(() => (window as unknown as Watched).frames.length)
    const { metrics } = await session.send('Performance.getMetrics')
    const now = { time: 1000 * metrics.find((m) => m.name === 'TaskDuration')!.value, frames }
    const each = (now.time - before.time) / Math.max(1, now.frames - before.frames)
    before = now
    return each
  }
}

function watch() {
  const w = window as unknown as Watched
  w.frames = []
  w.tasks = []
  const round = (w.round = (w.round ?? 0) + 1)
  w.observer = new PerformanceObserver((list) => w.tasks.push(...list.getEntries().map((e) => e.duration)))
  w.observer.observe({ type: 'longtask' })
  const step = (at: number) => {
    if (w.round === round) w.frames.push(at)
    if (w.round === round) requestAnimationFrame(step)
  }
  requestAnimationFrame(step)
}

function seenSo(): { frames: number[]; tasks: number[] } {
  const w = window as unknown as Watched
  w.round++
  w.tasks.push(...w.observer.takeRecords().map((e) => e.duration))
  w.observer.disconnect()
  return { frames: w.frames.slice(1).map((at, i) => at - w.frames[i]), tasks: w.tasks }
}
