// Functions that format numbers, times and text from clusters as plain text.

const number = new Intl.NumberFormat('en')

/** Returns an integer with thousands separators. */
export const count = (n: number) => number.format(n)

/** Returns a number with its noun: "1 node", "3 nodes". */
export const counted = (n: number, singular: string, plural = `${singular}s`) =>
  `${count(n)} ${n === 1 ? singular : plural}`

/** Returns millicores as cores, or with the unit "m" below one core: "250m", "1.5", "120". */
export function cores(millis: number): string {
  if (millis < 1000) return `${count(millis)}m`
  const c = millis / 1000
  return number.format(c >= 100 ? Math.round(c) : Math.round(c * 10) / 10)
}

const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** Returns bytes with a binary unit: "512 B", "1.5 GiB". */
export function bytes(n: number): string {
  let unit = 0
  while (n >= 1024 && unit < byteUnits.length - 1) {
    n /= 1024
    unit++
  }
  return `${number.format(n >= 100 || unit === 0 ? Math.round(n) : Math.round(n * 10) / 10)} ${byteUnits[unit]}`
}

/** Returns a share in whole per cent, rounded down as kubectl does; '' if it is unknown. */
export function percent(part: number | undefined, total: number): string {
  if (part === undefined || total <= 0) return ''
  return `${Math.floor((100 * part) / total)}%`
}

const durationUnits: [number, string][] = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
]

/** Returns a duration in the largest unit that fits: "40 s", "2 h". Negative durations are "0 s". */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  for (const [size, unit] of durationUnits) if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`
  return '0 s'
}

/** Returns a time of day in the browser's time zone, as HH:MM:SS. */
export function clock(ms: number): string {
  return new Date(ms).toLocaleTimeString('en-GB')
}

const dateTimeFormat = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'medium' })

/** Returns an RFC 3339 time as YYYY-MM-DD HH:MM:SS in the browser's time zone, or as it is if it is malformed. */
export function dateTime(rfc3339: string): string {
  const at = new Date(rfc3339)
  return Number.isNaN(at.getTime()) ? rfc3339 : dateTimeFormat.format(at)
}

// Control characters, characters that change the text direction, and invisible ones.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are escaped
const unsafe = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g

/** Returns text with invisible characters as escapes, so that it cannot look like other text. */
export function visible(text: string): string {
  return text.replace(unsafe, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Returns the words of a search query, in lower case. */
export function wordsOf(query: string): string[] {
  return query.toLowerCase().split(/\s+/).filter(Boolean)
}

/** Reports whether a text contains all words of a search query, in any case. */
export function matchesAll(text: string, query: string): boolean {
  const lower = text.toLowerCase()
  return wordsOf(query).every((word) => lower.includes(word))
}
