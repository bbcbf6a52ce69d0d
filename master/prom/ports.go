package prom

import (
	"strconv"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
)

func portFamilies() []family {
	gauge := model.MetricTypeGauge
	return []family{
		{"rollcall_port_info", "A port of a node (or of all: *) or of a load balancer that is taken, and where it leads: a series for each place.", gauge, Details, ours, portInfo},
		{"rollcall_port_target_ready", "Whether the place that a taken port leads to is ready.", gauge, Details, ours, portReady},
		{"rollcall_port_conflict", "A taken port that somebody else claims too.", gauge, Details, ours, portConflicts},
	}
}

// eachTarget calls f with each port and place that it leads to, nil where there is none.
// What f adds for one port is distinct.
func eachTarget(c *cluster, out *sink, f func(p *state.Port, t *state.Target, as stretch)) {
	s := c.state()
	if s == nil {
		return
	}
	for e := range s.Entries(state.KindPort) {
		p, as, none := e.Object.(*state.Port), c.asItIs(e), true
		out.distinct()
		for t := range s.TargetsOf(p) {
			none = false
			f(p, t, as.and(c, s, t))
		}
		if none {
			f(p, nil, as)
		}
	}
}

// and is the stretch in which a target was as it is too.
func (s stretch) and(c *cluster, of *state.State, t *state.Target) stretch {
	if e, ok := of.Get(t.Key()); ok {
		s.since = max(s.since, c.asItIs(e).since)
	}
	return s
}

func portLabels(p *state.Port) []string {
	service := ""
	if p.ServicePort != nil {
		service = strconv.Itoa(int(p.ServicePort.Port))
	}
	return []string{
		"node", p.Node, "address", p.Address, "port", strconv.Itoa(int(p.Port)), "protocol", p.Protocol.String(), "kind", p.Kind.String(),
		"namespace", p.Namespace, "service", p.Service, "service_port", service,
	}
}

func targetLabels(p *state.Port, t *state.Target) []string {
	pairs := portLabels(p)
	if t == nil {
		return append(pairs, "pod", p.Pod)
	}
	address := ""
	if t.Pod == "" && len(t.Addresses) > 0 {
		address = t.Addresses[0]
	}
	pod := t.Pod
	if pod == "" {
		pod = p.Pod
	}
	number := ""
	if t.ContainerPort != 0 {
		number = strconv.Itoa(int(t.ContainerPort))
	}
	return append(pairs, "pod", pod, "container", t.Container, "container_port", number, "target_node", t.Node, "target_address", address)
}

func portInfo(c *cluster, out *sink) {
	eachTarget(c, out, func(p *state.Port, t *state.Target, as stretch) { out.addOnce(as.holds(1), targetLabels(p, t)...) })
}

func portReady(c *cluster, out *sink) {
	eachTarget(c, out, func(p *state.Port, t *state.Target, as stretch) {
		if t != nil {
			out.addOnce(as.holds(truth(t.Ready)), targetLabels(p, t)...)
		}
	})
}

func portConflicts(c *cluster, out *sink) {
	s := c.state()
	if s == nil {
		return
	}
	conflicts, holds := state.Conflicts(s), c.atReport().holds
	for e := range s.Entries(state.KindPort) {
		p := e.Object.(*state.Port)
		out.distinct()
		for _, with := range conflicts[p] {
			out.addOnce(holds(1), append(portLabels(p), "pod", p.Pod, "with_node", with.Node, "with_address", with.Address, "with_kind", with.Kind.String(),
				"with_namespace", with.Namespace, "with_service", with.Service, "with_pod", with.Pod)...)
		}
	}
}
