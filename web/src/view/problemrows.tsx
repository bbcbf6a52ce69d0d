import { adjust } from '../route'
import type { Problem } from '../stream/types'
import { Age, SeverityWords, Text } from './bits'
import { kindOf, kindOfOthers, unnamed } from './problems'

/** A list of problems, in the order in which they come. */
export function ProblemRows({ problems, label }: { problems: Problem[]; label: string }) {
  return <ul className="problems" aria-label={label}>{problems.map((p) => <Row key={`${p.kind} ${p.what} ${p.where} ${p.muted}`} problem={p} />)}</ul>
}

function Row({ problem: p }: { problem: Problem }) {
  const target = targetOf(p)
  return (
    <li className={p.muted ? 'muted' : p.severity}>
      <SeverityWords problem={p} />
      <div className="about">
        <p className="what"><Text>{p.what}</Text> <span className="mute"><Text>{kindOf(p)}</Text></span></p>
        {target ? <button type="button" className="where" onClick={() => adjust(target, true)}><Text>{p.where}</Text></button> : <p className="where"><Text>{p.where}</Text></p>}
        {p.owner && p.owner.kind !== 'Pod' && <p className="mute"><Text>{`${p.owner.kind} ${p.owner.name}`}</Text></p>}
        {p.message && <p className="mute message"><Text>{p.message}</Text></p>}
        <Others problem={p} />
        {p.muted && <p className="message">Muted: <Text>{p.muted}</Text></p>}
      </div>
      <span className="mute since">{p.since && <Age at={p.since} />}</span>
    </li>
  )
}

/** The other objects that a row names, and how many more there are. Those of a port are in its message. */
function Others({ problem: p }: { problem: Problem }) {
  const others = p.others ?? []
  const [kind, more] = [kindOfOthers(p), unnamed(p)]
  if (others.length === 0 || !kind) return null
  return (
    <p className="mute others">
      also {others.map((o, i) => (
        <span key={o}>{i > 0 && ', '}<button type="button" className="link" onClick={() => adjust({ open: `${kind}/${o}` }, true)}><Text>{o}</Text></button></span>
      ))}{more > 0 && ` and ${more} more`}
    </p>
  )
}

const opened = new Set(['Node', 'Pod', 'Container'])

/** Where a problem can be looked at; null where the page has no view of its kind. */
function targetOf(p: Problem) {
  if (p.kind === 'Port') return { tab: 'ports', only: 'conflicts', port: /:(\d+)\/\w+$/.exec(p.where)?.[1] }
  return opened.has(p.kind) ? { open: `${p.kind}/${p.where}` } : null
}
