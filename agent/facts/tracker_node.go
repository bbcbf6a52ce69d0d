package facts

import "rollcall.dev/rollcall/api/state"

// nodeRecord holds a node that exists or to which pods are bound.
type nodeRecord struct {
	name string
	// facts has the fact of the node, which comes first, and the port of its kubelet. It is empty if the node does not
	// exist.
	facts []state.Object
	// loadSum is the sum over the pods that are bound to the node. Pods may be seen before their node, and remain for a
	// while after the node is deleted. load is the sum as it was last returned, or nil if the node does not exist.
	loadSum      loadSum
	load         *state.NodeLoad
	readyChanges readyChanges
	dirty        bool
}

// node returns the fact of the node, or nil if the node does not exist.
func (n *nodeRecord) node() *state.Node {
	if len(n.facts) == 0 {
		return nil
	}
	return n.facts[0].(*state.Node)
}

// SetNode adds or updates nodes.
func (t *Tracker) SetNode(all ...*NodeInput) state.Changes {
	for _, in := range all {
		t.setNode(in)
	}
	return t.flush()
}

// DeleteNode removes a node.
func (t *Tracker) DeleteNode(name string) state.Changes {
	t.deleteNode(name)
	return t.flush()
}

// RetainNodes removes all nodes except the named ones.
func (t *Tracker) RetainNodes(names []NamespacedName) state.Changes {
	retain(names, t.nodes, t.deleteNode)
	return t.flush()
}

func (t *Tracker) setNode(in *NodeInput) {
	n := t.nodeRecord(in.Name)
	node, old := NewNode(in), n.node()
	if old != nil && old.CreatedAt != node.CreatedAt {
		// A new node with the same name.
		old, n.readyChanges = nil, readyChanges{}
	}
	node.NotReadySince = notReadySince(in, old, t.now())
	n.readyChanges.record(node.Ready, old != nil, t.now())
	node.FlappingSince, node.FlappingUntil = n.readyChanges.flapping(old)
	next := []state.Object{node}
	if port := kubeletRow(in); port != nil {
		next = append(next, port)
	}
	n.facts = t.changes.replace(n.facts, next)
	t.markNodeDirty(n)
}

func (t *Tracker) deleteNode(name string) {
	if n := t.nodes[name]; n != nil {
		n.facts = t.changes.replace(n.facts, nil)
		t.markNodeDirty(n)
	}
}

// nodeRecord returns the record of a node. It creates the record if there is none.
func (t *Tracker) nodeRecord(name string) *nodeRecord {
	n := t.nodes[name]
	if n == nil {
		n = &nodeRecord{name: name}
		t.nodes[name] = n
	}
	return n
}

// markNodeDirty marks the load of a node for recomputation.
func (t *Tracker) markNodeDirty(n *nodeRecord) {
	if !n.dirty {
		n.dirty = true
		t.dirtyNodes = append(t.dirtyNodes, n)
	}
}

// recomputeLoad updates the load of a node. It deletes the record if the node does not exist and has no pods.
func (t *Tracker) recomputeLoad(n *nodeRecord) {
	n.dirty = false
	var old, next []state.Object
	if n.load != nil {
		old = []state.Object{n.load}
	}
	if len(n.facts) > 0 {
		next = []state.Object{n.loadSum.nodeLoad(n.name)}
	}
	n.load = nil
	for _, load := range t.changes.replace(old, next) {
		n.load = load.(*state.NodeLoad)
	}
	if len(n.facts) == 0 && n.loadSum.pods == 0 {
		delete(t.nodes, n.name)
	}
}
