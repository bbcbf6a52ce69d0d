// Short names for the types of the master's API. openapi.ts is generated from docs/openapi.json. Times are RFC 3339
// strings, amounts are millicores and bytes.
import type { components } from './openapi.ts'

type Schemas = components['schemas']

export type Resources = Schemas['Resources']
export type Used = Schemas['Used']
export type Severity = Exclude<Schemas['Severity'], ''>
export type Counts = Schemas['ProblemCounts']
export type Owner = Schemas['Owner']
/** One problem, which may affect several objects. docs/FACTS.md has the rules. */
export type Problem = Schemas['ClusterProblem']
/** Returns the severity of a problem. One that this page does not know counts as info. */
export const severityOf = (p: Pick<Problem, 'severity'>): Severity => p.severity || 'info'

/** The version of the master, and whether it is that of `kubectl rollcall local`. */
export type Version = Schemas['Version']

export type Summary = Schemas['Summary']
export type Display = Schemas['Display']
export type Phase = Schemas['Phase']
export type Session = Schemas['ClusterSession']
export type Section = Schemas['Section']
/** A row of the list of clusters. */
export type Cluster = Schemas['Cluster']
/** The object of a Session event: the connection between the master and the agent of a cluster. */
export type SessionObject = Schemas['Session']
export type Tristate = Schemas['Tristate']
export type Condition = Schemas['NodeCondition']
export type Node = Schemas['Node']
export type Pod = Schemas['Pod']
export type Container = Schemas['Container']
export type Target = Schemas['Target']
export type PortKey = Schemas['PortKey']
export type Port = Schemas['Port']
/** One reading of usage: [millicores, bytes] by node name, and by namespace/pod/container. */
export type UsageReading = Schemas['Usage']
/** The object of a BOOKMARK event. Those of the list of clusters have a version only. */
export type Bookmark = Schemas['FleetBookmark'] & Partial<Schemas['Bookmark']>
/** The object of an ERROR event, as metav1.Status. The page makes some itself, with less in them. */
export type Status = Pick<Schemas['Status'], 'code'> & Partial<Schemas['Status']>

type ObjectEvent = Extract<Schemas['Event'], { kind: string }>
export type Event =
  | ObjectEvent
  | { type: 'BOOKMARK'; cluster?: string; resourceVersion: string; object: Bookmark }
  | { type: 'ERROR'; cluster?: string; object: Status }

/** The types of events that have an object with a kind. */
export type Change = ObjectEvent['type']

/** The kinds of rows that a cluster has. */
export interface Rows {
  Node: Node
  Pod: Pod
  Container: Container
  Port: Port
}
export type RowKind = keyof Rows

/** The resource version of events that belong to a full state. */
export const initialVersion = '0'

/** Reports whether a bookmark ends a full state. */
export function isInitialEventsEnd(b: Bookmark): boolean {
  return b.annotations?.['k8s.io/initial-events-end'] === 'true'
}

/** Functions that return the id of a row, which is unique within its kind. */
export const rowId: { [K in RowKind]: (o: Rows[K]) => string } = {
  Node: (n) => n.name,
  Pod: (p) => `${p.namespace}/${p.name}`,
  Container: (c) => `${c.namespace}/${c.pod}/${c.name}`,
  Port: portId,
}

/** Returns the id of a port. */
export function portId(p: PortKey): string {
  return [p.port, p.protocol, p.node, p.address ?? '', p.kind, p.namespace ?? '', p.service ?? '', p.pod ?? ''].join(
    '|',
  )
}
