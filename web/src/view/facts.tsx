import { bytes, cores, count, moment, visible } from './format'

/** An object of any shape as names and values, nested where it is. */
export function Facts({ value }: { value: object }) {
  return (
    <dl className="facts-list">
      {Object.entries(value).filter(([, v]) => !isNothing(v)).map(([name, v]) => (
        <div key={name} className={isPlain(v) ? '' : 'nested'}>
          <dt>{wordsOf(visible(name))}</dt>
          <dd><Value name={name} value={v} /></dd>
        </div>
      ))}
    </dl>
  )
}

function Value({ name, value }: { name: string; value: unknown }) {
  if (isPlain(value)) return <bdi>{visible(said(name, value))}</bdi>
  if (!Array.isArray(value)) return <Facts value={value as object} />
  if (value.every(isPlain)) return <bdi>{visible(value.map((v) => said(name, v)).join(', '))}</bdi>
  return <ol>{value.map((v, i) => <li key={i}><Facts value={v as object} /></li>)}</ol>
}

const isPlain = (v: unknown) => typeof v !== 'object'

function isNothing(v: unknown): boolean {
  return v === '' || v === null || v === undefined || (Array.isArray(v) && v.length === 0)
}

/** A value as its name asks for it. */
function said(name: string, v: unknown): string {
  if (typeof v === 'boolean') return v ? 'yes' : 'no'
  if (typeof v === 'number') {
    if (name.endsWith('Bytes')) return bytes(v)
    if (name.endsWith('Millis')) return cores(v)
    return /port/i.test(name) || name === 'exitCode' ? String(v) : count(v)
  }
  const text = String(v)
  return /(At|Since|since)$/.test(name) ? moment(text) : text
}

/** memoryBytes is «memory», podIPs «pod IPs». */
function wordsOf(name: string): string {
  if (name.includes('.') || name.includes('/')) return name
  return name.replace(/(Bytes|Millis)$/, '').replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b}`).replace(/ ([A-Z])(?=[a-z])/g, (_, c: string) => ` ${c.toLowerCase()}`)
}
