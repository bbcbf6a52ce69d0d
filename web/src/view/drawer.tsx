import { useEffect, useRef } from 'react'
import { adjust } from '../route'
import type { Detail } from '../stream/detail'
import { holderOf, whereOf } from '../stream/timeline'
import type { Cluster, Container, Node, Pod, Port, RowKind, Rows } from '../stream/types'
import { portId } from '../stream/types'
import { Age, Text } from './bits'
import { Entries } from './changes'
import { idOfContainer } from './containers'
import { Facts } from './facts'
import { placeOf } from './ports'
import { Usage } from './usage'

interface Props {
  cluster: Cluster
  detail: Detail
  /** Kind/id */
  open: string
}

/** Everything that is known of one object, and what it has to do with others. */
export function Drawer({ detail, open }: Props) {
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
  const changes = detail.timeline.entries.filter((e) => e.id === id && e.kind === kind).slice(0, 30)
  return (
    <aside className="drawer" ref={element} tabIndex={-1} aria-label={`${kind} ${id}`} onKeyDown={(e) => e.key === 'Escape' && (e.stopPropagation(), close())}>
      <header>
        <div><span className="mute">{kind}</span><h2><Text>{object ? whereOf(kind, object as Rows[RowKind]) : id}</Text></h2></div>
        <button type="button" className="small" onClick={close} aria-keyshortcuts="Escape">Close</button>
      </header>
      {(kind === 'Node' || kind === 'Container') && object && <Usage kind={kind} object={object as Node | Container} readings={detail.readings} />}
      {object ? <Related detail={detail} kind={kind} object={object as Rows[RowKind]} /> : <p className="mute">{detail.ready ? 'It is gone.' : 'It comes with the first report.'}</p>}
      {changes.length > 0 && <section><h3>Changes</h3><Entries entries={changes.map((e) => ({ ...e, id: '' }))} /></section>}
      {object && <section><h3>All of it</h3><Facts value={object} /></section>}
    </aside>
  )
}

const close = () => adjust({ open: '' })

function Related({ detail, kind, object }: { detail: Detail; kind: RowKind; object: Rows[RowKind] }) {
  switch (kind) {
    case 'Node': return <OfNode n={object as Node} detail={detail} />
    case 'Pod': return <OfPod p={object as Pod} detail={detail} />
    case 'Container': return <OfContainer c={object as Container} detail={detail} />
    case 'Port': return <OfPort p={object as Port} />
  }
}

function OfNode({ n, detail }: { n: Node; detail: Detail }) {
  const containers = [...detail.tables.Container.values()].filter((c) => c.node === n.name).length
  return (
    <section>
      {n.problems?.map((p) => <p key={p.type} className="bad"><b><Text>{p.type}</Text></b> <Text>{p.message ?? p.reason}</Text> {p.since && <Age at={p.since} ago />}</p>)}
      <button type="button" className="link" onClick={() => adjust({ tab: 'containers', node: n.name, q: '', only: '', sort: '', open: '' }, true)}>{containers} containers on it</button>
    </section>
  )
}

function OfPod({ p, detail }: { p: Pod; detail: Detail }) {
  const containers = [...detail.tables.Container.values()].filter((c) => c.namespace === p.namespace && c.pod === p.name)
  return (
    <section>
      {p.message && <p className="bad"><Text>{p.message}</Text></p>}
      <Links title="Containers" of={containers.map((c) => [`Container/${idOfContainer(c)}`, `${c.name}: ${c.reason ?? c.state}`])} />
      <Links title="Node" of={p.node ? [[`Node/${p.node}`, p.node]] : []} />
    </section>
  )
}

function OfContainer({ c, detail }: { c: Container; detail: Detail }) {
  const ports = [...detail.tables.Port.values()].filter((p) => p.targets.some((t) => t.namespace === c.namespace && t.pod === c.pod))
  const siblings = [...detail.tables.Container.values()].filter((o) => o !== c && o.namespace === c.namespace && o.pod === c.pod)
  return (
    <section>
      {c.message && <p className={c.state === 'waiting' ? 'bad' : ''}><Text>{c.message}</Text></p>}
      {c.last && <p>It ended before as <b><Text>{c.last.reason ?? 'unknown'}</Text></b> with exit code {c.last.exitCode}{c.last.finishedAt && <>, <Age at={c.last.finishedAt} ago /></>}.</p>}
      <Links title="Pod" of={detail.tables.Pod.has(`${c.namespace}/${c.pod}`) ? [[`Pod/${c.namespace}/${c.pod}`, c.pod]] : []} />
      <Links title="Beside it" of={siblings.map((o) => [`Container/${idOfContainer(o)}`, `${o.name}: ${o.reason ?? o.state}`])} />
      <Links title="Ports that lead to its pod" of={ports.map((p) => [`Port/${portId(p)}`, `${whereOf('Port', p)}, ${p.kind}`])} />
      <Links title="Node" of={c.node ? [[`Node/${c.node}`, c.node]] : []} />
    </section>
  )
}

function OfPort({ p }: { p: Port }) {
  return (
    <section>
      <p>Held by <b><Text>{holderOf(p)}</Text></b> as {p.kind}.</p>
      {p.conflicts?.length ? <Links title="It conflicts with" bad of={p.conflicts.map((o) => [`Port/${portId(o)}`, `${holderOf(o)} (${o.kind}), ${o.node === '*' ? 'all nodes' : o.node}`])} /> : null}
      <Links title="It leads to" of={p.targets.map((t) => [t.pod ? `Pod/${t.namespace}/${t.pod}` : '', `${placeOf(t)}${t.ready ? '' : ' (not ready)'}`])} />
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
