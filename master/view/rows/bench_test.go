package rows

import (
	"encoding/json"
	"testing"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

// BenchmarkRows encodes the nodes, pods, containers and ports of a cluster of 5,000 pods, and the
// same objects with encoding/json.
func BenchmarkRows(b *testing.B) {
	w := statetest.New(1, 25, 5000)
	w.Sample(1_800_000_000)
	s := w.State
	var nodes []*state.NodeView
	var pods []*state.PodView
	var containers []*state.ContainerView
	var ports []*state.PortView
	for e := range s.Entries(state.KindNode) {
		node := e.Object.(*state.Node)
		nodes = append(nodes, &state.NodeView{Node: node, NodeLoad: s.Load(node.Name), Used: s.Usage.Of(e.Slot)})
	}
	for e := range s.Entries(state.KindPod) {
		pods = append(pods, &state.PodView{Pod: e.Object.(*state.Pod)})
	}
	for e := range s.Entries(state.KindContainer) {
		view := state.NewContainerView(e.Object.(*state.Container), s.Usage.Of(e.Slot))
		containers = append(containers, &view)
	}
	for e := range s.Entries(state.KindPort) {
		ports = append(ports, &state.PortView{Port: e.Object.(*state.Port)})
	}
	b.Run("rows", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			text := make([]byte, 0, 16<<20)
			for _, n := range nodes {
				text = Node(text, n)
			}
			for _, p := range pods {
				text = Pod(text, p)
			}
			for _, c := range containers {
				text = Container(text, c)
			}
			for _, p := range ports {
				text = Port(text, p)
			}
			b.SetBytes(int64(len(text)))
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			size := 0
			for _, all := range []any{nodes, pods, containers, ports} {
				text, err := json.Marshal(all)
				if err != nil {
					b.Fatal(err)
				}
				size += len(text)
			}
			b.SetBytes(int64(size))
		}
	})
}
