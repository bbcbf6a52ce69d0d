package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/report"
)

var (
	received = time.Date(2026, 11, 22, 10, 0, 5, 123456789, time.UTC)
	observed = received.Add(-200 * time.Millisecond)
	created  = state.TimeOf(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))
)

// stateOf returns a State with the given objects. Slots are numbered from 1 in their order.
func stateOf(t testing.TB, objects ...state.Object) *state.State {
	t.Helper()
	d := state.Delta{Epoch: 0x9f2c, To: uint64(len(objects)), Sections: &[state.NumSections]state.Section{}}
	for i, o := range objects {
		d.Upserts = append(d.Upserts, state.Entry{Seq: uint64(i + 1), Slot: uint32(i + 1), Object: o})
	}
	for i := range d.Sections {
		d.Sections[i].ObservedAt = observed
	}
	s, err := state.Apply(&state.State{Epoch: 0x9f2c}, d)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return s
}

func reportOf(s *state.State) Report {
	return NewReport(&report.Report{
		Cluster: "prod-eu", UID: "8a1f", Term: 17, ReceivedAt: received, ExpiresAt: received.Add(10 * time.Second), TTL: 10 * time.Second,
		Session:   report.Session{ID: "s-1", Phase: "Reporting", StartedAt: received.Add(-time.Minute), ExpiresAt: received.Add(29 * time.Minute)},
		LazyState: wire.NewLazyState(s), Summary: state.Summarize(s, received),
	})
}

// edited returns a copy of a report after an edit.
func edited(r Report, edit func(r *report.Report)) Report {
	c := *r.Report
	edit(&c)
	return NewReport(&c)
}

// receivedAt returns a copy of a report that was received at another time.
func receivedAt(r Report, at time.Time) Report {
	return edited(r, func(r *report.Report) { r.ReceivedAt, r.ExpiresAt = at, at.Add(r.TTL) })
}

// shop returns a cluster of two nodes that runs a shop: a NodePort with policy Cluster, a
// LoadBalancer with policy Local, a crash loop, and an exporter on host port 9100 that conflicts
// with a NodePort of the same number.
func shop(t testing.TB) *state.State {
	t.Helper()
	web := state.Owner{Kind: "Deployment", Name: "web"}
	exporter := state.Owner{Kind: "DaemonSet", Name: "exporter"}
	s := stateOf(t,
		&state.Node{
			Name: "n1", Ready: state.True, Schedulable: true, Roles: []string{"worker"}, CreatedAt: created,
			Addresses:   []state.NodeAddress{{Type: "InternalIP", Address: "10.0.0.1"}},
			Allocatable: state.Resources{CPUMillis: 4000, MemoryBytes: 8 << 30, Pods: 110}, Capacity: state.Resources{CPUMillis: 4000, MemoryBytes: 8 << 30, Pods: 110},
		},
		&state.NodeLoad{Node: "n1", Requested: state.Resources{CPUMillis: 500}, Pods: 2},
		&state.Node{Name: "n2", Ready: state.False, Conditions: []state.NodeCondition{{Type: "Ready", Status: state.False, Reason: "KubeletNotReady", Message: "PLEG is not healthy"}}},
		&state.Pod{Namespace: "shop", Name: "web-1", Node: "n1", Phase: state.PodRunning, Owner: web, PodIPs: []string{"10.1.0.1"}},
		&state.Pod{Namespace: "shop", Name: "web-2", Node: "n2", Phase: state.PodPending, Owner: web},
		&state.Pod{Namespace: "infra", Name: "exporter-a", Node: "n1", Phase: state.PodRunning, Owner: exporter},
		&state.Container{Namespace: "shop", Pod: "web-1", Name: "app", Kind: state.Main, Node: "n1", Image: "registry/shop:1 <v>", State: state.Running, Ready: true},
		&state.Container{Namespace: "shop", Pod: "web-1", Name: "setup", Kind: state.Init, Node: "n1", Image: "busybox", State: state.Terminated, Reason: "Completed"},
		&state.Container{
			Namespace: "shop", Pod: "web-2", Name: "app", Kind: state.Main, Node: "n2", Image: "registry/shop:1", State: state.Waiting, Reason: "CrashLoopBackOff",
			Restarts: 7, Last: &state.LastTermination{Reason: "OOMKilled", ExitCode: 137}, NotReadySince: created,
		},
		&state.Container{Namespace: "infra", Pod: "exporter-a", Name: "exporter", Kind: state.Sidecar, Node: "n1", Image: "exporter", State: state.Running, Ready: true},
		&state.Port{
			Node: state.AllNodes, Protocol: state.TCP, Port: 30080, Kind: state.NodePort, Namespace: "shop", Service: "web",
			ServicePort: &state.ServicePort{Name: "http", Port: 80}, ExternalTrafficPolicy: state.TrafficPolicyCluster,
		},
		&state.Port{
			Node: state.AllNodes, Address: "203.0.113.9", Protocol: state.TCP, Port: 80, Kind: state.LoadBalancer, Namespace: "shop", Service: "edge",
			ServicePort: &state.ServicePort{Name: "http", Port: 80}, ExternalTrafficPolicy: state.TrafficPolicyLocal,
		},
		&state.Port{Node: state.AllNodes, Protocol: state.TCP, Port: 9100, Kind: state.NodePort, Namespace: "shop", Service: "probe", ServicePort: &state.ServicePort{Port: 1}},
		&state.Port{
			Node: "n1", Protocol: state.TCP, Port: 9100, Kind: state.HostPort, Namespace: "infra", Pod: "exporter-a",
			Target: &state.Target{Namespace: "infra", Pod: "exporter-a", Container: "exporter", ContainerPort: 9100, Node: "n1", Ready: true, Serving: true},
		},
		&state.Port{Node: "n1", Protocol: state.UDP, Port: 9100, Kind: state.HostNetwork, Namespace: "infra", Pod: "exporter-a"},
		&state.Port{Node: "n2", Protocol: state.TCP, Port: 10250, Kind: state.Kubelet},
		target("web", "web-1", "n1"), target("web", "web-2", "n2"), target("edge", "web-1", "n1"), target("edge", "web-2", "n2"),
	)
	s.Usage = &state.Usage{N: 1, BySlot: make([]state.Used, 10)}
	s.Usage.BySlot[1] = state.Used{CPUMillis: 900, MemoryBytes: 1 << 30, SampledAt: created}
	s.Usage.BySlot[7] = state.Used{CPUMillis: 12, MemoryBytes: 64 << 20, SampledAt: created}
	return s
}

func target(service, pod, node string) *state.Target {
	return &state.Target{
		ServiceNamespace: "shop", Service: service, ServicePort: "http", Protocol: state.TCP,
		Addresses: []string{"10.1.0." + pod[len(pod)-1:]}, Namespace: "shop", Pod: pod, Container: "app", ContainerPort: 8080, Node: node, Ready: node == "n1", Serving: node == "n1",
	}
}

// document is a document as a client decodes it.
type document struct {
	httpv1.ClusterMeta
	Summary    *state.Summary          `json:"summary"`
	Nodes      []struct{ Name string } `json:"nodes"`
	Pods       []struct{ Name string } `json:"pods"`
	Containers []struct{ Pod, Name string }
	Ports      []portRow
}

type portRow struct {
	Node    string
	Port    uint16
	Kind    string
	Service string
	Pod     string
	Targets []struct{ Pod string }
}

func decode(t testing.TB, b Body) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(bytes.Join(b, nil), &d); err != nil {
		t.Fatalf("decode %s: %v", bytes.Join(b, nil), err)
	}
	return d
}

// names returns short names of the rows of all lists, in order.
func (d document) names() []string {
	names := []string{}
	for _, n := range d.Nodes {
		names = append(names, n.Name)
	}
	for _, p := range d.Pods {
		names = append(names, p.Name)
	}
	for _, c := range d.Containers {
		names = append(names, c.Pod+"/"+c.Name)
	}
	for _, p := range d.Ports {
		names = append(names, fmt.Sprintf("%s:%d/%s", p.Node, p.Port, p.Kind))
	}
	return names
}

// ask runs a query such as node=n1&q=web on the document.
func ask(t testing.TB, d *Document, part Part, params map[string]string) document {
	t.Helper()
	body, err := d.Select(queryOf(t, part, params))
	if err != nil {
		t.Fatalf("select %v: %v", params, err)
	}
	return decode(t, body)
}

func queryOf(t testing.TB, part Part, params map[string]string) Query {
	t.Helper()
	values := map[string][]string{}
	for name, value := range params {
		values[name] = []string{value}
	}
	q, err := ParseQuery(part, values)
	if err != nil {
		t.Fatalf("parse %v: %v", params, err)
	}
	return q
}

// bodyOf returns a part of a report from the cache, uncompressed.
func bodyOf(s *DocumentCache, r Report, p Part) (Body, error) {
	d, err := s.Document(r.Report)
	if err != nil {
		return nil, err
	}
	a, err := s.Encoded(d, p, Identity)
	if err != nil {
		return nil, err
	}
	return a.Body, nil
}
