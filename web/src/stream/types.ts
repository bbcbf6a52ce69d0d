// What the master sends, as docs/API.md and /api/openapi.json have it. Times are RFC 3339.

export interface Resources {
  cpuMillis: number
  memoryBytes: number
  ephemeralStorageBytes: number
  pods?: number
  extended?: Record<string, number>
}

export interface Used {
  cpuMillis: number
  memoryBytes: number
  sampledAt?: string
}

export type Severity = 'critical' | 'warning' | 'info'
export type Counts = { [S in Severity]: number }

export interface Owner {
  kind: string
  name: string
}

/** One thing that is wrong, however many objects it affects. The rules are the API's: docs/FACTS.md. */
export interface Problem {
  severity: Severity
  kind: string
  what: string
  /** The object that has been affected for longest. */
  where: string
  owner?: Owner
  since?: string
  message?: string
  count: number
  /** Up to three more of those that are affected. */
  others?: string[]
  /** Why it does not count. */
  muted?: string
}

export interface Summary {
  nodes: { total: number; ready: number; schedulable: number }
  pods: { total: number; pending: number; running: number; succeeded: number; failed: number; unknown: number; terminating: number }
  containers: {
    total: number; running: number; waiting: number; terminated: number; unknown: number
    restarts: number; desired: number; ready: number
  }
  capacity: Resources
  allocatable: Resources
  requested: Resources
  limits: Resources
  used?: Used & { nodes: number }
  fragmentation: { cpuMillis: number; memoryBytes: number }
  ports: { taken: number; conflicts: number }
  healthy: boolean
  /** The worst first, then the oldest; muted ones last. */
  problems: Problem[]
  /** Critical ones and warnings. */
  problemCount: number
  problemCounts: Counts
  /** Those that problems does not list. */
  more: Counts
  /** How many are muted. */
  muted: number
}

export interface Display {
  nodes: string
  containers: string
  cpuRequested: string
  memoryRequested: string
  cpuUsed: string
  memoryUsed: string
}

export type Phase = 'Idle' | 'Connecting' | 'Reporting' | 'Backoff'

export interface Session {
  id?: string
  phase: Phase
  startedAt?: string
  expiresAt?: string
  /** How the last attempt to reach the agent went, as a word: Succeeded, DialFailed, … */
  reason?: string
  /** The same for people; absent where nothing is wrong. */
  message?: string
}

export interface Section {
  name: string
  observedAt?: string
  error?: { reason: string; message?: string }
}

/** A cluster as the fleet's stream tells of it. */
export interface Cluster {
  name: string
  clusterIPs?: string[]
  uid?: string
  kubernetesVersion?: string
  agentVersion?: string
  suspended?: boolean
  session: Session
  resourceVersion?: string
  observedAt?: string
  receivedAt?: string
  stale: boolean
  summary?: Summary
  display?: Display
}

/** The object of a Session event: how one watched cluster is heard of. */
export interface SessionObject extends Session {
  suspended?: boolean
  stale: boolean
  sections?: Section[]
}

export type Tristate = 'True' | 'False' | 'Unknown'

export interface Condition {
  type: string
  status: Tristate
  reason?: string
  message?: string
  since?: string
}

export interface Node {
  name: string
  ready: Tristate
  schedulable: boolean
  /** All of them; the summary's problems say which are bad. */
  conditions?: Condition[]
  roles?: string[]
  addresses?: { type: string; address: string }[]
  zone?: string
  region?: string
  instanceType?: string
  taints?: { key: string; value?: string; effect: string }[]
  kubeletVersion?: string
  kubeProxyVersion?: string
  kernelVersion?: string
  osImage?: string
  architecture?: string
  containerRuntime?: string
  systemUUID?: string
  providerID?: string
  podCIDR?: string
  createdAt?: string
  capacity: Resources
  allocatable: Resources
  notReadySince?: string
  flappingSince?: string
  mute?: string
  requested?: Resources
  limits?: Resources
  pods?: number
  used?: Used
}

export interface Pod {
  namespace: string
  name: string
  uid?: string
  node?: string
  /** The columns STATUS, READY and RESTARTS of kubectl get pods. */
  status: string
  ready: string
  restarts: number
  lastRestartAt?: string
  phase: string
  reason?: string
  message?: string
  podIPs?: string[]
  hostIP?: string
  hostNetwork?: boolean
  qosClass?: string
  restartPolicy?: string
  priorityClass?: string
  terminating?: boolean
  createdAt?: string
  startedAt?: string
  finishedAt?: string
  deletionAt?: string
  owner: Owner
  controller?: Owner
  requested: Resources
  limits: Resources
  storage?: { name?: string; claim: string; capacityBytes?: number; mountPath?: string; ephemeral?: boolean }[]
  unschedulableSince?: string
  notReadySince?: string
  mute?: string
}

export interface Container {
  namespace: string
  pod: string
  name: string
  kind: string
  node?: string
  image: string
  imageID?: string
  state: 'running' | 'waiting' | 'terminated' | 'unknown'
  reason?: string
  message?: string
  exitCode?: number
  ready: boolean
  restarts: number
  startedAt?: string
  finishedAt?: string
  /** Since when it does not work; absent while it does. */
  notReadySince?: string
  crashLoopSince?: string
  last?: { reason?: string; exitCode: number; finishedAt?: string }
  requests: Resources
  limits: Resources
  used?: Used
}

export interface Target {
  addresses?: string[]
  namespace?: string
  pod?: string
  container?: string
  containerPort?: number
  node?: string
  ready: boolean
  serving: boolean
  terminating?: boolean
}

export interface PortKey {
  node: string
  address?: string
  protocol: string
  port: number
  kind: string
  namespace?: string
  service?: string
  pod?: string
}

export interface Port extends PortKey {
  servicePort?: { name?: string; port: number }
  externalTrafficPolicy?: string
  targets: Target[]
  conflicts?: PortKey[]
}

/** A reading of usage: millicores and bytes by name, or by namespace/pod/name. */
export interface UsageReading {
  sampledAt?: string
  nodes: Record<string, [number, number]>
  containers: Record<string, [number, number]>
}

export interface Bookmark {
  resourceVersion: string
  observedAt?: string
  receivedAt?: string
  stale?: boolean
  session?: Session
  annotations?: Record<string, string>
}

/** metav1.Status, as an ERROR event has it. */
export interface Status {
  reason?: string
  code: number
  message?: string
}

export type Change = 'ADDED' | 'MODIFIED' | 'DELETED'

/** Rows are the objects that a cluster has many of. */
export interface Rows {
  Node: Node
  Pod: Pod
  Container: Container
  Port: Port
}
export type RowKind = keyof Rows

export type Event =
  | { type: 'BOOKMARK'; cluster?: string; resourceVersion: string; object: Bookmark }
  | { type: 'ERROR'; cluster?: string; object: Status }
  | { type: Change; kind: 'Cluster'; cluster?: undefined; resourceVersion: string; object: Cluster }
  | { type: Change; kind: 'Summary'; cluster?: string; resourceVersion: string; object: Summary }
  | { type: Change; kind: 'Session'; cluster?: string; resourceVersion: string; object: SessionObject }
  | { type: Change; kind: 'Usage'; cluster?: string; resourceVersion: string; object: UsageReading }
  | { [K in RowKind]: { type: Change; kind: K; cluster?: string; resourceVersion: string; object: Rows[K] } }[RowKind]

/** The version that stands for none: events of a present state carry it. */
export const beginning = '0'

export function endsInitial(b: Bookmark): boolean {
  return b.annotations?.['k8s.io/initial-events-end'] === 'true'
}

/** What identifies a row among those of its kind. */
export const idOf: { [K in RowKind]: (o: Rows[K]) => string } = {
  Node: (n) => n.name,
  Pod: (p) => `${p.namespace}/${p.name}`,
  Container: (c) => `${c.namespace}/${c.pod}/${c.name}`,
  Port: portId,
}

export function portId(p: PortKey): string {
  return [p.port, p.protocol, p.node, p.address ?? '', p.kind, p.namespace ?? '', p.service ?? '', p.pod ?? ''].join('|')
}
