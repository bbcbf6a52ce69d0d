import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launch, open, shoot } from './stage.ts'

/** What test/web/realstack says when it is up. */
interface Where { page: string; control: string }
interface Done { time: number; value?: number; words?: string }

let browser: Browser
let stack: ChildProcess
let at: Where

beforeAll(async () => {
  stack = spawn(process.env.REALSTACK ?? 'REALSTACK is not set', { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = (await Promise.race([once(stack.stdout!, 'data'), once(stack, 'exit').then(([code]) => Promise.reject(new Error(`realstack ended with ${code}`)))])) as [Buffer]
  at = JSON.parse(line.toString()) as Where
  browser = await launch()
}, 240_000)

afterAll(async () => {
  await browser?.close()
  if (stack.exitCode !== null) return
  const ended = once(stack, 'exit')
  stack.stdin!.end()
  await ended
}, 60_000)

async function act(name: string, of = ''): Promise<Done> {
  const answer = await fetch(`${at.control}/${name}?${new URLSearchParams({ of })}`, { method: 'POST' })
  if (!answer.ok) throw new Error(`${name}: ${await answer.text()}`)
  return (await answer.json()) as Done
}

const cluster = (tab: string) => `${at.page}/clusters/prod-eu${tab}`
const row = (page: Page, words: string) => page.locator('[role=row]', { hasText: words })
/** Which pods stand where in the table. */
const pods = (page: Page) => page.locator('[role=row] > [role=gridcell]:nth-child(3)').allInnerTexts()

test('the list shows the clusters and dials none, and one click starts a session', async () => {
  const t = await open(browser, at.page)
  await row(t.page, 'prod-eu').waitFor()
  await row(t.page, 'edge-oslo').waitFor()
  const before = (await act('sessions')).value
  await t.page.waitForTimeout(3000)
  expect((await act('sessions')).value).toBe(before)
  await t.page.getByRole('button', { name: 'Watch prod-eu', exact: true }).click()
  await row(t.page, 'prod-eu').getByText(/^\d\d:\d\d$/).waitFor()
  await row(t.page, 'prod-eu').getByText('now', { exact: true }).waitFor()
  expect(await row(t.page, 'prod-eu').innerText()).toContain('v1.36.')
  expect((await act('sessions')).value).toBe((before ?? 0) + 1)
  await t.page.getByRole('button', { name: 'Watch edge-oslo', exact: true }).click()
  await row(t.page, 'edge-oslo').getByText('Unreachable', { exact: true }).waitFor({ timeout: 20_000 })
  await shoot(t.page, 'real-fleet-light')
  expect(t.complaints).toEqual([])
  expect(t.strangers).toEqual([])
  await t.context.close()
})

test('a new pod and a scaled Deployment are seen live, and rows do not jump', async () => {
  const t = await open(browser, cluster('?tab=containers&q=shop'), { height: 1500 })
  await row(t.page, 'cart-blue').first().waitFor()
  const before = await pods(t.page)
  const made = await act('pod', 'zz-made-by-hand')
  await row(t.page, 'zz-made-by-hand').waitFor()
  const took = Date.now() - made.time
  console.log(`a pod was seen ${took} ms after the API server had it`)
  expect(took).toBeLessThan(1000)
  expect((await pods(t.page)).filter((p) => before.includes(p))).toEqual(before)
  await act('scale', '6')
  await expect.poll(async () => (await pods(t.page)).filter((p) => p.startsWith('web-')).length, { timeout: 15_000 }).toBe(18)
  expect((await pods(t.page)).filter((p) => before.includes(p))).toEqual(before)
  await t.page.getByRole('link', { name: 'Changes' }).click()
  await t.page.getByText('zz-made-by-hand').first().waitFor()
  await t.page.setViewportSize({ width: 1360, height: 800 })
  await shoot(t.page, 'real-changes-light')
  expect(t.complaints).toEqual([])
  await t.context.close()
})

test('usage of metrics-server arrives', async () => {
  const t = await open(browser, cluster(''))
  await expect.poll(() => t.page.locator('.tile').first().innerText(), { timeout: 50_000 }).toMatch(/\d+% used/)
  await t.page.getByRole('link', { name: 'Nodes' }).click()
  await t.page.getByRole('img', { name: /^CPU: .* requested, [\d.m]+ used, of/ }).first().waitFor()
  await shoot(t.page, 'real-nodes-light')
  await t.context.close()
})

test('the port map shows node ports, where they lead, what is free and what is not', async () => {
  const t = await open(browser, cluster('?tab=ports&q=30080'))
  await row(t.page, '30080').getByText('Service shop/web').first().waitFor()
  await t.page.getByLabel('Search ports').fill('')
  await t.page.getByLabel('Port', { exact: true }).fill('31234')
  await t.page.getByText('31234/TCP is taken on every node by Service shop/legacy (NodePort)').waitFor()
  await shoot(t.page, 'real-ports-light')
  await t.page.getByLabel('Port', { exact: true }).fill('31235')
  await t.page.getByText('31235/TCP is not allocated and not declared on any node.').waitFor()
  await t.context.close()
})

test('an agent that was killed: why, how old the data is, and back by itself', async () => {
  const t = await open(browser, cluster(''))
  await t.page.getByRole('link', { name: /Nodes 5/ }).waitFor()
  await act('kill-agent')
  await t.page.getByText('The agent cannot be reached').waitFor({ timeout: 20_000 })
  const note = t.page.locator('.note.bad')
  expect(await note.innerText()).toMatch(/connection refused|closed|EOF|reset/)
  const age = async () => Number(/of (\d+) s ago/.exec(await note.innerText())?.[1])
  const first = await age()
  await expect.poll(age, { timeout: 8000 }).toBeGreaterThan(first)
  await shoot(t.page, 'real-unreachable-light')
  await act('start-agent')
  await note.waitFor({ state: 'detached', timeout: 40_000 })
  await act('pod', 'zz-after-the-agent')
  await t.page.getByRole('link', { name: 'Containers' }).click()
  await t.page.getByLabel('Search containers').fill('zz-after')
  await row(t.page, 'zz-after-the-agent').waitFor()
  await t.context.close()
})

test('a master that asks who is there takes a token of a service account', async () => {
  const t = await open(browser, at.page)
  await row(t.page, 'prod-eu').waitFor()
  const { words: token } = await act('require-auth')
  await t.page.getByRole('heading', { name: 'Sign in' }).waitFor({ timeout: 30_000 })
  await t.page.getByLabel('A bearer token of the hub').fill(`${token!.slice(0, -6)}AAAAAA`)
  await t.page.getByRole('button', { name: 'Sign in' }).click()
  await t.page.getByText('The hub does not accept this token').waitFor()
  await t.page.getByLabel('A bearer token of the hub').fill(token!)
  await t.page.getByRole('button', { name: 'Sign in' }).click()
  await row(t.page, 'prod-eu').waitFor()
  await t.page.getByText('system:serviceaccount:rollcall-system:page').waitFor()
  expect(await t.context.cookies()).toMatchObject([{ name: '__Host-rollcall-session', httpOnly: true, secure: true, sameSite: 'Strict' }])
  expect(await t.page.evaluate(() => document.cookie)).toBe('')
  await t.page.reload()
  await row(t.page, 'prod-eu').waitFor()
  await t.page.getByRole('button', { name: 'Sign out' }).click()
  await t.page.getByRole('heading', { name: 'Sign in' }).waitFor()
  await t.context.close()
})
