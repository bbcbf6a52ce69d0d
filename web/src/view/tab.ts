import type { Route } from '../route'
import type { Detail } from '../stream/detail'
import type { Cluster } from '../stream/types'

/** The properties of each tab of a cluster. */
export interface TabProps {
  cluster: Cluster
  detail: Detail
  route: Route
  /** Whether the data is current. */
  live: boolean
}
