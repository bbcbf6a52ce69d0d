// Generates TypeScript from docs/openapi.json:
//   schema.ts                     all paths and types, for client.ts
//   ../../web/src/stream/openapi.ts  the types that the page uses
import { readFileSync, writeFileSync } from 'node:fs'
import openapiTS, { astToString } from 'openapi-typescript'

const document = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'))
const header = '// Generated from docs/openapi.json by `make generate`. Do not edit.\n\n'

async function write(path, part) {
  const text = astToString(await openapiTS(part)).trim()
  writeFileSync(new URL(path, import.meta.url), `${header}${text}\n`)
}

// The schemas that the page's events and lists lead to.
const wanted = ['Event', 'ClusterList', 'Problem', 'Status', 'SignedIn', 'Credentials', 'Version']
const schemas = {}
for (const name of wanted) {
  schemas[name] = document.components.schemas[name]
  for (const [, other] of JSON.stringify(schemas[name]).matchAll(/#\/components\/schemas\/(\w+)/g)) {
    if (!wanted.includes(other)) wanted.push(other)
  }
}

await write('schema.ts', document)
await write('../../web/src/stream/openapi.ts', { ...document, paths: {}, components: { schemas } })
