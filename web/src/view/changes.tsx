import { useDeferredValue, useMemo } from 'react'
import { setParams } from '../route'
import type { Entry } from '../stream/timeline'
import { SearchField, Text, Toggle } from './components'
import { clock, counted, matchesAll } from './format'
import type { TabProps } from './tab'

/** How many entries are shown at most. */
const maxShown = 300

/** The changes since the page was opened, newest first. */
export function Changes({ detail, route }: TabProps) {
  const query = useDeferredValue(route.get('q'))
  const onlyProblems = route.get('only') === 'problems'
  const { entries } = detail.timeline
  const visible = useMemo(
    () =>
      entries.filter(
        (e) =>
          (!onlyProblems || e.tone === 'bad' || e.tone === 'warn') &&
          matchesAll(`${e.kind} ${e.where} ${e.text}`, query),
      ),
    [entries, onlyProblems, query],
  )
  const empty = entries.length ? 'No changes match.' : 'Nothing has changed since this page was opened.'
  return (
    <div className="list">
      <div className="tools">
        <SearchField value={route.get('q')} onChange={(q) => setParams({ q })} label="Search changes" />
        <Toggle on={onlyProblems} onChange={(on) => setParams({ only: on ? 'problems' : '' })}>
          Only problems
        </Toggle>
        <span className="spacer" />
        <span className="mute">{counted(visible.length, 'change')} since this page was opened</span>
      </div>
      <div className="scroll">
        {visible.length === 0 ? <p className="empty">{empty}</p> : <Entries entries={visible.slice(0, maxShown)} />}
      </div>
    </div>
  )
}

/** Entries of the timeline, with links to the rows that still have an id. */
export function Entries({ entries }: { entries: Entry[] }) {
  return (
    <ol className="entries">
      {entries.map((e) => (
        <li key={e.n} className={e.tone}>
          <time>{clock(e.at)}</time>
          <span className="kind">{e.kind}</span>
          <span className="description">
            {e.id && (
              <button type="button" className="link" onClick={() => setParams({ open: `${e.kind}/${e.id}` }, true)}>
                <Text>{e.where}</Text>
              </button>
            )}{' '}
            <Text>{e.text}</Text>
          </span>
        </li>
      ))}
    </ol>
  )
}
