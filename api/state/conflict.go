package state

import "slices"

// AllNodes is the node of a port that is taken on every node.
const AllNodes = "*"

// Bounds of Conflicts: some thousand rows that all claim one port would have millions of
// conflicts.
const (
	// MaxConflicts is how many others a row is told to conflict with.
	MaxConflicts = 64
	// plentyConflicts is how many are told in all before each further row is told one only.
	plentyConflicts = 1 << 16
	// maxCompared is how many rows one row is compared with.
	maxCompared = 1 << 10
)

// Conflicts are, for each port that cannot be had by all who claim it, the keys
// of others, in key order: of the first MaxConflicts, and of one where very many rows
// conflict. Two rows conflict when protocol and port are
// equal, the nodes are equal or one is `*`, the addresses are equal or one is all,
// and they are of different pods or Services. The scheduler checks HostPorts
// against each other only, so a HostPort and a NodePort can meet.
//
// A load balancer's port is taken at its own address, not at the nodes': it meets
// only rows of that very address. Otherwise every ingress controller that has port
// 80 of its nodes would conflict with every load balancer's port 80.
//
// It takes time and memory in proportion to the number of rows.
func Conflicts(s *State) map[*Port][]PortKey {
	conflicts := map[*Port][]PortKey{}
	told := 0
	for _, c := range claims(s) {
		for node, rows := range c.byNode {
			for _, p := range rows.all {
				limit := MaxConflicts
				if told >= plentyConflicts {
					limit = 1
				}
				var met []*Port
				if node == AllNodes {
					met = c.anywhere.meeting(p, limit)
				} else {
					met = append(rows.meeting(p, limit), c.byNode[AllNodes].meeting(p, limit)...)
				}
				if len(met) == 0 {
					continue
				}
				told += min(len(met), limit)
				conflicts[p] = firstKeys(met, limit)
			}
		}
	}
	return conflicts
}

// firstKeys are those of the first rows in key order.
func firstKeys(met []*Port, limit int) []PortKey {
	slices.SortFunc(met, func(a, b *Port) int { return a.Key().Compare(b.Key()) })
	met = met[:min(len(met), limit)]
	keys := make([]PortKey, len(met))
	for i, p := range met {
		keys[i] = portKeyOf(p)
	}
	return keys
}

// claim is what two rows must both claim to meet at all.
type claim struct {
	protocol Protocol
	port     uint16
}

// claimants are the rows of one claim. Most ports are claimed on thousands of nodes by as
// many pods of one DaemonSet: only rows of one node, or of all, are ever compared.
type claimants struct {
	byNode   map[string]*portRows
	anywhere *portRows
}

func claims(s *State) map[claim]*claimants {
	all := map[claim]*claimants{}
	for p := range s.Ports() {
		of := claim{p.Protocol, p.Port}
		c := all[of]
		if c == nil {
			c = &claimants{byNode: map[string]*portRows{}, anywhere: &portRows{}}
			all[of] = c
		}
		if c.byNode[p.Node] == nil {
			c.byNode[p.Node] = &portRows{}
		}
		c.byNode[p.Node].add(p)
		c.anywhere.add(p)
	}
	return all
}

// portRows are rows in key order, by what they may meet.
type portRows struct {
	// all are all of them, plain those that are of no load balancer.
	all, plain []*Port
	// plainAt and balancersAt are by address, made when they are needed first.
	plainAt, balancersAt map[string][]*Port
}

func (r *portRows) add(p *Port) {
	r.all = append(r.all, p)
	if p.Kind != LoadBalancer {
		r.plain = append(r.plain, p)
	}
}

// meeting returns the first rows that conflict with p. Nil has none.
func (r *portRows) meeting(p *Port, limit int) (met []*Port) {
	if r == nil || len(r.all) == 0 || len(r.all) == 1 && r.all[0] == p {
		return nil
	}
	r.index()
	// Each of these is in key order: what is first of all is among the first of each.
	met = append(met, notOf(p, r.balancersAt[p.Address], limit)...)
	switch {
	case p.Kind == LoadBalancer:
		met = append(met, notOf(p, r.plainAt[p.Address], limit)...)
	case p.Address == "":
		met = append(met, notOf(p, r.plain, limit)...)
	default:
		met = append(met, notOf(p, r.plainAt[p.Address], limit)...)
		met = append(met, notOf(p, r.plainAt[""], limit)...)
	}
	return met
}

// notOf returns the first rows that are not of p's own pod or Service.
func notOf(p *Port, rows []*Port, limit int) (others []*Port) {
	for i := 0; i < len(rows) && i < maxCompared && len(others) < limit; i++ {
		if !sameHolder(p, rows[i]) {
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

func addressesMeet(a, b *Port) bool {
	if a.Kind == LoadBalancer || b.Kind == LoadBalancer {
		return a.Address == b.Address
	}
	return a.Address == b.Address || a.Address == "" || b.Address == ""
}

func sameHolder(a, b *Port) bool {
	return a.Namespace == b.Namespace && a.Service == b.Service && a.Pod == b.Pod
}
