package view

import (
	"fmt"
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// freePortNote explains an empty result of a query for one port: whether the port is free. It
// returns "" if other filters narrow the query, because then the empty result does not mean that
// the port is free.
func (d *Document) freePortNote(f Filter, s *state.State) string {
	portOnly := Filter{Port: f.Port, Protocol: f.Protocol, Node: f.Node}
	if f.Port == 0 || f != portOnly {
		return ""
	}
	what := fmt.Sprintf("port %d", f.Port)
	if f.Protocol != state.ProtocolUnknown {
		what += "/" + f.Protocol.String()
	}
	where := "in cluster " + d.report.Cluster
	if f.Node != "" {
		where = "on node " + f.Node
	}
	note := fmt.Sprintf("%s %s: not allocated and not declared. Host processes and undeclared ports of hostNetwork pods may still use it.", what, where)
	if reasons := d.incompleteReasons(f.Node, s); len(reasons) > 0 {
		note += " This may be incomplete: " + strings.Join(reasons, "; ") + "."
	}
	return note
}

// incompleteReasons returns why ports could be missing from the document: a section that ports come
// from cannot be read, or the node does not exist.
func (d *Document) incompleteReasons(node string, s *state.State) []string {
	var reasons []string
	for _, name := range []state.SectionName{state.SectionNodes, state.SectionPods, state.SectionNetwork} {
		if e := d.report.Sections[name].Error; e != (state.SectionError{}) {
			reasons = append(reasons, fmt.Sprintf("section %s is not up to date (%s: %s)", name, e.Reason, e.Message))
		}
	}
	if _, known := s.Get(state.Key{Kind: state.KindNode, Name: node}); node != "" && !known {
		reasons = append(reasons, fmt.Sprintf("node %s does not exist", node))
	}
	return reasons
}
