import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'

/** How smooth an interaction was, in milliseconds. */
export interface Frames {
  /** The median, 95th percentile and maximum of the time between two frames. */
  median: number
  p95: number
  longest: number
  /** The longest task of the main thread; 0 if none took 50 ms or more. */
  longestTask: number
  /** The CPU time of the main thread for a frame: the mean of each step, of which the maximum. */
  cpuTime: number
}

/** An interaction in steps. round counts its runs; stepDone has to be called after each step. */
export type Interaction = (round: number, stepDone: () => Promise<void>) => Promise<void>

/** What the page records while it is measured. */
interface Recording {
  frames: number[]
  tasks: number[]
  round: number
  observer: PerformanceObserver
}

/**
 * Measures frames and long tasks during an interaction. With TRACE=FOLDER it saves a trace of Chromium there. With
 * FRAMES=1 it does not measure CPU time, as the measurement itself takes time.
 */
export async function measureFrames(
  page: Page,
  name: string,
  interact: (stepDone: () => Promise<void>) => Promise<void>,
): Promise<Frames> {
  const trace = process.env.TRACE
  const browser = page.context().browser()!
  if (trace) {
    const categories = [
      'toplevel',
      'devtools.timeline',
      'disabled-by-default-devtools.timeline',
      'disabled-by-default-v8.cpu_profiler',
      'v8',
    ]
    await browser.startTracing(page, { categories })
  }
  const cpuTime = process.env.FRAMES ? () => Promise.resolve(0) : await cpuTimer(page)
  const steps: number[] = []
  await page.evaluate(startRecording)
  await cpuTime()
  await interact(async () => void steps.push(await cpuTime()))
  const recorded = await page.evaluate(stopRecording)
  if (trace) writeFileSync(join(trace, `${name.replaceAll(' ', '-')}.json`), await browser.stopTracing())
  const sorted = recorded.frames.toSorted((a, b) => a - b)
  const quantile = (q: number) => Math.round(10 * (sorted[Math.floor(q * (sorted.length - 1))] ?? 0)) / 10
  const frames = {
    median: quantile(0.5),
    p95: quantile(0.95),
    longest: quantile(1),
    longestTask: Math.round(Math.max(0, ...recorded.tasks)),
    cpuTime: Math.round(Math.max(...steps)),
  }
  console.log(
    `${name}: time between frames: median ${frames.median} ms, 95th percentile ${frames.p95} ms, ` +
      `longest ${frames.longest} ms; longest task ${frames.longestTask || '< 50'} ms; ` +
      `at most ${frames.cpuTime} ms of CPU time for a frame`,
  )
  return frames
}

/**
 * Runs an interaction once, or three times with FRAMES=1, and returns the best run, by the longest task and then the
 * longest frame: the other runs include what else the machine does.
 */
export async function bestRun(page: Page, name: string, interact: Interaction): Promise<Frames> {
  const runs: Frames[] = []
  for (let i = 1; i <= (process.env.FRAMES ? 3 : 1); i++) {
    runs.push(await measureFrames(page, `${name} ${i}`, (stepDone) => interact(i, stepDone)))
  }
  return runs.sort((a, b) => a.longestTask - b.longestTask || a.longest - b.longest)[0]
}

/** Returns a function that returns the mean CPU time of the main thread for each frame since its last call, in ms. */
async function cpuTimer(page: Page): Promise<() => Promise<number>> {
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable', { timeDomain: 'threadTicks' })
  let before = { time: 0, frames: 0 }
  return async () => {
    const frames = await page.evaluate(() => (window as unknown as Recording).frames.length)
    const { metrics } = await session.send('Performance.getMetrics')
    const now = { time: 1000 * metrics.find((m) => m.name === 'TaskDuration')!.value, frames }
    const mean = (now.time - before.time) / Math.max(1, now.frames - before.frames)
    before = now
    return mean
  }
}

/** Starts to record frames and long tasks. It runs in the page. */
function startRecording() {
  const w = window as unknown as Recording
  w.frames = []
  w.tasks = []
  w.round = (w.round ?? 0) + 1
  const round = w.round
  w.observer = new PerformanceObserver((list) => w.tasks.push(...list.getEntries().map((e) => e.duration)))
  w.observer.observe({ type: 'longtask' })
  const onFrame = (at: number) => {
    if (w.round !== round) return
    w.frames.push(at)
    requestAnimationFrame(onFrame)
  }
  requestAnimationFrame(onFrame)
}

/** Returns the times between frames, and the durations of long tasks. It runs in the page. */
function stopRecording(): { frames: number[]; tasks: number[] } {
  const w = window as unknown as Recording
  w.round++
  w.tasks.push(...w.observer.takeRecords().map((e) => e.duration))
  w.observer.disconnect()
  return { frames: w.frames.slice(1).map((at, i) => at - w.frames[i]), tasks: w.tasks }
}
