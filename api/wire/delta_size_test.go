package wire

import (
	"fmt"
	"testing"

	"rollcall.dev/rollcall/api/state"
)

// socketBytes is what a flush of frames takes on a socket, to the master: its seal, its
// websocket header and its TLS record with it.
func socketBytes(frames ...[]byte) int {
	const tlsRecord = 22
	size := len(EncodeBatch(frames)) + checksumSize
	header := 2
	if size > 125 {
		header = 4
	}
	return size + header + tlsRecord
}

// nodePortState is a NodePort with so many endpoints, each a pod with one container.
func nodePortState(pods int) *state.State {
	d := state.Delta{Epoch: 1}
	add := func(o state.Object, slot int) {
		d.To++
		d.Upserts = append(d.Upserts, state.Entry{Seq: d.To, Slot: uint32(slot), Object: o})
	}
	add(&state.Port{Node: state.AllNodes, Protocol: state.TCP, Port: 30080, Kind: state.NodePort, Namespace: "load-07", Service: "wide", ServicePort: &state.ServicePort{Name: "http", Port: 80}}, 0)
	for i := range pods {
		pod, node, ip := fmt.Sprintf("wide-7d9c6b5f8d-%05x", 7919*i), fmt.Sprintf("node-%03d", i%25), fmt.Sprintf("10.0.%d.%d", i/250, i%250)
		requests := state.Resources{CPUMillis: 100, MemoryBytes: 128 << 20}
		add(&state.Pod{Namespace: "load-07", Name: pod, Node: node, Phase: state.PodRunning, PodIPs: []string{ip}, CreatedAt: 1_790_000_000, Owner: state.Owner{Kind: "Deployment", Name: "wide"}, Requested: requests}, 0)
		add(&state.Container{
			Namespace: "load-07", Pod: pod, Name: "app", Node: node, Image: "registry.example/team/wide:v1.2.3", ImageID: fmt.Sprintf("registry.example/team/wide@sha256:%064x", 7919*i),
			State: state.Running, Ready: true, StartedAt: state.Time(1_790_000_000 + 7*i), Requests: requests, Limits: requests,
		}, i)
		add(&state.Target{
			ServiceNamespace: "load-07", Service: "wide", ServicePort: "http", Protocol: state.TCP, Addresses: []string{ip},
			Namespace: "load-07", Pod: pod, Container: "app", ContainerPort: 8080, Node: node, Ready: true, Serving: true,
		}, 0)
	}
	s, err := state.Apply(&state.State{Epoch: 1}, d)
	if err != nil {
		panic(err)
	}
	return s
}

// withUnready is s with the containers, or the targets, of some pods turned unready.
func withUnready(s *state.State, kind state.Kind, pods int) *state.State {
	d := state.Delta{Epoch: s.Epoch, From: s.Seq, To: s.Seq}
	for e := range s.Entries(kind) {
		if len(d.Upserts) == pods {
			break
		}
		switch o := e.Object.(type) {
		case *state.Container:
			c := *o
			c.Ready = false
			e.Object = &c
		case *state.Target:
			t := *o
			t.Ready, t.Serving = false, false
			e.Object = &t
		}
		d.To++
		e.Seq = d.To
		d.Upserts = append(d.Upserts, e)
	}
	next, err := state.Apply(s, d)
	if err != nil {
		panic(err)
	}
	return next
}

// flushOf is what a delta up to a state takes on a socket, with its bookmark.
func flushOf(t *testing.T, d *Delta, next *state.State) int {
	t.Helper()
	var frames [][]byte
	for _, m := range []AgentMessage{d, agedBookmark(next)} {
		frame, err := codec.EncodeAgent(m)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, frame)
	}
	return socketBytes(frames...)
}

// agedBookmark is as a session has it after a quarter of an hour.
func agedBookmark(s *state.State) *Bookmark {
	b := bookmarkOf(s)
	for i := range b.Ages {
		b.Ages[i] = 0
	}
	b.Ages[state.SectionUsage] = 14_000_000_000
	b.Sent = 900_000_000_000
	return b
}

func TestReadinessChangeSize(t *testing.T) {
	w := nodePortState(500)
	unready := withUnready(w, state.KindContainer, 1)
	for _, tc := range []struct {
		name       string
		prev, next *state.State
		most       int
	}{
		{"a container", w, unready, 140},
		{"its endpoint", unready, withUnready(unready, state.KindTarget, 1), 165},
		{"24 containers", w, withUnready(w, state.KindContainer, 24), 300},
		{"24 endpoints", w, withUnready(w, state.KindTarget, 24), 320},
	} {
		got, whole := flushOf(t, patchDeltaOf(tc.prev, tc.next), tc.next), flushOf(t, deltaOf(tc.prev, tc.next), tc.next)
		t.Logf("%s: %d bytes on the socket, %d if sent whole", tc.name, got, whole)
		if got > tc.most {
			t.Errorf("%s: %d bytes, want at most %d", tc.name, got, tc.most)
		}
	}
}
