import { afterEach, expect, test } from 'vitest'
import { look } from './look.ts'
import { Master, open } from './stage.ts'

let master: Master

afterEach(() => master.stop())

async function signedIn(token: string, path = '/') {
  master = await Master.start('fleet', '-auth')
  const t = await open(master.url + path)
  await t.page.getByRole('heading', { name: 'Sign in' }).waitFor()
  await t.page.getByLabel('A bearer token of the hub').fill(token)
  await t.page.getByRole('button', { name: 'Sign in' }).click()
  return t
}

test('a token signs in, is nowhere to be read, and signing out forgets it', async () => {
  const t = await signedIn('admin', '/clusters/prod-eu')
  await t.page.getByText('OOMKilled').first().waitFor()
  expect(await t.page.evaluate(() => document.cookie + JSON.stringify({ ...sessionStorage }))).toBe('{}')
  const [cookie] = await t.context.cookies()
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict' })
  await t.page.reload()
  await t.page.getByText('OOMKilled').first().waitFor()
  await t.page.getByRole('button', { name: 'Sign out' }).click()
  await t.page.getByRole('heading', { name: 'Sign in' }).waitFor()
  await look(t.page, 'state-signin', 'light')
})

test('a token that is not accepted', async () => {
  const t = await signedIn('stolen')
  await t.page.getByText('The hub does not accept this token').waitFor()
  await look(t.page, 'state-signin-failed')
})

test('who may see summaries only is told what is missing', async () => {
  const t = await signedIn('viewer', '/clusters/prod-eu')
  await t.page.getByText('You may see the summary only').waitFor()
  await t.page.getByText('user viewer may not watch clusterstatuses/details prod-eu').waitFor()
  await t.page.getByText('CrashLoopBackOff').first().waitFor()
  await look(t.page, 'state-summary-only', 'light')
})

test('who may see nothing', async () => {
  const t = await signedIn('nobody')
  await t.page.getByRole('heading', { name: 'You may not see this' }).waitFor()
  await t.page.getByText('user nobody may not list clusterstatuses').waitFor()
  await look(t.page, 'state-not-allowed', 'light')
})
