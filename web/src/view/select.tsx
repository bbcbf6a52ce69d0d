import { memo } from 'react'
import { visible } from './format'

/**
 * A filter by one of several values, or any. It is memoized, as there may be hundreds of options: options and onChange
 * have to be the same objects as long as they have not changed.
 */
export const Select = memo(function Select({
  label,
  value,
  options,
  onChange,
}: {
  label: string
  value: string
  options: string[]
  onChange: (v: string) => void
}) {
  const all = value && !options.includes(value) ? [value, ...options] : options
  return (
    <select
      className={`select ${value ? 'set' : ''}`}
      value={value}
      aria-label={label}
      onChange={(e) => onChange(e.target.value)}
    >
      <option value="">{label}: any</option>
      {all.map((option) => (
        <option key={option} value={option}>
          {visible(option)}
        </option>
      ))}
    </select>
  )
})
