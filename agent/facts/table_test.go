package facts_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// table aligns rows of cells; an empty cell is a dash. A row of one cell is a line
// of its own, under the row before it.
type table [][]string

func (t table) String() string {
	var widths [16]int
	for _, row := range t {
		for i, cell := range row {
			if len(row) > 1 {
				widths[i] = max(widths[i], len(cell), 1)
			}
		}
	}
	var b strings.Builder
	for _, row := range t {
		line := "    " + row[0]
		if len(row) > 1 {
			line = aligned(row, widths[:])
		}
		fmt.Fprintln(&b, strings.TrimRight(line, " "))
	}
	return b.String()
}

func aligned(row []string, widths []int) string {
	line := ""
	for i, cell := range row {
		line += fmt.Sprintf("%-*s  ", widths[i], cmp.Or(cell, "-"))
	}
	return line
}

// portsTable has a line under each row for each target and each conflict.
func portsTable(w *world) string {
	t := table{{"NODE", "ADDRESS", "PORT", "KIND", "HOLDER", "SERVICEPORT", "POLICY"}}
	conflicts := state.Conflicts(w.state)
	for p := range w.state.Ports() {
		t = append(t, []string{p.Node, p.Address, fmt.Sprintf("%d/%s", p.Port, p.Protocol), p.Kind.String(), holder(p), servicePort(p), p.ExternalTrafficPolicy.String()})
		for target := range w.state.TargetsOf(p) {
			t = append(t, []string{"-> " + targetLine(target)})
		}
		for _, other := range conflicts[p] {
			t = append(t, []string{strings.TrimSpace("conflicts with " + other.Kind.String() + " " + cmp.Or(other.Service, other.Pod))})
		}
	}
	return t.String()
}

func holder(p *state.Port) string {
	switch {
	case p.Service != "":
		return "service " + p.Namespace + "/" + p.Service
	case p.Pod != "":
		return "pod " + p.Namespace + "/" + p.Pod
	}
	return ""
}

func servicePort(p *state.Port) string {
	if p.ServicePort == nil {
		return ""
	}
	return fmt.Sprintf("%s:%d", p.ServicePort.Name, p.ServicePort.Port)
}

func targetLine(t *state.Target) string {
	who := "outside"
	if t.Pod != "" {
		who = t.Namespace + "/" + t.Pod
	}
	line := fmt.Sprintf("%s %s:%d [%s] on %s", who, cmp.Or(t.Container, "?"), t.ContainerPort, strings.Join(t.Addresses, ","), cmp.Or(t.Node, "?"))
	return line + flags("ready", t.Ready, "serving", t.Serving, "terminating", t.Terminating)
}

// flags are the names of those that are set.
func flags(pairs ...any) string {
	line := ""
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1].(bool) {
			line += " " + pair[0].(string)
		}
	}
	return line
}

// nodesTable has a line under each node for each problem.
func nodesTable(w *world) string {
	t := table{{"NODE", "READY", "SCHEDULABLE", "ROLES", "ALLOCATABLE", "REQUESTED", "LIMITS", "PODS"}}
	for n := range w.state.Nodes() {
		load := w.state.Load(n.Name)
		t = append(t, []string{n.Name, n.Ready.String(), fmt.Sprint(n.Schedulable), strings.Join(n.Roles, ","), amounts(n.Allocatable), amounts(load.Requested), amounts(load.Limits), fmt.Sprint(load.Pods)})
		for _, p := range n.Problems {
			t = append(t, []string{fmt.Sprintf("%s=%s %s %q since %s", p.Type, p.Status, p.Reason, p.Message, when(p.Since))})
		}
	}
	return t.String()
}

func podsTable(w *world) string {
	t := table{{"POD", "NODE", "PHASE", "REASON", "IPS", "QOS", "OWNER", "REQUESTED", "LIMITS", "FLAGS"}}
	for p := range w.state.Pods() {
		t = append(t, []string{
			p.Namespace + "/" + p.Name, p.Node, p.Phase.String(), p.Reason, strings.Join(p.PodIPs, ","), p.QOSClass.String(), p.Owner.Kind + " " + p.Owner.Name,
			amounts(p.Requested), amounts(p.Limits), strings.TrimSpace(flags("terminating", p.Terminating, "hostNetwork", p.HostNetwork)),
		})
		if p.Message != "" {
			t = append(t, []string{fmt.Sprintf("message %q", p.Message)})
		}
		if p.UnschedulableSince != 0 {
			t = append(t, []string{"unschedulable since " + when(p.UnschedulableSince)})
		}
		for _, v := range p.Storage {
			t = append(t, []string{fmt.Sprintf("claim %s of %d bytes at %q", v.Claim, v.CapacityBytes, v.MountPath)})
		}
	}
	return t.String()
}

func containersTable(w *world) string {
	t := table{{"CONTAINER", "KIND", "STATE", "REASON", "READY", "RESTARTS", "EXIT", "REQUESTS", "LIMITS"}}
	for c := range w.state.Containers() {
		t = append(t, []string{c.Namespace + "/" + c.Pod + "/" + c.Name, c.Kind.String(), c.State.String(), c.Reason, fmt.Sprint(c.Ready), fmt.Sprint(c.Restarts), fmt.Sprint(c.ExitCode), amounts(c.Requests), amounts(c.Limits)})
		if c.StartedAt != 0 || c.FinishedAt != 0 {
			t = append(t, []string{fmt.Sprintf("from %s to %s", when(c.StartedAt), when(c.FinishedAt))})
		}
		if c.WaitingSince != 0 {
			t = append(t, []string{fmt.Sprintf("waiting since %s %q", when(c.WaitingSince), c.Message)})
		}
		if c.Last != nil {
			t = append(t, []string{fmt.Sprintf("last %s exit %d at %s", c.Last.Reason, c.Last.ExitCode, when(c.Last.FinishedAt))})
		}
	}
	return t.String()
}

// amounts leaves out what there is none of.
func amounts(r state.Resources) string {
	var parts []string
	add := func(n int64, unit string) {
		if n != 0 {
			parts = append(parts, fmt.Sprintf("%d%s", n, unit))
		}
	}
	add(r.CPUMillis, "m")
	add(r.MemoryBytes>>20, "Mi")
	add(r.EphemeralStorageBytes>>20, "Mi-disk")
	add(r.Pods, "-pods")
	for _, resource := range slices.Sorted(maps.Keys(r.Extended)) {
		add(r.Extended[resource], "*"+resource)
	}
	return strings.Join(parts, ",")
}

// when is the time of day.
func when(t state.Time) string {
	if t == 0 {
		return "-"
	}
	return t.Time().Format("15:04:05")
}
