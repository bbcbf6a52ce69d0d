package prom

import (
	"net"
	"strconv"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
)

// kubeletFamilies are what kubelets tell of themselves, as far as their nodes and pods
// tell it too. There is none of a kubelet that the cluster does not hear of.
func kubeletFamilies() []family {
	gauge := model.MetricTypeGauge
	return []family{
		{"kubelet_node_name", "The node of a kubelet.", gauge, Details, kubelet, kubelets(func(*state.State) func(string) float64 {
			return func(string) float64 { return 1 }
		})},
		{"kubelet_running_pods", "Pods of a kubelet that have a sandbox: unfinished ones with an address.", gauge, Details, kubelet, kubelets(runningPods)},
		{"kubelet_running_containers", "Containers of a kubelet that run; it is not known how many others it keeps.", gauge, Details, kubelet, kubelets(runningContainers, "container_state", "running")},
	}
}

// kubelets makes a series of each node whose kubelet reports.
func kubelets(of func(*state.State) func(node string) float64, pairs ...string) func(*cluster, *sink) {
	return func(c *cluster, out *sink) {
		s := c.state()
		if s == nil {
			return
		}
		value, holds := of(s), c.atReport().holds
		for n := range s.Nodes() {
			if n.Ready != state.Unknown {
				out.add(holds(value(n.Name)), append([]string{"node", n.Name, "instance", kubeletInstance(s, n)}, pairs...)...)
			}
		}
	}
}

func runningPods(s *state.State) func(node string) float64 {
	byNode := map[string]float64{}
	for p := range s.Pods() {
		if !p.Phase.Finished() && len(p.PodIPs) > 0 {
			byNode[p.Node]++
		}
	}
	return func(node string) float64 { return byNode[node] }
}

func runningContainers(s *state.State) func(node string) float64 {
	byNode := map[string]float64{}
	for k := range s.Containers() {
		if k.State == state.Running {
			byNode[k.Node]++
		}
	}
	return func(node string) float64 { return byNode[node] }
}

// kubeletInstance returns where a Prometheus would scrape a node's kubelet; empty where
// that is not known.
func kubeletInstance(s *state.State, n *state.Node) string {
	for _, a := range n.Addresses {
		if a.Type != internalIP {
			continue
		}
		if port := kubeletPort(s, n.Name); port != 0 {
			return net.JoinHostPort(a.Address, strconv.Itoa(int(port)))
		}
		return ""
	}
	return ""
}

// kubeletPort returns the port of a node's kubelet, 0 where it is not known.
func kubeletPort(s *state.State, node string) uint16 {
	for e := range s.From(state.Key{Kind: state.KindPort, Node: node}) {
		p := e.Object.(*state.Port)
		if p.Node != node {
			return 0
		}
		if p.Kind == state.Kubelet {
			return p.Port
		}
	}
	return 0
}
