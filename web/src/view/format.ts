// How numbers, times and foreign text are shown. All of it is plain text.

const number = new Intl.NumberFormat('en')

export const count = (n: number) => number.format(n)

/** A number with its noun: "1 node", "3 nodes". */
export const counted = (n: number, one: string, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`

/** Cores with as many digits as they are worth. */
export function cores(millis: number): string {
  if (millis < 1000) return `${count(millis)}m`
  const c = millis / 1000
  return number.format(c >= 100 ? Math.round(c) : Math.round(c * 10) / 10)
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

export function bytes(n: number): string {
  let unit = 0
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024
    unit++
  }
  return `${number.format(n >= 100 || unit === 0 ? Math.round(n) : Math.round(n * 10) / 10)} ${units[unit]}`
}

/** A share in whole per cent, rounded down as kubectl's columns are; empty where there is none. */
export function percent(part: number | undefined, whole: number): string {
  if (part === undefined || whole <= 0) return ''
  return `${Math.floor((100 * part) / whole)}%`
}

const steps: [number, string][] = [[86_400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']]

/** How long ago, in the largest unit that fits. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  for (const [size, unit] of steps) if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`
  return '0 s'
}

/** A time as the reader's clock has it. */
export function clock(ms: number): string {
  return new Date(ms).toLocaleTimeString('en-GB')
}

const dated = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'medium' })

/** A time as it came, or with the reader's date. */
export function moment(rfc3339: string): string {
  const at = new Date(rfc3339)
  return Number.isNaN(at.getTime()) ? rfc3339 : dated.format(at)
}

// Control characters, and those that turn the direction of what follows or cannot be seen.
const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g

/** Foreign text with what would deceive the eye made visible. */
export function visible(text: string): string {
  return text.replace(unseen, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
