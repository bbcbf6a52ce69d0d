package view

import (
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// Filter narrows lists; its zero value lets everything through. Package view's
// comment tells where each field has a meaning.
type Filter struct {
	Namespace string
	Node      string
	Pod       string
	// OwnerKind is empty for an owner of any kind.
	OwnerKind, OwnerName string
	// State and Kind are in lower case.
	State string
	Kind  string
	// Port is 0 for any.
	Port     uint16
	Protocol state.Protocol
	// Words are in lower case, with a space between them.
	Words string
}

// match says whether an entry passes. Fields that have no meaning for its kind are
// not looked at.
func (r rows) match(f *Filter, e state.Entry) bool {
	switch o := e.Object.(type) {
	case *state.Node:
		return f.node(o)
	case *state.Pod:
		return f.pod(o)
	case *state.Container:
		return f.container(o) && r.owned(f, o.Namespace, o.Pod)
	case *state.Port:
		return f.port(o) && r.leads(f, o)
	}
	return false
}

func (f *Filter) node(n *state.Node) bool {
	return is(f.Node, n.Name) &&
		nodeState(f.State, n.Ready) &&
		f.found(func(look func(...string)) {
			look(n.Name)
			for i := range n.Conditions {
				if c := &n.Conditions[i]; c.Health() != state.ConditionGood {
					look(c.Type, c.Reason, c.Message)
				}
			}
		})
}

func (f *Filter) pod(p *state.Pod) bool {
	return is(f.Namespace, p.Namespace) && is(f.Node, p.Node) && is(f.Pod, p.Name) &&
		is(f.State, strings.ToLower(p.Phase.String())) &&
		f.owner(p.Owner) &&
		f.found(func(look func(...string)) {
			look(p.Namespace, p.Name, p.Node, p.Owner.Name, p.Status, p.Reason, p.Message)
		})
}

func (f *Filter) container(c *state.Container) bool {
	return is(f.Namespace, c.Namespace) && is(f.Node, c.Node) && is(f.Pod, c.Pod) &&
		is(f.State, c.State.String()) && is(f.Kind, c.Kind.String()) &&
		f.found(func(look func(...string)) {
			look(c.Namespace, c.Pod, c.Name, c.Node, c.Image, c.Reason, c.Message)
			if c.Last != nil {
				look(c.Last.Reason)
			}
		})
}

// port looks at what the row itself tells.
func (f *Filter) port(p *state.Port) bool {
	return is(f.Namespace, p.Namespace) &&
		(p.Node == state.AllNodes || is(f.Node, p.Node)) &&
		is(f.Kind, strings.ToLower(p.Kind.String())) &&
		(f.Port == 0 || f.Port == p.Port) &&
		(f.Protocol == state.ProtocolUnknown || f.Protocol == p.Protocol)
}

// leads looks at what a row leads to, as far as the filter asks for it.
func (r rows) leads(f *Filter, p *state.Port) bool {
	if f.Pod == "" && f.OwnerName == "" && f.Words == "" {
		return true
	}
	targets := r.targets(p, f.Node)
	return r.leadsToPod(f, p, targets) && f.found(func(look func(...string)) {
		look(p.Namespace, p.Service, p.Pod, p.Node)
		if p.ServicePort != nil {
			look(p.ServicePort.Name)
		}
		for _, t := range targets {
			look(t.Pod, t.Container)
		}
	})
}

// leadsToPod says that the pod that holds the row, or one that it leads to, is the
// one asked for, by name and by owner.
func (r rows) leadsToPod(f *Filter, p *state.Port, targets []*state.Target) bool {
	if f.Pod == "" && f.OwnerName == "" {
		return true
	}
	wanted := func(namespace, pod string) bool {
		return pod != "" && is(f.Pod, pod) && r.owned(f, namespace, pod)
	}
	if wanted(p.Namespace, p.Pod) {
		return true
	}
	for _, t := range targets {
		if wanted(t.Namespace, t.Pod) {
			return true
		}
	}
	return false
}

// owned says that a pod is the wanted owner's. A pod that is not known is nobody's.
func (r rows) owned(f *Filter, namespace, pod string) bool {
	if f.OwnerName == "" {
		return true
	}
	e, ok := r.state.Get(state.Key{Kind: state.KindPod, Namespace: namespace, Name: pod})
	return ok && f.owner(e.Object.(*state.Pod).Owner)
}

func (f *Filter) owner(o state.Owner) bool {
	return is(f.OwnerName, o.Name) && is(f.OwnerKind, o.Kind)
}

// found says that each of the words is in one of the texts that look is given.
func (f *Filter) found(tell func(look func(...string))) bool {
	if f.Words == "" {
		return true
	}
	var found, all uint64
	words := strings.Fields(f.Words)
	for i := range words {
		all |= 1 << i
	}
	tell(func(texts ...string) {
		for _, text := range texts {
			text = strings.ToLower(text)
			for i, word := range words {
				if strings.Contains(text, word) {
					found |= 1 << i
				}
			}
		}
	})
	return found == all
}

// nodeState reports whether a node's Ready is the wanted one. A node of which Ready is
// Unknown is not ready either: kubectl prints NotReady for it.
func nodeState(wanted string, ready state.Tristate) bool {
	return is(wanted, nodeStates[ready]) || wanted == nodeStates[state.False] && ready == state.Unknown
}

func is(wanted, held string) bool { return wanted == "" || wanted == held }
