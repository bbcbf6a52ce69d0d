import { adjust } from '../route'
import type { Problem } from '../stream/types'
import { Age, Text } from './bits'
import { Entries } from './changes'
import type { TabProps } from './cluster'
import { counted } from './format'

/** What is wrong, and what changed last. */
export function Overview({ cluster, detail }: TabProps) {
  const s = cluster.summary
  return (
    <div className="columns">
      <section aria-label="Problems">
        <h2>Problems</h2>
        {!s ? <p className="mute">Nothing is known of this cluster yet.</p> : s.problems.length === 0 ? <p className="mute">None.</p> : (
          <ul className="problems">{s.problems.map((p) => <Item key={`${p.kind} ${p.what} ${p.where}`} problem={p} />)}</ul>
        )}
        {s && s.problemCount > s.problems.length && <p className="mute">and {counted(s.problemCount - s.problems.length, 'more problem')} of less weight</p>}
      </section>
      <section aria-label="Latest changes">
        <h2>Latest changes</h2>
        {detail.timeline.entries.length === 0 ? <p className="mute">Nothing has changed since this page was opened.</p> : <Entries entries={detail.timeline.entries.slice(0, 20)} />}
      </section>
    </div>
  )
}

function Item({ problem: p }: { problem: Problem }) {
  const target = targetOf(p)
  const body = (
    <>
      <span className="what"><Text>{p.what}</Text> <span className="mute">{p.kind}</span></span>
      <span className="where"><Text>{p.where}</Text></span>
      {p.message && <span className="mute"><Text>{p.message}</Text></span>}
    </>
  )
  return (
    <li>
      {target ? <button type="button" onClick={() => adjust(target, true)}>{body}</button> : <div>{body}</div>}
      <span className="mute since">{p.since && <Age at={p.since} />}</span>
    </li>
  )
}

/** Where a problem can be looked at. */
function targetOf(p: Problem) {
  if (p.kind === 'Port') return { tab: 'ports', only: 'conflicts', port: /:(\d+)\//.exec(p.where)?.[1] }
  return { open: `${p.kind}/${p.where}` }
}
