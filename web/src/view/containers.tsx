import { useDeferredValue, useEffect, useMemo, useRef } from 'react'
import { setParams } from '../route'
import type { Container, Pod, Problem } from '../stream/types'
import { rowId } from '../stream/types'
import { Age, FilteredCount, HealthIcon, SearchField, SeverityIcon, Text, Toggle } from './components'
import { bytes, cores, count, wordsOf } from './format'
import type { Column } from './grid'
import { Grid } from './grid'
import { useProblems, whenIdle } from './hooks'
import { isFailing, ProblemIndex } from './problems'
import { Select } from './select'
import { useSorted } from './sorting'
import type { TabProps } from './tab'

const states = ['running', 'waiting', 'terminated', 'unknown']

const setNamespace = (namespace: string) => setParams({ namespace })
const setNode = (node: string) => setParams({ node })
const setState = (state: string) => setParams({ state })

export function Containers({ cluster, detail, route, live }: TabProps) {
  const deferred = useDeferredValue(route)
  const rows = useMemo(() => [...detail.tables.Container.values()], [detail, detail.revision.Container])
  const problems = useProblems(cluster)
  const pods = detail.tables.Pod
  const { columns, narrowRow } = useMemo(() => viewOf(problems, pods), [problems, pods, detail.revision.Pod])
  const filter = useMemo(() => filterOf(deferred), [deferred])
  const sort = route.get('sort') || 'name'
  const { visible, resort, viewKey } = useSorted(rows, rowId.Container, sort, columns, filter)
  useSearchTexts(rows)
  const namespaces = useDistinct(rows, namespaceOf)
  const nodes = useDistinct(rows, nodeOf)
  const onSort = (by: string) => {
    resort()
    setParams({ sort: by === 'name' ? '' : by })
  }
  return (
    <div className="list">
      <div className="tools">
        <SearchField
          value={route.get('q')}
          onChange={(q) => setParams({ q })}
          label="Search containers"
          placeholder="Search names, images, reasons, messages"
        />
        <Select label="Namespace" value={route.get('namespace')} options={namespaces} onChange={setNamespace} />
        <Select label="Node" value={route.get('node')} options={nodes} onChange={setNode} />
        <Select label="State" value={route.get('state')} options={states} onChange={setState} />
        <Toggle on={route.get('only') === 'problems'} onChange={(on) => setParams({ only: on ? 'problems' : '' })}>
          Only problems
        </Toggle>
        <span className="spacer" />
        <FilteredCount visible={visible.length} total={rows.length} />
      </div>
      <Grid
        label="Containers"
        reuse
        rows={visible}
        viewKey={viewKey}
        columns={columns}
        id={rowId.Container}
        sort={sort}
        onSort={onSort}
        onOpen={openContainer}
        narrowRow={narrowRow}
        height={34}
        narrowHeight={70}
        open={route.get('open').replace(/^Container\//, '')}
        dim={!live}
        revision={detail.usageRevision}
        changedAt={(c) => detail.changedAt.get(`Container ${rowId.Container(c)}`) ?? 0}
        empty={detail.ready ? 'No containers match.' : 'Containers are listed after the first report.'}
      />
    </div>
  )
}

const openContainer = (c: Container) => setParams({ open: `Container/${rowId.Container(c)}` }, true)

const namespaceOf = (c: Container) => c.namespace
const nodeOf = (c: Container) => c.node ?? ''

/** Returns the distinct values of rows, sorted. It returns the same list until a value is added or removed. */
function useDistinct(rows: Container[], field: (c: Container) => string): string[] {
  const last = useRef<string[]>([])
  return useMemo(() => {
    const values = [...new Set(rows.map(field))].filter(Boolean).sort()
    if (values.length !== last.current.length || values.some((v, i) => v !== last.current[i])) last.current = values
    return last.current
  }, [rows, field])
}

function filterOf(route: { get(name: string): string }): (c: Container) => boolean {
  const [namespace, node, state, only] = ['namespace', 'node', 'state', 'only'].map((name) => route.get(name))
  const words = wordsOf(route.get('q'))
  return (c) =>
    (!namespace || c.namespace === namespace) &&
    (!node || c.node === node) &&
    (!state || c.state === state) &&
    (only !== 'problems' || isFailing(c)) &&
    words.every((w) => searchText(c).includes(w))
}

const searchTexts = new WeakMap<Container, string>()

/** Builds the search texts of rows while the browser is idle, so that the first search is fast. */
function useSearchTexts(rows: Container[]) {
  useEffect(() => {
    let next = 0
    return whenIdle((timeLeft) => {
      while (next < rows.length && timeLeft()) searchText(rows[next++])
      return next < rows.length
    })
  }, [rows])
}

/** Returns the text of a container that is searched, built once for each row. */
function searchText(c: Container): string {
  let text = searchTexts.get(c)
  if (text === undefined) {
    text = [c.namespace, c.pod, c.name, c.node, c.image, c.state, c.reason, c.message, c.last?.reason]
      .join(' ')
      .toLowerCase()
    searchTexts.set(c, text)
  }
  return text
}

/** The state of a container, with the severity of its problem if it has one. */
function State({ c, problem }: { c: Container; problem: Problem | undefined }) {
  const text = c.state === 'running' ? (c.notReadySince ? 'not ready' : c.state) : c.reason || c.state
  if (problem) {
    return (
      <span className={`status ${problem.muted ? 'muted' : problem.severity}`}>
        <SeverityIcon problem={problem} />
        <Text>{text}</Text>
      </span>
    )
  }
  const health = healthOfState(c)
  return (
    <span className={`status ${health}`}>
      <HealthIcon health={health} compact />
      <Text>{text}</Text>
    </span>
  )
}

/** Returns the icon of a container without a problem. */
function healthOfState(c: Container) {
  if (isFailing(c)) return 'unknown'
  return c.state === 'running' ? 'healthy' : c.state === 'waiting' ? 'connecting' : 'suspended'
}

/** Returns since when a container is not ready, or else runs or has been terminated. */
function sinceOf(c: Container): string | undefined {
  return c.notReadySince ?? (c.state === 'running' ? c.startedAt : c.finishedAt)
}

/** "used / requested" of a resource. */
function Amount({
  used,
  requested,
  unit,
}: {
  used: number | undefined
  requested: number
  unit: (n: number) => string
}) {
  return (
    <span>
      {used === undefined ? <span className="mute">–</span> : unit(used)}
      {requested > 0 && <i className="mute"> / {unit(requested)}</i>}
    </span>
  )
}

/** Returns the columns of the table, and the row for narrow screens, for the problems and pods of a cluster. */
function viewOf(problems: Problem[], pods: Map<string, Pod>) {
  const index = new ProblemIndex(problems)
  const podOf = (c: Container) => pods.get(`${c.namespace}/${c.pod}`)
  const state = (c: Container) => <State c={c} problem={index.ofContainer(c, podOf(c))} />
  const narrowRow = (c: Container) => (
    <div className="card">
      <div className="line">
        <b>
          <Text>{c.pod}</Text>
        </b>
        <span className="spacer" />
        {state(c)}
      </div>
      <div className="line mute">
        <Text>{`${c.namespace} · ${c.name}`}</Text>
        <span className="spacer" />
        {c.used && (
          <span>
            {cores(c.used.cpuMillis)} · {bytes(c.used.memoryBytes)}
          </span>
        )}
      </div>
    </div>
  )
  const columns: Column<Container>[] = [
    {
      name: 'state',
      title: 'State',
      width: '170px',
      cell: state,
      sortBy: (c) => (isFailing(c) ? 1 : 0),
      volatile: true,
    },
    ...containerColumns,
    {
      name: 'pod',
      title: 'Pod status',
      width: 'minmax(170px, 1fr)',
      minWidth: 1320,
      cell: (c) => <Text>{podStatus(podOf(c))}</Text>,
      sortBy: (c) => podOf(c)?.status ?? '',
      volatile: true,
    },
  ]
  return { columns, narrowRow }
}

/** Returns READY and STATUS of a pod, as kubectl prints them. */
function podStatus(p: Pod | undefined): string {
  return p ? `${p.ready} ${p.status}` : '–'
}

/** The columns that depend on the container only. */
const containerColumns: Column<Container>[] = [
  {
    name: 'namespace',
    title: 'Namespace',
    width: 'minmax(90px, .8fr)',
    cell: (c) => <Text className="mute">{c.namespace}</Text>,
    sortBy: (c) => c.namespace,
  },
  {
    name: 'name',
    title: 'Pod',
    width: 'minmax(120px, 1.6fr)',
    cell: (c) => <Text>{c.pod}</Text>,
    sortBy: (c) => c.pod,
  },
  {
    name: 'container',
    title: 'Container',
    width: 'minmax(80px, .8fr)',
    cell: (c) => <Text>{c.name}</Text>,
    sortBy: (c) => c.name,
  },
  {
    name: 'node',
    title: 'Node',
    width: 'minmax(90px, 1fr)',
    minWidth: 1120,
    cell: (c) => <Text className="mute">{c.node}</Text>,
    sortBy: (c) => c.node ?? '',
  },
  {
    name: 'cpu',
    title: 'CPU',
    width: '110px',
    alignEnd: true,
    minWidth: 860,
    cell: (c) => <Amount used={c.used?.cpuMillis} requested={c.requests.cpuMillis} unit={cores} />,
    sortBy: (c) => c.used?.cpuMillis ?? -1,
    volatile: true,
  },
  {
    name: 'memory',
    title: 'Memory',
    width: '150px',
    alignEnd: true,
    minWidth: 1020,
    cell: (c) => <Amount used={c.used?.memoryBytes} requested={c.requests.memoryBytes} unit={bytes} />,
    sortBy: (c) => c.used?.memoryBytes ?? -1,
    volatile: true,
  },
  {
    name: 'restarts',
    title: 'Restarts',
    width: '82px',
    alignEnd: true,
    minWidth: 740,
    cell: (c) => <span className={c.restarts ? '' : 'mute'}>{count(c.restarts)}</span>,
    sortBy: (c) => c.restarts,
    volatile: true,
  },
  {
    name: 'age',
    title: 'Since',
    width: '70px',
    alignEnd: true,
    minWidth: 700,
    cell: (c) => <Age at={sinceOf(c)} />,
    sortBy: (c) => sinceOf(c) ?? '',
    volatile: true,
  },
]
