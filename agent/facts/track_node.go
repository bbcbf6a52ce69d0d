package facts

import "rollcall.dev/rollcall/api/state"

// nodeRecord is a node that is there, or that pods are bound to.
type nodeRecord struct {
	name string
	// facts are the node and its kubelet's port; none while the node is not there.
	facts []state.Object
	// sum is what the pods bound to it take; load is the sum as it was last returned,
	// nil while the node is not there: pods may come before their node, and stay
	// for a while after it.
	sum     loadSum
	load    *state.NodeLoad
	ready   readyChanges
	touched bool
}

// node returns the node's own fact, nil while the node is not there.
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

// RetainNodes removes all nodes but these.
func (t *Tracker) RetainNodes(these []Name) state.Changes {
	retain(these, Name.node, t.nodes, t.deleteNode)
	return t.flush()
}

func (t *Tracker) setNode(in *NodeInput) {
	n := t.node(in.Name)
	node, held := Node(in), n.node()
	if held != nil && held.CreatedAt != node.CreatedAt {
		held, n.ready = nil, readyChanges{}
	}
	node.NotReadySince = notReadySince(in, held, t.now())
	n.ready.observe(node.Ready, held != nil, t.now())
	node.FlappingSince, node.FlappingUntil = n.ready.flapping(held)
	fresh := []state.Object{node}
	if port := kubeletPort(in); port != nil {
		fresh = append(fresh, port)
	}
	n.facts = t.changes.replace(n.facts, fresh)
	t.touchNode(n)
}

func (t *Tracker) deleteNode(name string) {
	if n := t.nodes[name]; n != nil {
		n.facts = t.changes.replace(n.facts, nil)
		t.touchNode(n)
	}
}

// node returns the record of a node, creating it if necessary.
func (t *Tracker) node(name string) *nodeRecord {
	n := t.nodes[name]
	if n == nil {
		n = &nodeRecord{name: name}
		t.nodes[name] = n
	}
	return n
}

func (t *Tracker) touchNode(n *nodeRecord) {
	if !n.touched {
		n.touched = true
		t.touchedNodes = append(t.touchedNodes, n)
	}
}

// publishLoad updates the load of a node, and deletes the record of a node without node and
// pods.
func (t *Tracker) publishLoad(n *nodeRecord) {
	n.touched = false
	var held, fresh []state.Object
	if n.load != nil {
		held = []state.Object{n.load}
	}
	if len(n.facts) > 0 {
		fresh = []state.Object{n.sum.published(n.name)}
	}
	n.load = nil
	for _, load := range t.changes.replace(held, fresh) {
		n.load = load.(*state.NodeLoad)
	}
	if len(n.facts) == 0 && n.sum.pods == 0 {
		delete(t.nodes, n.name)
	}
}
