package view

import (
	"fmt"
	"io"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/report"
)

// largeCluster returns a cluster with the given number of containers: two per pod, 30 pods per
// node, and a NodePort for every 20 pods.
func largeCluster(b *testing.B, containers int) *state.State {
	var objects []state.Object
	for i := range containers / 2 {
		node, pod, service := fmt.Sprintf("node-%04d", i/30), fmt.Sprintf("web-7d4b9c6f5-%05d", i), fmt.Sprintf("web-%04d", i/20)
		if i%30 == 0 {
			objects = append(objects, &state.Node{
				Name: node, Ready: state.True, Schedulable: true, OSImage: "Debian GNU/Linux 13", KubeletVersion: "v1.36.3", CreatedAt: created,
				Addresses: []state.NodeAddress{{Type: "InternalIP", Address: "10.0.0.1"}, {Type: "Hostname", Address: node}},
			},
				&state.NodeLoad{Node: node, Pods: 30}, &state.Port{Node: node, Protocol: state.TCP, Port: 10250, Kind: state.Kubelet})
		}
		if i%20 == 0 {
			objects = append(objects, &state.Port{
				Node: "*", Protocol: state.TCP, Port: uint16(30000 + i/20), Kind: state.NodePort, Namespace: "shop", Service: service,
				ServicePort: &state.ServicePort{Name: "http", Port: 80}, ExternalTrafficPolicy: state.TrafficPolicyCluster,
			})
		}
		objects = append(objects, &state.Pod{Namespace: "shop", Name: pod, Node: node, Phase: state.PodRunning, PodIPs: []string{"10.1.0.1"}, CreatedAt: created, Owner: state.Owner{Kind: "Deployment", Name: service}},
			&state.Target{ServiceNamespace: "shop", Service: service, ServicePort: "http", Protocol: state.TCP, Addresses: []string{"10.1.0.1"}, Namespace: "shop", Pod: pod, Container: "app", ContainerPort: 8080, Node: node, Ready: true, Serving: true})
		for _, name := range []string{"app", "proxy"} {
			objects = append(objects, &state.Container{
				Namespace: "shop", Pod: pod, Name: name, Kind: state.Main, Node: node, Image: "registry.example.com/shop/" + name + ":v1.2.3",
				ImageID: "registry.example.com/shop/" + name + "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", State: state.Running, Ready: true, StartedAt: created,
			})
		}
	}
	s := stateOf(b, objects...)
	s.Usage = &state.Usage{N: 1, BySlot: make([]state.Used, len(objects)+1)}
	for i := range s.Usage.BySlot {
		s.Usage.BySlot[i] = state.Used{CPUMillis: 12, MemoryBytes: 64 << 20, SampledAt: created}
	}
	return s
}

// BenchmarkFirstRead measures the first read of a report, which encodes it.
func BenchmarkFirstRead(b *testing.B) {
	for _, containers := range []int{300, 10_000} {
		b.Run(fmt.Sprintf("%d containers", containers), func(b *testing.B) {
			r := reportOf(largeCluster(b, containers))
			b.ReportAllocs()
			for b.Loop() {
				body, err := NewDocument(r, nil).Body(Whole)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(body.Len()))
			}
		})
	}
}

// BenchmarkSharedRead measures each later read of a report.
func BenchmarkSharedRead(b *testing.B) {
	documents, r := NewDocumentCache(1<<30), reportOf(largeCluster(b, 10_000))
	b.ReportAllocs()
	for b.Loop() {
		body, err := bodyOf(documents, r, Whole)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := body.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFilteredRead measures queries for one pod's containers among all, and for the first
// page.
func BenchmarkFilteredRead(b *testing.B) {
	documents, r := NewDocumentCache(1<<30), reportOf(largeCluster(b, 10_000))
	for name, ask := range map[string]params{"pod": {"pod": "web-7d4b9c6f5-00042"}, "words": {"q": "app 00042"}, "first page": {"limit": "100"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				values := map[string][]string{}
				for k, v := range ask {
					values[k] = []string{v}
				}
				q, err := ParseQuery(Containers, values)
				if err != nil {
					b.Fatal(err)
				}
				d, err := documents.Document(r.Report)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := documents.Select(d, q, Identity); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWatchedChange measures a report with five changed containers of a large cluster, from
// the report to the encoded events, which all watchers share.
func BenchmarkWatchedChange(b *testing.B) {
	r := reportOf(largeCluster(b, 10_000))
	log, scope := &ChangeLog{}, Scope{}
	look := func(*ClusterView) (*Report, ConnStatus, ValidUntil) { return &r, ConnStatus{}, ValidUntil{} }
	if _, _, err := log.Refresh(r.ReceivedAt, look); err != nil {
		b.Fatal(err)
	}
	_, cursor := log.Current()
	b.ReportAllocs()
	for restarts := int32(1); b.Loop(); restarts++ {
		r = edited(r, func(r *report.Report) {
			r.LazyState = wire.NewLazyState(restarted(b, stateOfReport(b, r), restarts))
			r.ReceivedAt = received.Add(time.Duration(restarts) * 100 * time.Millisecond)
		})
		if _, _, err := log.Refresh(r.ReceivedAt, look); err != nil {
			b.Fatal(err)
		}
		var err error
		if _, cursor, _, err = log.Read(cursor, scope, JSONLines); err != nil {
			b.Fatal(err)
		}
	}
}

func stateOfReport(b *testing.B, r *report.Report) *state.State {
	b.Helper()
	s, err := r.State()
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// restarted returns the state with five containers whose restart count is restarts.
func restarted(b *testing.B, s *state.State, restarts int32) *state.State {
	d := state.Delta{Epoch: s.Epoch, From: s.Seq, To: s.Seq}
	for i := range 5 {
		key := state.Key{Kind: state.KindContainer, Namespace: "shop", Name: fmt.Sprintf("web-7d4b9c6f5-%05d", i*997), Sub: "app"}
		held, ok := s.Get(key)
		if !ok {
			b.Fatalf("container %+v not found", key)
		}
		c := *held.Object.(*state.Container)
		c.Restarts = restarts
		d.To++
		d.Upserts = append(d.Upserts, state.Entry{Seq: d.To, Slot: held.Slot, Object: &c})
	}
	next, err := state.Apply(s, d)
	if err != nil {
		b.Fatal(err)
	}
	return next
}
