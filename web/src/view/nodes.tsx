import { useCallback, useDeferredValue, useMemo } from 'react'
import { setParams } from '../route'
import { type Node, type Problem, severityOf } from '../stream/types'
import { Age, FilteredCount, HealthIcon, ResourceMeter, SearchField, SeverityIcon, Text, Toggle } from './components'
import { count, matchesAll } from './format'
import type { Column } from './grid'
import { Grid } from './grid'
import { useProblems } from './hooks'
import { ProblemIndex } from './problems'
import { useSorted } from './sorting'
import type { TabProps } from './tab'

export function Nodes({ cluster, detail, route, live }: TabProps) {
  const query = useDeferredValue(route.get('q'))
  const onlyProblems = route.get('only') === 'problems'
  const rows = useMemo(() => [...detail.tables.Node.values()], [detail, detail.revision.Node])
  const sort = route.get('sort') || 'name'
  const problems = useProblems(cluster)
  const { columns, narrowRow, problemsOf } = useMemo(() => viewOf(problems), [problems])
  const filter = useCallback(
    (n: Node) => (!onlyProblems || hasProblem(n, problemsOf(n))) && matches(n, problemsOf(n), query),
    [onlyProblems, problemsOf, query],
  )
  const { visible, resort, viewKey } = useSorted(rows, nameOf, sort, columns, filter)
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
          label="Search nodes"
          placeholder="Search names, roles, zones, versions"
        />
        <Toggle on={onlyProblems} onChange={(on) => setParams({ only: on ? 'problems' : '' })}>
          Only problems
        </Toggle>
        <span className="spacer" />
        <FilteredCount visible={visible.length} total={rows.length} />
      </div>
      <Grid
        label="Nodes"
        rows={visible}
        viewKey={viewKey}
        columns={columns}
        id={nameOf}
        sort={sort}
        onSort={onSort}
        onOpen={openNode}
        narrowRow={narrowRow}
        height={44}
        narrowHeight={84}
        open={route.get('open').replace(/^Node\//, '')}
        dim={!live}
        revision={detail.usageRevision}
        changedAt={(n) => detail.changedAt.get(`Node ${n.name}`) ?? 0}
        empty={detail.ready ? 'No nodes match.' : 'Nodes are listed after the first report.'}
      />
    </div>
  )
}

const nameOf = (n: Node) => n.name
const openNode = (n: Node) => setParams({ open: `Node/${n.name}` }, true)

/**
 * Reports whether a node has a problem that is neither info nor muted. A node that is not ready has one even if none is
 * listed, since the API lists only the worst problems.
 */
function hasProblem(n: Node, problems: Problem[]): boolean {
  return problems.length > 0 ? problems.some((p) => p.severity !== 'info' && !p.muted) : n.ready !== 'True'
}

function matches(n: Node, problems: Problem[], query: string): boolean {
  if (!query) return true
  const addresses = (n.addresses ?? []).map((a) => a.address)
  const problemTexts = problems.flatMap((p) => [p.what, p.message])
  const texts = [
    n.name,
    ...(n.roles ?? []),
    n.zone,
    n.region,
    n.instanceType,
    n.kubeletVersion,
    stateOf(n),
    ...addresses,
    ...problemTexts,
  ]
  return matchesAll(texts.join(' '), query)
}

/** Returns the status of a node, as kubectl get nodes prints it. */
function stateOf(n: Node): string {
  const ready = n.ready === 'True' ? 'Ready' : n.ready === 'False' ? 'NotReady' : 'Unknown'
  return n.schedulable ? ready : `${ready}, cordoned`
}

/** The status of a node, or its worst problem if it is ready. */
function State({ n, worst }: { n: Node; worst: Problem | undefined }) {
  const text = worst && n.ready === 'True' ? worst.what : stateOf(n)
  if (worst)
    return (
      <span className={`status ${worst.muted ? 'muted' : worst.severity}`}>
        <SeverityIcon problem={worst} />
        <Text>{text}</Text>
      </span>
    )
  const health = n.ready !== 'True' ? 'unknown' : n.schedulable ? 'healthy' : 'suspended'
  return (
    <span className={`status ${health}`}>
      <HealthIcon health={health} compact />
      <Text>{text}</Text>
    </span>
  )
}

const severityRanks = { critical: 3, warning: 2, info: 1 }

const shareOf = (part: number | undefined, total: number) => (total > 0 ? (part ?? 0) / total : 0)

/** Returns the columns of the table, the row for narrow screens, and the problems of each node. */
function viewOf(problems: Problem[]) {
  const index = new ProblemIndex(problems)
  const problemsOf = (n: Node) => index.of('Node', n.name)
  const state: Column<Node> = {
    name: 'state',
    title: 'State',
    width: '164px',
    cell: (n) => <State n={n} worst={problemsOf(n)[0]} />,
    sortBy: (n) => rankOf(problemsOf(n)[0]),
    volatile: true,
  }
  const narrowRow = (n: Node) => (
    <div className="card">
      <div className="line">
        <b>
          <Text>{n.name}</Text>
        </b>
        <span className="spacer" />
        <State n={n} worst={problemsOf(n)[0]} />
      </div>
      <div className="line meters">
        <ResourceMeter labelled resource="cpu" {...n} />
        <ResourceMeter labelled resource="memory" {...n} />
      </div>
    </div>
  )
  return { columns: [state, ...nodeColumns], narrowRow, problemsOf }
}

const rankOf = (p: Problem | undefined) => (!p || p.muted ? 0 : severityRanks[severityOf(p)])

/** The columns that depend on the node only. */
const nodeColumns: Column<Node>[] = [
  { name: 'name', title: 'Node', width: 'minmax(120px, 1.4fr)', cell: (n) => <Text>{n.name}</Text>, sortBy: nameOf },
  {
    name: 'roles',
    title: 'Roles',
    width: 'minmax(70px, .6fr)',
    minWidth: 960,
    cell: (n) => <Text className="mute">{n.roles?.join(', ')}</Text>,
    sortBy: (n) => n.roles?.join() ?? '',
  },
  {
    name: 'zone',
    title: 'Zone',
    width: 'minmax(70px, .6fr)',
    minWidth: 1040,
    cell: (n) => <Text className="mute">{n.zone}</Text>,
    sortBy: (n) => n.zone ?? '',
  },
  {
    name: 'cpu',
    title: 'CPU',
    width: '150px',
    cell: (n) => <ResourceMeter resource="cpu" {...n} />,
    sortBy: (n) => shareOf(n.requested?.cpuMillis, n.allocatable.cpuMillis),
    volatile: true,
  },
  {
    name: 'memory',
    title: 'Memory',
    width: '150px',
    cell: (n) => <ResourceMeter resource="memory" {...n} />,
    sortBy: (n) => shareOf(n.requested?.memoryBytes, n.allocatable.memoryBytes),
    volatile: true,
  },
  {
    name: 'pods',
    title: 'Pods',
    width: '86px',
    alignEnd: true,
    minWidth: 790,
    cell: (n) => (
      <span>
        {count(n.pods ?? 0)}
        <i className="mute">/{count(n.allocatable.pods ?? 0)}</i>
      </span>
    ),
    sortBy: (n) => n.pods ?? 0,
    volatile: true,
  },
  {
    name: 'version',
    title: 'Kubelet',
    width: '100px',
    minWidth: 1160,
    cell: (n) => <Text className="mute">{n.kubeletVersion}</Text>,
    sortBy: (n) => n.kubeletVersion ?? '',
  },
  {
    name: 'age',
    title: 'Age',
    width: '70px',
    alignEnd: true,
    minWidth: 870,
    cell: (n) => <Age at={n.createdAt} />,
    sortBy: (n) => n.createdAt ?? '',
  },
]
