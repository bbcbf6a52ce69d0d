package facts_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// table is a list of rows of cells. A row with one cell is printed as an indented line.
type table [][]string

// String formats the table with aligned columns. An empty cell is printed as a dash.
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
			line = alignRow(row, widths[:])
		}
		fmt.Fprintln(&b, strings.TrimRight(line, " "))
	}
	return b.String()
}

func alignRow(row []string, widths []int) string {
	line := ""
	for i, cell := range row {
		line += fmt.Sprintf("%-*s  ", widths[i], cmp.Or(cell, "-"))
	}
	return line
}

// portsTable returns the port map, with a line per target and conflict under each row.
func portsTable(h *harness) string {
	t := table{{"NODE", "ADDRESS", "PORT", "KIND", "HOLDER", "SERVICEPORT", "POLICY"}}
	conflicts := state.Conflicts(h.state)
	for p := range h.state.Ports() {
		t = append(t, []string{p.Node, p.Address, fmt.Sprintf("%d/%s", p.Port, p.Protocol), p.Kind.String(), portHolder(p), servicePort(p), p.ExternalTrafficPolicy.String()})
		for target := range h.state.TargetsOf(p) {
			t = append(t, []string{"-> " + targetLine(target)})
		}
		for _, other := range conflicts[p] {
			t = append(t, []string{strings.TrimSpace("conflicts with " + other.Kind.String() + " " + cmp.Or(other.Service, other.Pod))})
		}
	}
	return t.String()
}

// portHolder returns the Service or pod of a row.
func portHolder(p *state.Port) string {
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
	pod := "outside"
	if t.Pod != "" {
		pod = t.Namespace + "/" + t.Pod
	}
	line := fmt.Sprintf("%s %s:%d [%s] on %s", pod, cmp.Or(t.Container, "?"), t.ContainerPort, strings.Join(t.Addresses, ","), cmp.Or(t.Node, "?"))
	return line + flags("ready", t.Ready, "serving", t.Serving, "terminating", t.Terminating)
}

// flags returns the names of the flags that are true. pairs alternates names and values.
func flags(pairs ...any) string {
	line := ""
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1].(bool) {
			line += " " + pair[0].(string)
		}
	}
	return line
}

// nodesTable returns the nodes, with a line per condition under each.
func nodesTable(h *harness) string {
	t := table{{"NODE", "READY", "SCHEDULABLE", "ROLES", "ALLOCATABLE", "REQUESTED", "LIMITS", "PODS"}}
	for n := range h.state.Nodes() {
		load := h.state.Load(n.Name)
		t = append(t, []string{n.Name, n.Ready.String(), fmt.Sprint(n.Schedulable), strings.Join(n.Roles, ","), amounts(n.Allocatable), amounts(load.Requested), amounts(load.Limits), fmt.Sprint(load.Pods)})
		for _, c := range n.Conditions {
			t = append(t, []string{fmt.Sprintf("%s=%s %s %q since %s", c.Type, c.Status, c.Reason, c.Message, formatTime(c.Since))})
		}
		if n.NotReadySince != 0 {
			t = append(t, []string{"not ready since " + formatTime(n.NotReadySince)})
		}
		if n.FlappingSince != 0 {
			t = append(t, []string{fmt.Sprintf("flapping since %s until %s", formatTime(n.FlappingSince), formatTime(n.FlappingUntil))})
		}
	}
	return t.String()
}

func addressesTable(h *harness) string {
	t := table{{"NODE", "TYPE", "ADDRESS"}}
	for n := range h.state.Nodes() {
		for _, a := range n.Addresses {
			t = append(t, []string{n.Name, a.Type, a.Address})
		}
	}
	return t.String()
}

func podsTable(h *harness) string {
	t := table{{"POD", "READY", "STATUS", "RESTARTS", "NODE", "PHASE", "REASON", "IPS", "QOS", "OWNER", "REQUESTED", "LIMITS", "FLAGS"}}
	for p := range h.state.Pods() {
		t = append(t, []string{
			p.Namespace + "/" + p.Name, p.Ready.String(), p.Status, restarts(p), p.Node, p.Phase.String(), p.Reason, strings.Join(p.PodIPs, ","), p.QOSClass.String(), p.Owner.Kind + " " + p.Owner.Name,
			amounts(p.Requested), amounts(p.Limits), strings.TrimSpace(flags("terminating", p.Terminating, "hostNetwork", p.HostNetwork)),
		})
		if p.Message != "" {
			t = append(t, []string{fmt.Sprintf("message %q", p.Message)})
		}
		if p.UnschedulableSince != 0 {
			t = append(t, []string{"unschedulable since " + formatTime(p.UnschedulableSince)})
		}
		if p.NotReadySince != 0 {
			t = append(t, []string{"not ready since " + formatTime(p.NotReadySince)})
		}
		if p.FinishedAt != 0 {
			t = append(t, []string{"finished at " + formatTime(p.FinishedAt)})
		}
		for _, v := range p.Storage {
			kind := ""
			if v.Ephemeral {
				kind = " (ephemeral)"
			}
			t = append(t, []string{fmt.Sprintf("volume %s: claim %s of %d bytes at %q%s", v.Name, v.Claim, v.CapacityBytes, v.MountPath, kind)})
		}
	}
	return t.String()
}

func restarts(p *state.Pod) string {
	if p.LastRestartAt == 0 {
		return fmt.Sprint(p.Restarts)
	}
	return fmt.Sprintf("%d at %s", p.Restarts, formatTime(p.LastRestartAt))
}

func servicesTable(h *harness) string {
	t := table{{"SERVICE", "TYPE", "CLUSTERIP", "NOPODS", "NOENDPOINTS", "NOADDRESS"}}
	for s := range h.state.Services() {
		t = append(t, []string{s.Namespace + "/" + s.Name, s.Type.String(), s.ClusterIP, formatTime(s.NoPodsSince), formatTime(s.NoEndpointsSince), formatTime(s.NoAddressSince)})
	}
	return t.String()
}

// volumesTable returns the claims and PersistentVolumes.
func volumesTable(h *harness) string {
	t := table{{"NAME", "PHASE", "CLASS", "BOUND TO", "CAPACITY", "SINCE"}}
	for c := range h.state.Claims() {
		t = append(t, []string{c.Namespace + "/" + c.Name, c.Phase.String(), c.StorageClass, c.Volume, fmt.Sprint(c.CapacityBytes), formatTime(c.CreatedAt)})
	}
	for v := range h.state.PersistentVolumes() {
		t = append(t, []string{v.Name, v.Phase.String(), v.StorageClass, v.ClaimNamespace + "/" + v.Claim, fmt.Sprint(v.CapacityBytes), formatTime(v.PhaseSince)})
	}
	return t.String()
}

// problemsTable returns the problems in the summary at the current time, with a line for the message under each.
func problemsTable(h *harness) string {
	sum := state.Summarize(h.state, h.now.Time())
	t := table{{"SEVERITY", "KIND", "WHAT", "WHERE", "OWNER", "SINCE", "COUNT"}}
	for _, p := range sum.Problems {
		t = append(t, []string{p.Severity.String(), p.Kind, p.What, p.Where, strings.TrimSpace(p.Owner.Kind + " " + p.Owner.Name), formatTime(p.Since), fmt.Sprint(p.Count)})
		if p.Message != "" {
			t = append(t, []string{p.Message})
		}
	}
	return t.String() + fmt.Sprintf("healthy %v\n", sum.Healthy)
}

func containersTable(h *harness) string {
	t := table{{"CONTAINER", "KIND", "STATE", "REASON", "READY", "RESTARTS", "EXIT", "REQUESTS", "LIMITS"}}
	for c := range h.state.Containers() {
		t = append(t, []string{c.Namespace + "/" + c.Pod + "/" + c.Name, c.Kind.String(), c.State.String(), c.Reason, fmt.Sprint(c.Ready), fmt.Sprint(c.Restarts), fmt.Sprint(c.ExitCode), amounts(c.Requests), amounts(c.Limits)})
		if c.StartedAt != 0 || c.FinishedAt != 0 {
			t = append(t, []string{fmt.Sprintf("from %s to %s", formatTime(c.StartedAt), formatTime(c.FinishedAt))})
		}
		if c.NotReadySince != 0 {
			t = append(t, []string{fmt.Sprintf("not ready since %s %q", formatTime(c.NotReadySince), c.Message)})
		}
		if c.CrashLoopSince != 0 {
			t = append(t, []string{"crash loop since " + formatTime(c.CrashLoopSince)})
		}
		if c.Last != nil {
			t = append(t, []string{fmt.Sprintf("last %s exit %d at %s", c.Last.Reason, c.Last.ExitCode, formatTime(c.Last.FinishedAt))})
		}
	}
	return t.String()
}

// amounts formats Resources. It leaves out zeros, except those of extended resources.
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
		parts = append(parts, fmt.Sprintf("%d*%s", r.Extended[resource], resource))
	}
	return strings.Join(parts, ",")
}

// formatTime returns the time of day.
func formatTime(t state.Time) string {
	if t == 0 {
		return "-"
	}
	return t.Time().Format("15:04:05")
}
