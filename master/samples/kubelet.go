package samples

import (
	"net"
	"strconv"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
)

// kubeletFamilies returns the metrics of kubelets that can be derived from their nodes and pods.
// They have no series for a kubelet whose node is in status Unknown.
func kubeletFamilies() []Family {
	gauge := model.MetricTypeGauge
	return []Family{
		{"kubelet_node_name", "The name of the kubelet's node.", gauge, Details, kubeletLabels, kubelets(func(*state.State) func(string) float64 {
			return func(string) float64 { return 1 }
		})},
		{"kubelet_running_pods", "Number of pods that have a running sandbox: unfinished pods with an address.", gauge, Details, kubeletLabels, kubelets(runningPods)},
		{"kubelet_running_containers", "Number of running containers. Containers in other states are not counted.", gauge, Details, kubeletLabels, kubelets(runningContainers, "container_state", "running")},
	}
}

// kubelets returns a collect function with a series for each node whose kubelet reports. of
// returns a function that returns the value for a node.
func kubelets(of func(*state.State) func(node string) float64, pairs ...string) func(*Cluster, *Collector) {
	return func(c *Cluster, out *Collector) {
		s := c.state()
		if s == nil {
			return
		}
		value, constant := of(s), c.reportInterval().constant
		for n := range s.Nodes() {
			if n.Ready != state.Unknown {
				out.Add(constant(value(n.Name)), append([]string{"node", n.Name, "instance", kubeletInstance(s, n)}, pairs...)...)
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

// kubeletInstance returns the address at which a Prometheus would scrape a node's kubelet, "" if
// it is not known.
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

// kubeletPort returns the port of a node's kubelet, 0 if it is not known.
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
