import type { Summary } from '../stream/types'
import { Entries } from './changes'
import type { TabProps } from './cluster'
import { listsOf, moreOf } from './problems'
import { ProblemRows } from './problemrows'

/** What is wrong, and what changed last. */
export function Overview({ cluster, detail }: TabProps) {
  const s = cluster.summary
  return (
    <div className="columns">
      <div className="column">{s ? <Problems summary={s} /> : <section aria-label="Problems"><h2>Problems</h2><p className="mute">Nothing is known of this cluster yet.</p></section>}</div>
      <section className="column" aria-label="Latest changes">
        <h2>Latest changes</h2>
        {detail.timeline.entries.length === 0 ? <p className="mute">Nothing has changed since this page was opened.</p> : <Entries entries={detail.timeline.entries.slice(0, 20)} />}
      </section>
    </div>
  )
}

/** The problems of the summary; info and muted ones apart. */
function Problems({ summary: s }: { summary: Summary }) {
  const { problems, info, muted } = listsOf(s)
  const more = moreOf(s.more.critical, s.more.warning)
  const moreMuted = s.muted - muted.length
  return (
    <>
      <section aria-label="Problems">
        <h2>Problems</h2>
        {problems.length === 0 ? !more && <p className="mute">None.</p> : <ProblemRows label="Problems" problems={problems} />}
        {more && <p className="mute more">{more}</p>}
      </section>
      {(info.length > 0 || s.more.info > 0) && (
        <section aria-label="Info">
          <h2>Info</h2>
          <ProblemRows label="Info" problems={info} />
          {s.more.info > 0 && <p className="mute more">and {s.more.info} more</p>}
        </section>
      )}
      {s.muted > 0 && (
        <section aria-label="Muted">
          <h2>Muted</h2>
          <ProblemRows label="Muted" problems={muted} />
          {moreMuted > 0 && <p className="mute more">and {moreMuted} more</p>}
        </section>
      )}
    </>
  )
}
