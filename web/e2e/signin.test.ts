import { afterEach, expect, test } from 'vitest'
import { checkView } from './checkview.ts'
import { Master, open } from './harness.ts'

let master: Master

afterEach(() => master.stop())

/** Opens a page of a master that requires a sign-in, and signs in with a token. */
async function signIn(token: string, path = '/') {
  master = await Master.start('fleet', '-auth')
  const t = await open(master.url + path)
  await t.page.getByRole('heading', { name: 'Sign in' }).waitFor()
  await t.page.getByLabel('Bearer token').fill(token)
  await t.page.getByRole('button', { name: 'Sign in' }).click()
  return t
}

test('a token signs in, scripts cannot read it, and signing out removes it', async () => {
  const t = await signIn('admin', '/clusters/prod-eu')
  await t.page.getByText('OOMKilled').first().waitFor()
  expect(await t.page.evaluate(() => document.cookie + JSON.stringify({ ...sessionStorage }))).toBe('{}')
  const [cookie] = await t.context.cookies()
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict' })
  await t.page.reload()
  await t.page.getByText('OOMKilled').first().waitFor()
  await t.page.getByRole('button', { name: 'Sign out' }).click()
  await t.page.getByRole('heading', { name: 'Sign in' }).waitFor()
  await checkView(t.page, 'state-signin', 'light')
})

test('a token that the hub does not accept', async () => {
  const t = await signIn('stolen')
  await t.page.getByText('The hub does not accept this token').waitFor()
  await checkView(t.page, 'state-signin-failed')
})

test('without the right to details, the page has the summary and the missing right', async () => {
  const t = await signIn('viewer', '/clusters/prod-eu')
  await t.page.getByText('You can only see the summary').waitFor()
  await t.page.getByText('user viewer may not watch clusterstatuses/details prod-eu').waitFor()
  await t.page.getByText('CrashLoopBackOff').first().waitFor()
  await checkView(t.page, 'state-summary-only', 'light')
})

test('without the right to list, access is denied', async () => {
  const t = await signIn('nobody')
  await t.page.getByRole('heading', { name: 'Access denied' }).waitFor()
  await t.page.getByText('user nobody may not list clusterstatuses').waitFor()
  await checkView(t.page, 'state-not-allowed', 'light')
})

test('without a hub, the form asks for the printed token', async () => {
  master = await Master.start('fleet', '-auth', '-local')
  const t = await open(master.url)
  await t.page.getByText('Sign in with the ROLLCALL_TOKEN that kubectl rollcall local has printed.').waitFor()
  expect(await t.page.locator('body').innerText()).not.toContain('hub')
  await checkView(t.page, 'state-signin-local', 'light')
})
