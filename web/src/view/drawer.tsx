import { useEffect, useMemo, useRef } from 'react'
import { adjust } from '../route'
import type { Detail } from '../stream/detail'
import { holderOf, whereOf } from '../stream/timeline'
import type { Cluster, Condition, Container, Node, Pod, Port, Problem, RowKind, Rows, Target } from '../stream/types'
import { portId } from '../stream/types'
import { Age, PodColumns, podLine, SeverityIcon, Text } from './bits'
import { Entries } from './changes'
import { idOfContainer } from './containers'
import { Facts } from './facts'
import { useProblems } from './hooks'
import { placeOf } from './ports'
import { ProblemIndex } from './problems'
import { ProblemRows } from './problemrows'
import { Usage } from './usage'

interface Props {
  cluster: Cluster
  detail: Detail
  /** Kind/id */
  open: string
}

/** Everything that is known of one object, and what it has to do with others. */
export function Drawer({ cluster, detail, open }: Props) {
  const slash = open.indexOf('/')
  const kind = open.slice(0, slash) as RowKind
  const id = open.slice(slash + 1)
  // The URL is anybody's: a table is not had by any name that an object has.
  const object = Object.hasOwn(detail.tables, kind) ? detail.tables[kind].get(id) : undefined
  const element = useRef<HTMLElement>(null)
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null
    element.current?.focus()
    return () => before?.focus()
  }, [])
  const listed = useProblems(cluster)
  const problems = useMemo(() => new ProblemIndex(listed).of(kind, id), [listed, kind, id])
  const changes = detail.timeline.entries.filter((e) => e.id === id && e.kind === kind).slice(0, 30)
  return (
    <aside className="drawer" ref={element} tabIndex={-1} aria-label={`${kind} ${id}`} onKeyDown={(e) => e.key === 'Escape' && (e.stopPropagation(), close())}>
      <header>
        <div><span className="mute">{kind}</span><h2><Text>{object ? whereOf(kind, object as Rows[RowKind]) : id}</Text></h2></div>
        <button type="button" className="small" onClick={close} aria-keyshortcuts="Escape">Close</button>
      </header>
      {(kind === 'Node' || kind === 'Container') && object && <Usage kind={kind} object={object as Node | Container} readings={detail.readings} />}
      {problems.length > 0 && <section><h3>Problems</h3><ProblemRows label={`Problems of ${id}`} problems={problems} /></section>}
      {object ? <Related detail={detail} kind={kind} object={object as Rows[RowKind]} problems={problems} /> : <p className="mute">{detail.ready ? 'It no longer exists.' : 'It is shown after the first report.'}</p>}
      {changes.length > 0 && <section><h3>Changes</h3><Entries entries={changes.map((e) => ({ ...e, id: '' }))} /></section>}
      {object && <section><h3>Details</h3><Facts value={kind === 'Node' ? { ...object, conditions: undefined } : object} /></section>}
    </aside>
  )
}

const close = () => adjust({ open: '' })

function Related({ detail, kind, object, problems }: { detail: Detail; kind: RowKind; object: Rows[RowKind]; problems: Problem[] }) {
  switch (kind) {
    case 'Node': return <OfNode n={object as Node} detail={detail} problems={problems} />
    case 'Pod': return <OfPod p={object as Pod} detail={detail} problems={problems} />
    case 'Container': return <OfContainer c={object as Container} detail={detail} problems={problems} />
    case 'Port': return <OfPort p={object as Port} detail={detail} />
  }
}

function OfNode({ n, detail, problems }: { n: Node; detail: Detail; problems: Problem[] }) {
  const containers = [...detail.tables.Container.values()].filter((c) => c.node === n.name).length
  return (
    <section>
      <button type="button" className="link" onClick={() => adjust({ tab: 'containers', node: n.name, q: '', only: '', sort: '', open: '' }, true)}>{containers} containers on it</button>
      {n.conditions?.length ? <Conditions conditions={n.conditions} problems={problems} /> : null}
    </section>
  )
}

/** All conditions of a node, those marked that its problems are about. */
function Conditions({ conditions, problems }: { conditions: Condition[]; problems: Problem[] }) {
  const problemOf = (c: Condition) => problems.find((p) => p.what === (c.type === 'Ready' ? 'NotReady' : c.type))
  return (
    <>
      <h3>Conditions</h3>
      <table className="conditions">
        <thead className="hidden"><tr><th scope="col">Type</th><th scope="col">Status</th><th scope="col">Since</th></tr></thead>
        <tbody>
          {conditions.map((c) => {
            const problem = problemOf(c)
            return (
              <tr key={c.type} className={problem && !problem.muted ? problem.severity : ''}>
                <th scope="row">
                  <span className="line"><Text>{c.type}</Text></span>
                  {(c.message || c.reason) && <span className="mute message"><Text>{c.message || c.reason}</Text></span>}
                </th>
                <td><span className="line">{problem && <SeverityIcon problem={problem} />}{c.status}</span></td>
                <td className="mute">{c.since && <Age at={c.since} />}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </>
  )
}

/** What the kubelet says of an object, unless its problems say it already. */
function Message({ of: { message }, problems }: { of: { message?: string }; problems: Problem[] }) {
  return message && !problems.some((p) => p.message?.includes(message)) ? <p><Text>{message}</Text></p> : null
}

function OfPod({ p, detail, problems }: { p: Pod; detail: Detail; problems: Problem[] }) {
  const containers = [...detail.tables.Container.values()].filter((c) => c.namespace === p.namespace && c.pod === p.name)
  return (
    <section>
      <PodColumns p={p} />
      <Message of={p} problems={problems} />
      <Links title="Containers" of={containers.map((c) => [`Container/${idOfContainer(c)}`, `${c.name}: ${c.reason ?? c.state}`])} />
      <Links title="Node" of={p.node ? [[`Node/${p.node}`, p.node]] : []} />
    </section>
  )
}

function OfContainer({ c, detail, problems }: { c: Container; detail: Detail; problems: Problem[] }) {
  const ports = [...detail.tables.Port.values()].filter((p) => p.targets.some((t) => t.namespace === c.namespace && t.pod === c.pod))
  const siblings = [...detail.tables.Container.values()].filter((o) => o !== c && o.namespace === c.namespace && o.pod === c.pod)
  const pod = detail.tables.Pod.get(`${c.namespace}/${c.pod}`)
  return (
    <section>
      <Message of={c} problems={problems} />
      {c.last && <p>Last exit: <b><Text>{c.last.reason ?? 'unknown'}</Text></b>, exit code {c.last.exitCode}{c.last.finishedAt && <>, <Age at={c.last.finishedAt} ago /></>}</p>}
      <Links title="Pod" of={pod ? [[`Pod/${c.namespace}/${c.pod}`, `${c.pod}: ${podLine(pod)}`]] : []} />
      <Links title="Other containers in this pod" of={siblings.map((o) => [`Container/${idOfContainer(o)}`, `${o.name}: ${o.reason ?? o.state}`])} />
      <Links title="Ports that lead to its pod" of={ports.map((p) => [`Port/${portId(p)}`, `${whereOf('Port', p)}, ${p.kind}`])} />
      <Links title="Node" of={c.node ? [[`Node/${c.node}`, c.node]] : []} />
    </section>
  )
}

function OfPort({ p, detail }: { p: Port; detail: Detail }) {
  const status = (t: Target) => {
    const pod = t.pod ? detail.tables.Pod.get(`${t.namespace}/${t.pod}`) : undefined
    return pod ? `: ${podLine(pod)}` : ''
  }
  return (
    <section>
      <p>Held by <b><Text>{holderOf(p)}</Text></b> as {p.kind}.</p>
      {p.conflicts?.length ? <Links title="Conflicts with" bad of={p.conflicts.map((o) => [`Port/${portId(o)}`, `${holderOf(o)} (${o.kind}), ${o.node === '*' ? 'all nodes' : o.node}`])} /> : null}
      <Links title="Leads to" of={p.targets.map((t) => [t.pod ? `Pod/${t.namespace}/${t.pod}` : '', `${placeOf(t)}${t.ready ? '' : ' (not ready)'}${status(t)}`])} />
    </section>
  )
}

function Links({ title, of, bad }: { title: string; of: string[][]; bad?: boolean }) {
  if (of.length === 0) return null
  return (
    <>
      <h3 className={bad ? 'bad' : ''}>{title}</h3>
      <ul className="links">
        {of.slice(0, 100).map(([open, words]) => (
          <li key={open + words}>{open ? <button type="button" className="link" onClick={() => adjust({ open }, true)}><Text>{words}</Text></button> : <Text>{words}</Text>}</li>
        ))}
      </ul>
      {of.length > 100 && <p className="mute">and {of.length - 100} more</p>}
    </>
  )
}
