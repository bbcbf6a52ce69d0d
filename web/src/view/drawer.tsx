import { useEffect, useMemo, useRef } from 'react'
import { setParams } from '../route'
import type { Detail } from '../stream/detail'
import { displayName, portUser } from '../stream/timeline'
import type { Cluster, Condition, Container, Node, Pod, Port, Problem, RowKind, Rows, Target } from '../stream/types'
import { portId, rowId } from '../stream/types'
import { Entries } from './changes'
import { Age, PodColumns, podLine, SeverityIcon, Text } from './components'
import { Fields } from './fields'
import { useProblems } from './hooks'
import { targetName } from './ports'
import { ProblemRows } from './problemrows'
import { ProblemIndex } from './problems'
import { Usage } from './usage'

/** How many changes of the object, and how many links of a list, are shown at most. */
const maxChanges = 30
const maxLinks = 100

interface Props {
  cluster: Cluster
  detail: Detail
  /** The object as Kind/id. */
  open: string
}

/** The panel with all data of one object, and links to the objects it is related to. */
export function Drawer({ cluster, detail, open }: Props) {
  const slash = open.indexOf('/')
  const kind = open.slice(0, slash) as RowKind
  const id = open.slice(slash + 1)
  // The kind comes from the URL: it may be the name of any property.
  const object = Object.hasOwn(detail.tables, kind) ? detail.tables[kind].get(id) : undefined
  const element = useRef<HTMLElement>(null)
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null
    element.current?.focus()
    return () => before?.focus()
  }, [])
  const clusterProblems = useProblems(cluster)
  const problems = useMemo(() => new ProblemIndex(clusterProblems).of(kind, id), [clusterProblems, kind, id])
  const changes = detail.timeline.entries.filter((e) => e.id === id && e.kind === kind).slice(0, maxChanges)
  const missing = detail.ready ? 'This object no longer exists.' : 'This object is shown after the first report.'
  return (
    <aside
      className="drawer"
      ref={element}
      tabIndex={-1}
      aria-label={`${kind} ${id}`}
      onKeyDown={(e) => {
        if (e.key !== 'Escape') return
        e.stopPropagation()
        close()
      }}
    >
      <header>
        <div>
          <span className="mute">{kind}</span>
          <h2>
            <Text>{object ? displayName(kind, object as Rows[RowKind]) : id}</Text>
          </h2>
        </div>
        <button type="button" className="small" onClick={close} aria-keyshortcuts="Escape">
          Close
        </button>
      </header>
      {(kind === 'Node' || kind === 'Container') && object && (
        <Usage kind={kind} object={object as Node | Container} revision={detail.usageRevision} />
      )}
      {problems.length > 0 && (
        <section>
          <h3>Problems</h3>
          <ProblemRows label={`Problems of ${id}`} problems={problems} />
        </section>
      )}
      {object ? (
        <Related detail={detail} kind={kind} object={object as Rows[RowKind]} problems={problems} />
      ) : (
        <p className="mute">{missing}</p>
      )}
      {changes.length > 0 && (
        <section>
          <h3>Changes</h3>
          <Entries entries={changes.map((e) => ({ ...e, id: '' }))} />
        </section>
      )}
      {object && (
        <section>
          <h3>Details</h3>
          <Fields value={kind === 'Node' ? { ...object, conditions: undefined } : object} />
        </section>
      )}
    </aside>
  )
}

const close = () => setParams({ open: '' })

interface RelatedProps<T> {
  object: T
  detail: Detail
  problems: Problem[]
}

function Related({ kind, object, ...props }: RelatedProps<Rows[RowKind]> & { kind: RowKind }) {
  switch (kind) {
    case 'Node':
      return <RelatedToNode object={object as Node} {...props} />
    case 'Pod':
      return <RelatedToPod object={object as Pod} {...props} />
    case 'Container':
      return <RelatedToContainer object={object as Container} {...props} />
    case 'Port':
      return <RelatedToPort object={object as Port} {...props} />
  }
}

function RelatedToNode({ object: n, detail, problems }: RelatedProps<Node>) {
  const containers = [...detail.tables.Container.values()].filter((c) => c.node === n.name).length
  const showContainers = () => setParams({ tab: 'containers', node: n.name, q: '', only: '', sort: '', open: '' }, true)
  return (
    <section>
      <button type="button" className="link" onClick={showContainers}>
        {containers} containers on this node
      </button>
      {n.conditions?.length ? <Conditions conditions={n.conditions} problems={problems} /> : null}
    </section>
  )
}

/** All conditions of a node. Those that a problem is about have its severity. */
function Conditions({ conditions, problems }: { conditions: Condition[]; problems: Problem[] }) {
  const problemOf = (c: Condition) => problems.find((p) => p.what === (c.type === 'Ready' ? 'NotReady' : c.type))
  return (
    <>
      <h3>Conditions</h3>
      <table className="conditions">
        <thead className="visually-hidden">
          <tr>
            <th scope="col">Type</th>
            <th scope="col">Status</th>
            <th scope="col">Since</th>
          </tr>
        </thead>
        <tbody>
          {conditions.map((c) => {
            const problem = problemOf(c)
            return (
              <tr key={c.type} className={problem && !problem.muted ? problem.severity : ''}>
                <th scope="row">
                  <span className="line">
                    <Text>{c.type}</Text>
                  </span>
                  {(c.message || c.reason) && (
                    <span className="mute message">
                      <Text>{c.message || c.reason}</Text>
                    </span>
                  )}
                </th>
                <td>
                  <span className="line">
                    {problem && <SeverityIcon problem={problem} />}
                    {c.status}
                  </span>
                </td>
                <td className="mute">{c.since && <Age at={c.since} />}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </>
  )
}

/** The message of an object, unless one of its problems contains it. */
function Message({ message, problems }: { message: string | undefined; problems: Problem[] }) {
  return message && !problems.some((p) => p.message?.includes(message)) ? (
    <p>
      <Text>{message}</Text>
    </p>
  ) : null
}

function RelatedToPod({ object: p, detail, problems }: RelatedProps<Pod>) {
  const containers = [...detail.tables.Container.values()].filter(
    (c) => c.namespace === p.namespace && c.pod === p.name,
  )
  return (
    <section>
      <PodColumns p={p} />
      <Message message={p.message} problems={problems} />
      <Links title="Containers" links={containers.map(containerLink)} />
      <Links title="Node" links={p.node ? [nodeLink(p.node)] : []} />
    </section>
  )
}

function RelatedToContainer({ object: c, detail, problems }: RelatedProps<Container>) {
  const ports = [...detail.tables.Port.values()].filter((p) =>
    p.targets.some((t) => t.namespace === c.namespace && t.pod === c.pod),
  )
  const siblings = [...detail.tables.Container.values()].filter(
    (o) => o !== c && o.namespace === c.namespace && o.pod === c.pod,
  )
  const pod = detail.tables.Pod.get(`${c.namespace}/${c.pod}`)
  return (
    <section>
      <Message message={c.message} problems={problems} />
      {c.last && (
        <p>
          Last exit:{' '}
          <b>
            <Text>{c.last.reason ?? 'unknown'}</Text>
          </b>
          , exit code {c.last.exitCode}
          {c.last.finishedAt && (
            <>
              , <Age at={c.last.finishedAt} suffix />
            </>
          )}
        </p>
      )}
      <Links title="Pod" links={pod ? [[`Pod/${rowId.Pod(pod)}`, `${c.pod}: ${podLine(pod)}`]] : []} />
      <Links title="Other containers in this pod" links={siblings.map(containerLink)} />
      <Links
        title="Ports of this pod"
        links={ports.map((p) => [`Port/${rowId.Port(p)}`, `${displayName('Port', p)}, ${p.kind}`])}
      />
      <Links title="Node" links={c.node ? [nodeLink(c.node)] : []} />
    </section>
  )
}

function RelatedToPort({ object: p, detail }: RelatedProps<Port>) {
  const podStatus = (t: Target) => {
    const pod = t.pod ? detail.tables.Pod.get(`${t.namespace}/${t.pod}`) : undefined
    return pod ? `: ${podLine(pod)}` : ''
  }
  const conflicts = (p.conflicts ?? []).map(
    (o): Link => [`Port/${portId(o)}`, `${portUser(o)} (${o.kind}), ${o.node === '*' ? 'all nodes' : o.node}`],
  )
  return (
    <section>
      <p>
        Used by{' '}
        <b>
          <Text>{portUser(p)}</Text>
        </b>{' '}
        as {p.kind}.
      </p>
      <Links title="Conflicts with" bad links={conflicts} />
      <Links
        title="Targets"
        links={p.targets.map((t) => [
          t.pod ? `Pod/${t.namespace}/${t.pod}` : '',
          `${targetName(t)}${t.ready ? '' : ' (not ready)'}${podStatus(t)}`,
        ])}
      />
    </section>
  )
}

/** The object that a link opens as Kind/id, or '' for none; and its text. */
type Link = [open: string, text: string]

const containerLink = (c: Container): Link => [`Container/${rowId.Container(c)}`, `${c.name}: ${c.reason ?? c.state}`]
const nodeLink = (name: string): Link => [`Node/${name}`, name]

function Links({ title, links, bad }: { title: string; links: Link[]; bad?: boolean }) {
  if (links.length === 0) return null
  return (
    <>
      <h3 className={bad ? 'bad' : ''}>{title}</h3>
      <ul className="links">
        {links.slice(0, maxLinks).map(([open, text]) => (
          <li key={open + text}>
            {open ? (
              <button type="button" className="link" onClick={() => setParams({ open }, true)}>
                <Text>{text}</Text>
              </button>
            ) : (
              <Text>{text}</Text>
            )}
          </li>
        ))}
      </ul>
      {links.length > maxLinks && <p className="mute">and {links.length - maxLinks} more</p>}
    </>
  )
}
