import { bytes, cores, count, dateTime, visible } from './format'

/** The fields of an object of any shape, with nested objects indented. Empty fields are left out. */
export function Fields({ value }: { value: object }) {
  return (
    <dl className="fields">
      {Object.entries(value)
        .filter(([, v]) => !isEmpty(v))
        .map(([name, v]) => (
          <div key={name} className={isScalar(v) ? '' : 'nested'}>
            <dt>{labelOf(visible(name))}</dt>
            <dd>
              <Value name={name} value={v} />
            </dd>
          </div>
        ))}
    </dl>
  )
}

function Value({ name, value }: { name: string; value: unknown }) {
  if (isScalar(value)) return <bdi>{visible(formatScalar(name, value))}</bdi>
  if (!Array.isArray(value)) return <Fields value={value as object} />
  if (value.every(isScalar)) return <bdi>{visible(value.map((v) => formatScalar(name, v)).join(', '))}</bdi>
  return (
    <ol>
      {value.map((v, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the items have no id, and the list is replaced as a whole
        <li key={i}>
          <Fields value={v as object} />
        </li>
      ))}
    </ol>
  )
}

const isScalar = (v: unknown) => typeof v !== 'object'

function isEmpty(v: unknown): boolean {
  return v === '' || v === null || v === undefined || (Array.isArray(v) && v.length === 0)
}

/** Formats a value by the name of its field: memoryBytes as bytes, createdAt as a time. */
function formatScalar(name: string, v: unknown): string {
  if (typeof v === 'boolean') return v ? 'yes' : 'no'
  if (typeof v === 'number') {
    if (name.endsWith('Bytes')) return bytes(v)
    if (name.endsWith('Millis')) return cores(v)
    return /port/i.test(name) || name === 'exitCode' ? String(v) : count(v)
  }
  const text = String(v)
  return /(At|Since|since)$/.test(name) ? dateTime(text) : text
}

/** Returns the label of a field: "memory" for memoryBytes, "pod IPs" for podIPs. Names with "." or "/" are kept. */
function labelOf(name: string): string {
  if (name.includes('.') || name.includes('/')) return name
  return name
    .replace(/(Bytes|Millis)$/, '')
    .replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b}`)
    .replace(/ ([A-Z])(?=[a-z])/g, (_, c: string) => ` ${c.toLowerCase()}`)
}
