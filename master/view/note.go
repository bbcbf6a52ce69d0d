package view

import (
	"fmt"
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// freePort answers «is this port free?» where a query for it found nothing. It is
// empty where the query was narrower than that question, so that its being empty
// tells nothing.
func (d *Document) freePort(f Filter) string {
	asked := Filter{Port: f.Port, Protocol: f.Protocol, Node: f.Node}
	if f.Port == 0 || f != asked {
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
	note := fmt.Sprintf("%s %s: not allocated and not declared. Processes of the node and undeclared ports of hostNetwork pods may still use it.", what, where)
	if blind := d.blindSpots(f.Node); len(blind) > 0 {
		note += " This is not certain: " + strings.Join(blind, "; ") + "."
	}
	return note
}

// blindSpots are why a row could be missing: a section that ports come from cannot be
// read, or the node is not there at all.
func (d *Document) blindSpots(node string) []string {
	var spots []string
	for _, name := range []state.SectionName{state.SectionNodes, state.SectionPods, state.SectionNetwork} {
		if e := d.report.State.Sections[name].Error; e != (state.SectionError{}) {
			spots = append(spots, fmt.Sprintf("section %s is not up to date (%s: %s)", name, e.Reason, e.Message))
		}
	}
	if _, known := d.rows.state.Get(state.Key{Kind: state.KindNode, Name: node}); node != "" && !known {
		spots = append(spots, fmt.Sprintf("there is no node %s", node))
	}
	return spots
}
