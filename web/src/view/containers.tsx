import { useDeferredValue, useEffect, useMemo, useRef } from 'react'
import { adjust } from '../route'
import type { Container, Pod, Problem } from '../stream/types'
import { Age, HealthIcon, Search, SeverityIcon, Text, Toggle } from './bits'
import type { TabProps } from './cluster'
import { bytes, cores, count } from './format'
import type { Column } from './grid'
import { Grid } from './grid'
import { Choice } from './choice'
import { useProblems, whenIdle } from './hooks'
import { useOrder } from './order'
import { notWorking, ProblemIndex } from './problems'

const states = ['running', 'waiting', 'terminated', 'unknown']

const choose = {
  namespace: (namespace: string) => adjust({ namespace }),
  node: (node: string) => adjust({ node }),
  state: (state: string) => adjust({ state }),
}

export function Containers({ cluster, detail, route, live }: TabProps) {
  const filter = useDeferredValue(route)
  const rows = useMemo(() => [...detail.tables.Container.values()], [detail, detail.revision.Container])
  const problems = useProblems(cluster)
  const pods = detail.tables.Pod
  const { columns, narrowRow } = useMemo(() => viewOf(problems, pods), [problems, pods, detail.revision.Pod])
  const { shown, ask, asked } = useOrder(rows, idOfContainer, sortOf(route), columns, useMemo(() => filterOf(filter), [filter]))
  useSearchable(rows)
  const namespaces = useDistinct(rows, namespaceOf)
  const nodes = useDistinct(rows, nodeOf)
  return (
    <div className="list">
      <div className="tools">
        <Search value={route.get('q')} onChange={(q) => adjust({ q })} label="Search containers" hint="Search names, images, reasons, messages" />
        <Choice label="Namespace" value={route.get('namespace')} of={namespaces} onChange={choose.namespace} />
        <Choice label="Node" value={route.get('node')} of={nodes} onChange={choose.node} />
        <Choice label="State" value={route.get('state')} of={states} onChange={choose.state} />
        <Toggle on={route.get('only') === 'problems'} onChange={(on) => adjust({ only: on ? 'problems' : '' })}>Only problems</Toggle>
        <span className="fill" />
        {shown.length !== rows.length && <span className="mute" role="status">{count(shown.length)} of {count(rows.length)}</span>}
      </div>
      <Grid label="Containers" reuse rows={shown} asked={asked} columns={columns} id={idOfContainer} sort={sortOf(route)} onSort={(sort) => { ask(); adjust({ sort: sort === 'name' ? '' : sort }) }}
        onOpen={openContainer} narrow={narrowRow} height={34} narrowHeight={70} open={route.get('open').replace(/^Container\//, '')} dim={!live} stamp={detail.readings}
        changed={(c) => detail.marks.get(`Container ${idOfContainer(c)}`) ?? 0}
        empty={detail.ready ? 'No containers match.' : 'Containers come with the first report.'} />
    </div>
  )
}

export const idOfContainer = (c: Container) => `${c.namespace}/${c.pod}/${c.name}`
const openContainer = (c: Container) => adjust({ open: `Container/${idOfContainer(c)}` }, true)

const sortOf = (route: { get(name: string): string }) => route.get('sort') || 'name'
const namespaceOf = (c: Container) => c.namespace
const nodeOf = (c: Container) => c.node ?? ''

/** What there is to choose from; the same list for as long as it has the same in it. */
function useDistinct(rows: Container[], of: (c: Container) => string): string[] {
  const last = useRef<string[]>([])
  return useMemo(() => {
    const all = [...new Set(rows.map(of))].filter(Boolean).sort()
    if (all.length !== last.current.length || all.some((one, i) => one !== last.current[i])) last.current = all
    return last.current
  }, [rows, of])
}

function filterOf(route: { get(name: string): string }): (c: Container) => boolean {
  const [namespace, node, state, only] = ['namespace', 'node', 'state', 'only'].map((name) => route.get(name))
  const words = route.get('q').toLowerCase().split(/\s+/).filter(Boolean)
  return (c) =>
    (!namespace || c.namespace === namespace) && (!node || c.node === node) && (!state || c.state === state) &&
    (only !== 'problems' || notWorking(c)) && (words.length === 0 || includesAll(textOf(c), words))
}

function includesAll(text: string, words: string[]): boolean {
  return words.every((w) => text.includes(w))
}

const texts = new WeakMap<Container, string>()

/** Makes what can be searched before somebody searches, in moments in which nothing else is to be done. */
function useSearchable(rows: Container[]) {
  useEffect(() => {
    let next = 0
    const some = (left: () => boolean) => {
      while (next < rows.length && left()) textOf(rows[next++])
      return next < rows.length
    }
    return whenIdle(some)
  }, [rows])
}

/** What can be searched of a container, made once a row. */
function textOf(c: Container): string {
  let text = texts.get(c)
  if (text === undefined) {
    text = [c.namespace, c.pod, c.name, c.node, c.image, c.state, c.reason, c.message, c.last?.reason].join(' ').toLowerCase()
    texts.set(c, text)
  }
  return text
}

/** The container's state, with the severity of its problem where the API lists one. */
function State({ c, problem }: { c: Container; problem: Problem | undefined }) {
  const words = c.state === 'running' ? (c.notReadySince ? 'not ready' : c.state) : c.reason || c.state
  if (problem) return <span className={`words ${problem.muted ? 'muted' : problem.severity}`}><SeverityIcon problem={problem} /><Text>{words}</Text></span>
  const health = notWorking(c) ? 'unknown' : c.state === 'running' ? 'healthy' : c.state === 'waiting' ? 'connecting' : 'suspended'
  return <span className={`words ${health}`}><HealthIcon health={health} quiet /><Text>{words}</Text></span>
}

/** Since when the container does not work, runs or has ended. */
function sinceOf(c: Container): string | undefined {
  return c.notReadySince ?? (c.state === 'running' ? c.startedAt : c.finishedAt)
}

function Amount({ used, of, unit }: { used: number | undefined; of: number; unit: (n: number) => string }) {
  return <span>{used === undefined ? <span className="mute">–</span> : unit(used)}{of > 0 && <i className="mute"> / {unit(of)}</i>}</span>
}

/** What the table shows of containers, given the problems and the pods of their cluster. */
function viewOf(problems: Problem[], pods: Map<string, Pod>) {
  const index = new ProblemIndex(problems)
  const podOf = (c: Container) => pods.get(`${c.namespace}/${c.pod}`)
  const state = (c: Container) => <State c={c} problem={index.ofContainer(c, podOf(c))} />
  const narrowRow = (c: Container) => (
    <div className="card">
      <div className="line"><b><Text>{c.pod}</Text></b><span className="fill" />{state(c)}</div>
      <div className="line mute"><Text>{`${c.namespace} · ${c.name}`}</Text><span className="fill" />{c.used && <span>{cores(c.used.cpuMillis)} · {bytes(c.used.memoryBytes)}</span>}</div>
    </div>
  )
  const columns: Column<Container>[] = [
    { name: 'state', title: 'State', width: '170px', cell: state, by: (c) => (notWorking(c) ? 1 : 0), moves: true },
    ...others,
    { name: 'pod', title: 'Pod status', width: 'minmax(170px, 1fr)', from: 1320, cell: (c) => <Text>{printed(podOf(c))}</Text>, by: (c) => podOf(c)?.status ?? '', moves: true },
  ]
  return { columns, narrowRow }
}

/** READY and STATUS of a pod, as kubectl prints them. */
function printed(p: Pod | undefined): string {
  return p ? `${p.ready} ${p.status}` : '–'
}

const others: Column<Container>[] = [
  { name: 'namespace', title: 'Namespace', width: 'minmax(90px, .8fr)', cell: (c) => <Text className="mute">{c.namespace}</Text>, by: (c) => c.namespace },
  { name: 'name', title: 'Pod', width: 'minmax(120px, 1.6fr)', cell: (c) => <Text>{c.pod}</Text>, by: (c) => c.pod },
  { name: 'container', title: 'Container', width: 'minmax(80px, .8fr)', cell: (c) => <Text>{c.name}</Text>, by: (c) => c.name },
  { name: 'node', title: 'Node', width: 'minmax(90px, 1fr)', from: 1120, cell: (c) => <Text className="mute">{c.node}</Text>, by: (c) => c.node ?? '' },
  { name: 'cpu', title: 'CPU', width: '110px', end: true, from: 860, cell: (c) => <Amount used={c.used?.cpuMillis} of={c.requests.cpuMillis} unit={cores} />, by: (c) => c.used?.cpuMillis ?? -1, moves: true },
  { name: 'memory', title: 'Memory', width: '150px', end: true, from: 1020, cell: (c) => <Amount used={c.used?.memoryBytes} of={c.requests.memoryBytes} unit={bytes} />, by: (c) => c.used?.memoryBytes ?? -1, moves: true },
  { name: 'restarts', title: 'Restarts', width: '82px', end: true, from: 740, cell: (c) => <span className={c.restarts ? '' : 'mute'}>{count(c.restarts)}</span>, by: (c) => c.restarts, moves: true },
  { name: 'age', title: 'Since', width: '70px', end: true, from: 700, cell: (c) => <Age at={sinceOf(c)} />, by: (c) => sinceOf(c) ?? '', moves: true },
]
