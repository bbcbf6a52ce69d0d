package samples

import (
	"strconv"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
)

func portFamilies() []Family {
	gauge := model.MetricTypeGauge
	return []Family{
		{"rollcall_port_info", "A port in use on a node (* for all nodes) or load balancer, with a series for each of its targets.", gauge, Details, rollcallLabels, portInfo},
		{"rollcall_port_target_ready", "Whether a target of a port in use is ready.", gauge, Details, rollcallLabels, portReady},
		{"rollcall_port_conflict", "A port that is claimed more than once.", gauge, Details, rollcallLabels, portConflicts},
	}
}

// eachTarget calls f with each port and each of its targets, or with nil if it has no targets, and
// with the interval in which they did not change. It
// calls resetUnique before each port.
func eachTarget(c *Cluster, out *Collector, f func(p *state.Port, t *state.Target, unchanged interval)) {
	s := c.state()
	if s == nil {
		return
	}
	for e := range s.Entries(state.KindPort) {
		p, unchanged, none := e.Object.(*state.Port), c.entryInterval(e), true
		out.resetUnique()
		for t := range s.TargetsOf(p) {
			none = false
			f(p, t, unchanged.and(c, s, t))
		}
		if none {
			f(p, nil, unchanged)
		}
	}
}

// and returns the part of the interval in which a target did not change either.
func (s interval) and(c *Cluster, of *state.State, t *state.Target) interval {
	if e, ok := of.Get(t.Key()); ok {
		s.since = max(s.since, c.entryInterval(e).since)
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

func portInfo(c *Cluster, out *Collector) {
	eachTarget(c, out, func(p *state.Port, t *state.Target, unchanged interval) {
		out.addUnique(unchanged.constant(1), targetLabels(p, t)...)
	})
}

func portReady(c *Cluster, out *Collector) {
	eachTarget(c, out, func(p *state.Port, t *state.Target, unchanged interval) {
		if t != nil {
			out.addUnique(unchanged.constant(boolValue(t.Ready)), targetLabels(p, t)...)
		}
	})
}

func portConflicts(c *Cluster, out *Collector) {
	s := c.state()
	if s == nil {
		return
	}
	conflicts, constant := state.Conflicts(s), c.reportInterval().constant
	for e := range s.Entries(state.KindPort) {
		p := e.Object.(*state.Port)
		out.resetUnique()
		for _, with := range conflicts[p] {
			out.addUnique(constant(1), append(portLabels(p), "pod", p.Pod, "with_node", with.Node, "with_address", with.Address, "with_kind", with.Kind.String(),
				"with_namespace", with.Namespace, "with_service", with.Service, "with_pod", with.Pod)...)
		}
	}
}
