package state

import "slices"

// AllNodes is the Node of a port that is taken on every node.
const AllNodes = "*"

// Limits of Conflicts: some thousand rows that all claim one port would have millions of
// conflicts.
const (
	// MaxConflicts is the largest number of conflicting rows that are reported for a row.
	MaxConflicts = 64
	// reducedConflicts is the total number of reported conflicts after which only one is reported
	// for each further row.
	reducedConflicts = 1 << 16
	// maxCompared is the largest number of rows that one row is compared with.
	maxCompared = 1 << 10
)

// Conflicts returns, for each port that conflicts with others, the keys of these others in key
// order: the first MaxConflicts, or only the first once very many conflicts are reported. Two
// rows conflict if protocol and port are equal, the nodes are equal or one is `*`, the addresses
// are equal or one is all addresses, and they belong to different pods or Services. The
// scheduler compares HostPorts with each other only, so a HostPort and a NodePort can conflict.
//
// A load balancer's port is taken at the load balancer's address and not on the nodes, so it
// conflicts only with rows of the same address. Otherwise every ingress controller with host
// port 80 would conflict with port 80 of every load balancer.
//
// Time and memory are proportional to the number of rows.
func Conflicts(s *State) map[*Port][]PortKey {
	conflicts := map[*Port][]PortKey{}
	reported := 0
	for _, c := range groupByPort(s) {
		for node, rows := range c.byNode {
			for _, p := range rows.all {
				limit := MaxConflicts
				if reported >= reducedConflicts {
					limit = 1
				}
				var conflicting []*Port
				if node == AllNodes {
					conflicting = c.anywhere.conflictsWith(p, limit)
				} else {
					conflicting = append(rows.conflictsWith(p, limit), c.byNode[AllNodes].conflictsWith(p, limit)...)
				}
				if len(conflicting) == 0 {
					continue
				}
				reported += min(len(conflicting), limit)
				conflicts[p] = firstKeys(conflicting, limit)
			}
		}
	}
	return conflicts
}

// firstKeys returns the keys of the first rows in key order.
func firstKeys(conflicting []*Port, limit int) []PortKey {
	slices.SortFunc(conflicting, func(a, b *Port) int { return a.Key().Compare(b.Key()) })
	conflicting = conflicting[:min(len(conflicting), limit)]
	keys := make([]PortKey, len(conflicting))
	for i, p := range conflicting {
		keys[i] = portKeyOf(p)
	}
	return keys
}

// portID is the protocol and port that two rows must share to conflict.
type portID struct {
	protocol Protocol
	port     uint16
}

// portClaims has the rows of one port. Most ports are claimed on thousands of nodes by the pods of
// one DaemonSet, so rows are only compared with those of the same node or of all nodes.
type portClaims struct {
	byNode   map[string]*portRows
	anywhere *portRows
}

func groupByPort(s *State) map[portID]*portClaims {
	all := map[portID]*portClaims{}
	for p := range s.Ports() {
		id := portID{p.Protocol, p.Port}
		c := all[id]
		if c == nil {
			c = &portClaims{byNode: map[string]*portRows{}, anywhere: &portRows{}}
			all[id] = c
		}
		if c.byNode[p.Node] == nil {
			c.byNode[p.Node] = &portRows{}
		}
		c.byNode[p.Node].add(p)
		c.anywhere.add(p)
	}
	return all
}

// portRows has rows in key order, indexed by the properties that decide about conflicts.
type portRows struct {
	// all has every row, plain those that do not belong to a load balancer.
	all, plain []*Port
	// plainAt and balancersAt have the rows by address. They are built on demand.
	plainAt, balancersAt map[string][]*Port
}

func (r *portRows) add(p *Port) {
	r.all = append(r.all, p)
	if p.Kind != LoadBalancer {
		r.plain = append(r.plain, p)
	}
}

// conflictsWith returns the first rows that conflict with p. r may be nil.
func (r *portRows) conflictsWith(p *Port, limit int) (conflicting []*Port) {
	if r == nil || len(r.all) == 0 || len(r.all) == 1 && r.all[0] == p {
		return nil
	}
	r.index()
	// Each list is in key order, so the first keys overall are among the first of each list.
	conflicting = append(conflicting, withoutOwn(p, r.balancersAt[p.Address], limit)...)
	switch {
	case p.Kind == LoadBalancer:
		conflicting = append(conflicting, withoutOwn(p, r.plainAt[p.Address], limit)...)
	case p.Address == "":
		conflicting = append(conflicting, withoutOwn(p, r.plain, limit)...)
	default:
		conflicting = append(conflicting, withoutOwn(p, r.plainAt[p.Address], limit)...)
		conflicting = append(conflicting, withoutOwn(p, r.plainAt[""], limit)...)
	}
	return conflicting
}

// withoutOwn returns the first rows that belong to another pod or Service than p.
func withoutOwn(p *Port, rows []*Port, limit int) (others []*Port) {
	for i := 0; i < len(rows) && i < maxCompared && len(others) < limit; i++ {
		if !sameOwner(p, rows[i]) {
			others = append(others, rows[i])
		}
	}
	return others
}

func (r *portRows) index() {
	if r.plainAt != nil {
		return
	}
	r.plainAt, r.balancersAt = map[string][]*Port{}, map[string][]*Port{}
	for _, p := range r.all {
		at := r.plainAt
		if p.Kind == LoadBalancer {
			at = r.balancersAt
		}
		at[p.Address] = append(at[p.Address], p)
	}
}

func addressesOverlap(a, b *Port) bool {
	if a.Kind == LoadBalancer || b.Kind == LoadBalancer {
		return a.Address == b.Address
	}
	return a.Address == b.Address || a.Address == "" || b.Address == ""
}

func sameOwner(a, b *Port) bool {
	return a.Namespace == b.Namespace && a.Service == b.Service && a.Pod == b.Pod
}
