package samples

import (
	"iter"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/series"
)

// Inventory holds the nodes, pods and containers of a State without their usage, so it
// can be reused from reading to reading. It leaves out pods that are finished or not
// scheduled, so the sum over namespaces equals the sum over nodes. It is immutable.
type Inventory struct {
	// rows holds each pod after its containers, and each namespace after its pods.
	rows []row
	// containers has the indexes of the containers in rows.
	containers []int
	nodes      []nodeRow
	hosts      map[string]string // host names by node, where they differ from the node's name
	// partial is true if the inventory does not cover the whole cluster. It then has no
	// Set of the cluster.
	partial bool
}

// row is one container, pod or namespace.
type row struct {
	kind                                   Kind
	init                                   bool
	slot                                   uint32
	namespace, pod, container, node, image string
	resources                              requirements
	started                                int64 // Unix milliseconds; 0 if unknown
}

type nodeRow struct {
	name                              string
	slot                              uint32
	hasLoad                           bool
	resources                         requirements
	capacityCPU, capacityMemory       int64
	allocatableCPU, allocatableMemory int64
}

// requirements are resource requests and limits, in millicores and bytes.
type requirements struct{ requestCPU, requestMemory, limitCPU, limitMemory int64 }

func requirementsOf(requests, limits state.Resources) requirements {
	return requirements{requests.CPUMillis, requests.MemoryBytes, limits.CPUMillis, limits.MemoryBytes}
}

// NewInventory returns the inventory of a whole State.
func NewInventory(s *state.State) *Inventory {
	v := &Inventory{}
	v.addNodes(s, "")
	v.addPods(s, "", "")
	return v
}

// InventoryOfNodes returns the part of a State that consists of one node, or of all nodes and the cluster if node is empty.
func InventoryOfNodes(s *state.State, node string) *Inventory {
	v := &Inventory{partial: node != ""}
	v.addNodes(s, node)
	return v
}

// InventoryOfPods returns the part of a State that consists of a namespace with its pods and containers, or of one of its
// pods if pod is not empty.
func InventoryOfPods(s *state.State, namespace, pod string) *Inventory {
	v := &Inventory{partial: true}
	v.addPods(s, namespace, pod)
	return v
}

// addNodes adds the named node, or all nodes if name is empty.
func (v *Inventory) addNodes(s *state.State, name string) {
	for e := range s.From(state.Key{Kind: state.KindNode, Name: name}) {
		n := e.Object.(*state.Node)
		if name != "" && n.Name != name {
			return
		}
		r := nodeRow{
			name: n.Name, slot: e.Slot, capacityCPU: n.Capacity.CPUMillis, capacityMemory: n.Capacity.MemoryBytes,
			allocatableCPU: n.Allocatable.CPUMillis, allocatableMemory: n.Allocatable.MemoryBytes,
		}
		if l := s.Load(n.Name); l != nil {
			r.resources, r.hasLoad = requirementsOf(l.Requested, l.Limits), true
		}
		v.nodes = append(v.nodes, r)
		v.addHost(n)
	}
}

// addHost stores a node's host name if it differs from the node's name.
func (v *Inventory) addHost(n *state.Node) {
	for _, a := range n.Addresses {
		if a.Type == "Hostname" && a.Address != n.Name {
			if v.hosts == nil {
				v.hosts = map[string]string{}
			}
			v.hosts[n.Name] = a.Address
			return
		}
	}
}

func (v *Inventory) hostOf(node string) string {
	if host, ok := v.hosts[node]; ok {
		return host
	}
	return node
}

// addPods adds the pods and containers of a namespace, or of all namespaces if namespace
// is empty. If pod is not empty it adds that pod only.
func (v *Inventory) addPods(s *state.State, namespace, pod string) {
	var podRow, namespaceRow row // those of the previous container
	included := false            // whether podRow is
	for e := range s.From(state.Key{Kind: state.KindContainer, Namespace: namespace, Name: pod}) {
		c := e.Object.(*state.Container)
		if namespace != "" && c.Namespace != namespace || pod != "" && c.Pod != pod {
			break
		}
		if c.Namespace != podRow.namespace || c.Pod != podRow.pod {
			v.appendIf(podRow, included)
			if c.Namespace != namespaceRow.namespace {
				v.appendIf(namespaceRow, namespaceRow.kind == KindNamespace)
				namespaceRow = row{namespace: c.Namespace}
			}
			if podRow, included = podOf(s, c); included {
				namespaceRow.kind = KindNamespace
			}
		}
		if included {
			v.appendRow(containerRow(e.Slot, c))
		}
	}
	v.appendIf(podRow, included)
	v.appendIf(namespaceRow, namespaceRow.kind == KindNamespace && pod == "")
}

func (v *Inventory) appendIf(r row, included bool) {
	if included {
		v.appendRow(r)
	}
}

// podOf returns the row of a container's pod, and whether the inventory includes it.
func podOf(s *state.State, c *state.Container) (row, bool) {
	r := row{kind: KindPod, namespace: c.Namespace, pod: c.Pod}
	e, ok := s.Get(state.Key{Kind: state.KindPod, Namespace: c.Namespace, Name: c.Pod})
	if !ok {
		return r, false
	}
	p := e.Object.(*state.Pod)
	r.node, r.resources = p.Node, requirementsOf(p.Requested, p.Limits)
	return r, p.Node != "" && !p.Phase.Finished()
}

func containerRow(slot uint32, c *state.Container) row {
	r := row{
		kind: KindContainer, slot: slot, namespace: c.Namespace, pod: c.Pod, container: c.Name, node: c.Node, image: c.Image,
		resources: requirementsOf(c.Requests, c.Limits), init: c.Kind == state.Init || c.Kind == state.Sidecar,
	}
	if c.State == state.Running {
		r.started = int64(c.StartedAt) * 1000
	}
	return r
}

// Len returns the number of Sets that the inventory yields.
func (v *Inventory) Len() int {
	n := len(v.rows) + len(v.nodes)
	if !v.partial {
		n++
	}
	return n
}

// Reading is the usage of a cluster at one time.
type Reading struct {
	Usage *state.Usage
	// At is when the reading was received.
	At time.Time
	// Total returns the CPU time that a node or container has used since the session
	// began, in millicore-seconds, and false if it is unknown. A nil Total means that no
	// CPU time is known.
	Total func(s *Set, slot uint32) (int64, bool)
}

// Sets yields the Set of each container, pod, namespace and node, and of the
// cluster. A pod follows its containers and a namespace its pods; the nodes follow the
// namespaces, and the cluster comes last. Each kind is sorted by name.
func (v *Inventory) Sets(u Reading) iter.Seq[Set] {
	return func(yield func(Set) bool) {
		var podSum, namespaceSum Set
		for i := range v.rows {
			s := v.set(&v.rows[i], &u)
			switch s.Kind {
			case KindContainer:
				podSum.add(&s, summedOverContainers)
			case KindPod:
				s.add(&podSum, summedOverContainers)
				namespaceSum.add(&s, summedOverPods)
				podSum = Set{}
			case KindNamespace:
				s.add(&namespaceSum, summedOverPods)
				namespaceSum = Set{}
			}
			if !yield(u.withTime(s)) {
				return
			}
		}
		cluster := Set{Kind: KindCluster}
		for i := range v.nodes {
			s := v.nodeSet(&v.nodes[i], &u)
			cluster.add(&s, summedOverPods)
			if !yield(u.withTime(s)) {
				return
			}
		}
		if !v.partial {
			yield(u.withTime(cluster))
		}
	}
}

// set returns the Set of a row. That of a pod or namespace has no usage yet.
func (v *Inventory) set(r *row, u *Reading) Set {
	s := Set{Kind: r.kind, Namespace: r.namespace, Pod: r.pod, Container: r.container, Node: r.node, Image: r.image, Init: r.init, Started: r.started}
	if r.kind == KindNamespace {
		return s
	}
	s.Host = v.hostOf(r.node)
	s.putRequirements(r.resources)
	if r.kind == KindContainer {
		u.putUsage(&s, r.slot)
	}
	return s
}

func (v *Inventory) nodeSet(r *nodeRow, u *Reading) Set {
	s := Set{Kind: KindNode, Node: r.name, Host: v.hostOf(r.name)}
	if r.hasLoad {
		s.putRequirements(r.resources)
	}
	u.putUsage(&s, r.slot)
	s.putNode(r)
	return s
}

// putUsage adds the usage and the CPU time of a slot.
func (u *Reading) putUsage(s *Set, slot uint32) {
	s.putSample(u.Usage.Of(slot), u.At.UnixMilli())
	if u.Total == nil {
		return
	}
	if total, ok := u.Total(s, slot); ok {
		s.put(CPUTime, float64(total))
	}
}

// withTime returns s; a set without a sample gets the time of the reading.
func (u *Reading) withTime(s Set) Set {
	if s.At == 0 {
		s.At = u.At.UnixMilli()
	}
	return s
}

// NumSeries returns the number of objects whose usage a Reading has.
func (v *Inventory) NumSeries() int { return len(v.nodes) + len(v.containers) }

// Series returns one of these objects and its slot. Nodes precede containers, and each kind is in key order.
func (v *Inventory) Series(i int) (of series.Object, slot uint32) {
	if i < len(v.nodes) {
		return series.Object{Kind: state.KindNode, Labels: series.Labels{Node: v.nodes[i].name}}, v.nodes[i].slot
	}
	r := &v.rows[v.containers[i-len(v.nodes)]]
	return series.Object{Kind: state.KindContainer, Labels: series.Labels{Namespace: r.namespace, Pod: r.pod, Container: r.container, Node: r.node}}, r.slot
}

// Only returns an inventory of some of the objects that Series returns.
func (v *Inventory) Only(numbers []int) *Inventory {
	part := &Inventory{partial: true, hosts: v.hosts}
	for _, i := range numbers {
		if i < len(v.nodes) {
			part.nodes = append(part.nodes, v.nodes[i])
			continue
		}
		part.appendRow(v.rows[v.containers[i-len(v.nodes)]])
	}
	return part
}

func (v *Inventory) appendRow(r row) {
	if r.kind == KindContainer {
		v.containers = append(v.containers, len(v.rows))
	}
	v.rows = append(v.rows, r)
}
