import { memo } from 'react'
import { visible } from './format'

/** One of several values, or any. There may be hundreds, so it is made again only when they are others. */
export const Choice = memo(function Choice({ label, value, of, onChange }: { label: string; value: string; of: string[]; onChange: (v: string) => void }) {
  const all = value && !of.includes(value) ? [value, ...of] : of
  return (
    <select className={`choice ${value ? 'set' : ''}`} value={value} aria-label={label} onChange={(e) => onChange(e.target.value)}>
      <option value="">{label}: any</option>
      {all.map((one) => <option key={one} value={one}>{visible(one)}</option>)}
    </select>
  )
})
