import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'vite'

/** Writes licenses.txt: the licences of what the built page contains. */
export function licenses(packages: string[]): Plugin {
  return {
    name: 'licenses',
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: 'licenses.txt', source: packages.map(licenceOf).join('\n\n') })
    },
  }
}

function licenceOf(name: string): string {
  const folder = join(import.meta.dirname, 'node_modules', name)
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
  const file = readdirSync(folder).find((f) => /^licen[cs]e/i.test(f))
  if (!file) throw new Error(`${name} has no licence file`)
  return `${name} ${version}\n${'-'.repeat(72)}\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
}
