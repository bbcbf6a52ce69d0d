import { useDeferredValue, useMemo } from 'react'
import { adjust } from '../route'
import type { Entry } from '../stream/timeline'
import { Search, Text, Toggle } from './bits'
import type { TabProps } from './cluster'
import { clock, counted } from './format'

/** The timeline: what the watch saw since this page is open, the newest first. */
export function Changes({ detail, route }: TabProps) {
  const words = useDeferredValue(route.get('q'))
  const only = route.get('only') === 'problems'
  const { entries } = detail.timeline
  const shown = useMemo(() => entries.filter((e) => (!only || e.tone === 'bad' || e.tone === 'warn') && found(e, words)), [entries, only, words])
  return (
    <div className="list">
      <div className="tools">
        <Search value={route.get('q')} onChange={(q) => adjust({ q })} label="Search changes" />
        <Toggle on={only} onChange={(on) => adjust({ only: on ? 'problems' : '' })}>Only problems</Toggle>
        <span className="fill" />
        <span className="mute">{counted(shown.length, 'change')} since this page was opened</span>
      </div>
      <div className="scroll">
        {shown.length === 0 ? <p className="empty">{entries.length ? 'No changes match.' : 'Nothing has changed since this page was opened.'}</p> : <Entries entries={shown.slice(0, 300)} />}
      </div>
    </div>
  )
}

function found(e: Entry, words: string): boolean {
  const text = `${e.kind} ${e.where} ${e.words}`.toLowerCase()
  return words.toLowerCase().split(/\s+/).every((w) => text.includes(w))
}

export function Entries({ entries }: { entries: Entry[] }) {
  return (
    <ol className="entries">
      {entries.map((e) => (
        <li key={e.n} className={e.tone}>
          <time>{clock(e.at)}</time>
          <span className="kind">{e.kind === 'Stream' ? 'Page' : e.kind}</span>
          <span className="said">
            {e.id && <button type="button" className="link" onClick={() => adjust({ open: `${e.kind}/${e.id}` }, true)}><Text>{e.where}</Text></button>} <Text>{e.words}</Text>
          </span>
        </li>
      ))}
    </ol>
  )
}
