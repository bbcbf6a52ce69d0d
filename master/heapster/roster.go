package heapster

import (
	"iter"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Roster is what a State says of nodes, pods and containers apart from what they use:
// it stays the same from reading to reading.
// Pods that are finished, or on no node yet, are not in it, and make up nothing: the
// sum over namespaces is that over nodes. It is never changed.
type Roster struct {
	// rows are containers, each pod behind its containers, each namespace behind its pods.
	rows  []row
	nodes []nodeRow
	hosts map[string]string // of nodes that are not called as their host
	// part says that it is not of the whole cluster, so there is no Set of that.
	part bool
}

// row is one container, pod or namespace.
type row struct {
	kind                                   Kind
	init                                   bool
	slot                                   uint32
	namespace, pod, container, node, image string
	claims                                 claims
	started                                int64 // Unix milliseconds; 0: not known
}

type nodeRow struct {
	name                                          string
	slot                                          uint32
	claimed                                       bool
	claims                                        claims
	capacityCPU, capacityMemory, roomCPU, roomMem int64
}

// claims are requests and limits.
type claims struct{ requestCPU, requestMemory, limitCPU, limitMemory int64 }

func claimsOf(requests, limits state.Resources) claims {
	return claims{requests.CPUMillis, requests.MemoryBytes, limits.CPUMillis, limits.MemoryBytes}
}

// NewRoster is all of a State.
func NewRoster(s *state.State) *Roster {
	r := &Roster{}
	r.callNodes(s, "")
	r.callPods(s, "", "")
	return r
}

// rosterOf is as much of a State as an entity is made of.
func rosterOf(s *state.State, e Entity) *Roster {
	r := &Roster{part: e.Kind != Cluster}
	if e.Kind == Cluster || e.Kind == Node {
		r.callNodes(s, e.Node)
	} else if e.Namespace != "" {
		r.callPods(s, e.Namespace, e.Pod)
	}
	return r
}

// callNodes takes in one node or, where none is named, all.
func (r *Roster) callNodes(s *state.State, name string) {
	for e := range s.From(state.Key{Kind: state.KindNode, Name: name}) {
		n := e.Object.(*state.Node)
		if name != "" && n.Name != name {
			return
		}
		row := nodeRow{
			name: n.Name, slot: e.Slot, capacityCPU: n.Capacity.CPUMillis, capacityMemory: n.Capacity.MemoryBytes,
			roomCPU: n.Allocatable.CPUMillis, roomMem: n.Allocatable.MemoryBytes,
		}
		if l := s.Load(n.Name); l != nil {
			row.claims, row.claimed = claimsOf(l.Requested, l.Limits), true
		}
		r.nodes = append(r.nodes, row)
		r.host(n)
	}
}

// host notes what a node's host is called.
func (r *Roster) host(n *state.Node) {
	for _, a := range n.Addresses {
		if a.Type == "Hostname" && a.Address != n.Name {
			if r.hosts == nil {
				r.hosts = map[string]string{}
			}
			r.hosts[n.Name] = a.Address
			return
		}
	}
}

func (r *Roster) hostOf(node string) string {
	if host, ok := r.hosts[node]; ok {
		return host
	}
	return node
}

// callPods takes in the pods of one namespace or, where it is empty, of all; and one
// pod alone, where one is named.
func (r *Roster) callPods(s *state.State, namespace, pod string) {
	var open, space row // the pod and the namespace that the last container was of
	counts := false     // the pod does
	for e := range s.From(state.Key{Kind: state.KindContainer, Namespace: namespace, Name: pod}) {
		c := e.Object.(*state.Container)
		if namespace != "" && c.Namespace != namespace || pod != "" && c.Pod != pod {
			break
		}
		if c.Namespace != open.namespace || c.Pod != open.pod {
			r.close(open, counts)
			if c.Namespace != space.namespace {
				r.close(space, space.kind == Namespace)
				space = row{namespace: c.Namespace}
			}
			if open, counts = podOf(s, c); counts {
				space.kind = Namespace
			}
		}
		if counts {
			r.rows = append(r.rows, containerOf(e.Slot, c))
		}
	}
	r.close(open, counts)
	r.close(space, space.kind == Namespace && pod == "")
}

func (r *Roster) close(one row, counts bool) {
	if counts {
		r.rows = append(r.rows, one)
	}
}

// podOf is a container's pod, and whether it counts.
func podOf(s *state.State, c *state.Container) (row, bool) {
	one := row{kind: Pod, namespace: c.Namespace, pod: c.Pod}
	e, ok := s.Get(state.Key{Kind: state.KindPod, Namespace: c.Namespace, Name: c.Pod})
	if !ok {
		return one, false
	}
	p := e.Object.(*state.Pod)
	one.node, one.claims = p.Node, claimsOf(p.Requested, p.Limits)
	return one, p.Node != "" && !p.Phase.Finished()
}

func containerOf(slot uint32, c *state.Container) row {
	one := row{
		kind: Container, slot: slot, namespace: c.Namespace, pod: c.Pod, container: c.Name, node: c.Node, image: c.Image,
		claims: claimsOf(c.Requests, c.Limits), init: c.Kind == state.Init || c.Kind == state.Sidecar,
	}
	if c.State == state.Running {
		one.started = int64(c.StartedAt) * 1000
	}
	return one
}

// Len is how many Sets there are.
func (r *Roster) Len() int {
	n := len(r.rows) + len(r.nodes)
	if !r.part {
		n++
	}
	return n
}

// Reading is what is used at one time.
type Reading struct {
	Usage *state.Usage
	// At is when it came.
	At time.Time
	// Total is the CPU time that a node or container used since the session began, in
	// millicores and seconds; false where it is not known. Nil: it never is.
	Total func(s *Set, slot uint32) (int64, bool)
}

// Sets yields every Set: of each namespace its pods, each behind its containers, and
// then its own; nodes; the cluster. Within a kind they are sorted by name.
func (r *Roster) Sets(u Reading) iter.Seq[Set] {
	return func(yield func(Set) bool) {
		var pod, space Set // what has been added up of the next one
		for i := range r.rows {
			one := r.set(&r.rows[i], &u)
			switch one.Kind {
			case Container:
				pod.add(&one, ofContainers)
			case Pod:
				one.add(&pod, ofContainers)
				space.add(&one, ofPods)
				pod = Set{}
			case Namespace:
				one.add(&space, ofPods)
				space = Set{}
			}
			if !yield(u.dated(one)) {
				return
			}
		}
		cluster := Set{Kind: Cluster}
		for i := range r.nodes {
			one := r.node(&r.nodes[i], &u)
			cluster.add(&one, ofPods)
			if !yield(u.dated(one)) {
				return
			}
		}
		if !r.part {
			yield(u.dated(cluster))
		}
	}
}

// set is a row; of a pod and a namespace without what it uses.
func (r *Roster) set(one *row, u *Reading) Set {
	s := Set{Kind: one.kind, Namespace: one.namespace, Pod: one.pod, Container: one.container, Node: one.node, Image: one.image, Init: one.init, Started: one.started}
	if one.kind == Namespace {
		return s
	}
	s.Host = r.hostOf(one.node)
	s.claim(one.claims)
	if one.kind == Container {
		u.fill(&s, one.slot)
		if one.started != 0 {
			s.put(Uptime, float64(max(0, u.dated(s).At-one.started)))
		}
	}
	return s
}

func (r *Roster) node(one *nodeRow, u *Reading) Set {
	s := Set{Kind: Node, Node: one.name, Host: r.hostOf(one.name)}
	if one.claimed {
		s.claim(one.claims)
	}
	u.fill(&s, one.slot)
	s.have(one)
	return s
}

// fill puts in what is used.
func (u *Reading) fill(s *Set, slot uint32) {
	s.use(u.Usage.Of(slot), u.At.UnixMilli())
	if u.Total == nil {
		return
	}
	if total, ok := u.Total(s, slot); ok {
		s.put(CPUUsage, float64(total*nanosPerMilliSecond))
	}
}

// dated gives a Set without any sample the time of the report.
func (u *Reading) dated(s Set) Set {
	if s.At == 0 {
		s.At = u.At.UnixMilli()
	}
	return s
}
