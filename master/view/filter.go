package view

import (
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// Filter narrows lists; its zero value matches everything. The package comment lists which lists
// support each field.
type Filter struct {
	Namespace string
	Node      string
	Pod       string
	// OwnerKind is empty for an owner of any kind.
	OwnerKind, OwnerName string
	// State and Kind are lower case.
	State string
	Kind  string
	// Port is 0 for any port.
	Port     uint16
	Protocol state.Protocol
	// Words are lower case, separated by single spaces.
	Words string
}

// match reports whether the filter matches an entry. Fields that the entry's kind does not support
// are ignored.
func (r rowEncoder) match(f *Filter, e state.Entry) bool {
	switch o := e.Object.(type) {
	case *state.Node:
		return f.node(o)
	case *state.Pod:
		return f.pod(o)
	case *state.Container:
		return f.container(o) && r.podHasOwner(f, o.Namespace, o.Pod)
	case *state.Port:
		return f.port(o) && r.matchesTargets(f, o)
	}
	return false
}

func (f *Filter) node(n *state.Node) bool {
	return matches(f.Node, n.Name) &&
		matchesNodeState(f.State, n.Ready) &&
		f.containsWords(func(add func(...string)) {
			add(n.Name)
			for i := range n.Conditions {
				if c := &n.Conditions[i]; c.Health() != state.ConditionGood {
					add(c.Type, c.Reason, c.Message)
				}
			}
		})
}

func (f *Filter) pod(p *state.Pod) bool {
	return matches(f.Namespace, p.Namespace) && matches(f.Node, p.Node) && matches(f.Pod, p.Name) &&
		matches(f.State, strings.ToLower(p.Phase.String())) &&
		f.owner(p.Owner) &&
		f.containsWords(func(add func(...string)) {
			add(p.Namespace, p.Name, p.Node, p.Owner.Name, p.Status, p.Reason, p.Message)
		})
}

func (f *Filter) container(c *state.Container) bool {
	return matches(f.Namespace, c.Namespace) && matches(f.Node, c.Node) && matches(f.Pod, c.Pod) &&
		matches(f.State, c.State.String()) && matches(f.Kind, c.Kind.String()) &&
		f.containsWords(func(add func(...string)) {
			add(c.Namespace, c.Pod, c.Name, c.Node, c.Image, c.Reason, c.Message)
			if c.Last != nil {
				add(c.Last.Reason)
			}
		})
}

// port matches the fields of the row itself.
func (f *Filter) port(p *state.Port) bool {
	return matches(f.Namespace, p.Namespace) &&
		(p.Node == state.AllNodes || matches(f.Node, p.Node)) &&
		matches(f.Kind, strings.ToLower(p.Kind.String())) &&
		(f.Port == 0 || f.Port == p.Port) &&
		(f.Protocol == state.ProtocolUnknown || f.Protocol == p.Protocol)
}

// matchesTargets matches the pods and targets of a port, as far as the filter has fields for them.
func (r rowEncoder) matchesTargets(f *Filter, p *state.Port) bool {
	if f.Pod == "" && f.OwnerName == "" && f.Words == "" {
		return true
	}
	targets := r.targets(p, f.Node)
	return r.matchesPod(f, p, targets) && f.containsWords(func(add func(...string)) {
		add(p.Namespace, p.Service, p.Pod, p.Node)
		if p.ServicePort != nil {
			add(p.ServicePort.Name)
		}
		for _, t := range targets {
			add(t.Pod, t.Container)
		}
	})
}

// matchesPod reports whether the pod that owns the port, or the pod of one of the targets, has the
// name and owner of the filter.
func (r rowEncoder) matchesPod(f *Filter, p *state.Port, targets []*state.Target) bool {
	if f.Pod == "" && f.OwnerName == "" {
		return true
	}
	wanted := func(namespace, pod string) bool {
		return pod != "" && matches(f.Pod, pod) && r.podHasOwner(f, namespace, pod)
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

// podHasOwner reports whether a pod has the owner of the filter. An unknown pod has none.
func (r rowEncoder) podHasOwner(f *Filter, namespace, pod string) bool {
	if f.OwnerName == "" {
		return true
	}
	e, ok := r.state.Get(state.Key{Kind: state.KindPod, Namespace: namespace, Name: pod})
	return ok && f.owner(e.Object.(*state.Pod).Owner)
}

func (f *Filter) owner(o state.Owner) bool {
	return matches(f.OwnerName, o.Name) && matches(f.OwnerKind, o.Kind)
}

// containsWords reports whether each word of the filter occurs in one of the texts that each passes
// to add.
func (f *Filter) containsWords(each func(add func(...string))) bool {
	if f.Words == "" {
		return true
	}
	var found, all uint64
	words := strings.Fields(f.Words)
	for i := range words {
		all |= 1 << i
	}
	each(func(texts ...string) {
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

// matchesNodeState reports whether a node's Ready condition matches the filter value. "notready"
// includes Unknown, because kubectl prints NotReady for both.
func matchesNodeState(wanted string, ready state.Tristate) bool {
	return matches(wanted, nodeStates[ready]) || wanted == nodeStates[state.False] && ready == state.Unknown
}

// matches reports whether a filter value is empty or equal to the given value.
func matches(wanted, held string) bool { return wanted == "" || wanted == held }
