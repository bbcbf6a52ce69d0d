import type { Summary } from '../stream/types'
import { Entries } from './changes'
import { ProblemRows } from './problemrows'
import { moreProblems, problemLists } from './problems'
import type { TabProps } from './tab'

/** How many of the latest changes are shown. */
const latestChanges = 20

/** The problems and the latest changes of a cluster. */
export function Overview({ cluster, detail }: TabProps) {
  const { summary } = cluster
  const { entries } = detail.timeline
  return (
    <div className="columns">
      <div className="column">
        {summary ? (
          <Problems summary={summary} />
        ) : (
          <section aria-label="Problems">
            <h2>Problems</h2>
            <p className="mute">No report has been received yet.</p>
          </section>
        )}
      </div>
      <section className="column" aria-label="Latest changes">
        <h2>Latest changes</h2>
        {entries.length === 0 ? (
          <p className="mute">Nothing has changed since this page was opened.</p>
        ) : (
          <Entries entries={entries.slice(0, latestChanges)} />
        )}
      </section>
    </div>
  )
}

/** The problems of a summary, with lists of their own for info and muted ones. */
function Problems({ summary: s }: { summary: Summary }) {
  const { problems, info, muted } = problemLists(s)
  const more = moreProblems(s.more.critical, s.more.warning)
  const moreMuted = s.muted - muted.length
  return (
    <>
      <section aria-label="Problems">
        <h2>Problems</h2>
        {problems.length === 0 ? (
          !more && <p className="mute">No problems.</p>
        ) : (
          <ProblemRows label="Problems" problems={problems} />
        )}
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
