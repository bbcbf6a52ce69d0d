package wire

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// randomUID returns a UID that cannot be compressed.
func randomUID(r *rand.Rand) (uid state.UID) {
	for i := range uid {
		uid[i] = byte(r.Uint32())
	}
	return uid
}

// podsWithUIDs returns a State of pods with different names and UIDs.
func podsWithUIDs(t *testing.T, pods int) *state.State {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 6))
	d := state.Delta{Epoch: 7}
	for i := range pods {
		d.To++
		d.Upserts = append(d.Upserts, state.Entry{Seq: d.To, Object: &state.Pod{
			Namespace: "web", Name: "shop-" + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)), UID: randomUID(r), Node: "n" + string(rune('0'+i%7)),
			HostIP: "10.0.0." + string(rune('1'+i%7)), CreatedAt: 1_790_000_000 + state.Time(i), StartedAt: 1_790_000_002 + state.Time(i),
		}})
	}
	s, err := state.Apply(&state.State{Epoch: 7}, d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func snapshotSize(t *testing.T, s *state.State) (size int) {
	t.Helper()
	if err := NewCodec().EncodeSnapshotFunc(s, 1, func(frame []byte) { size += len(frame) }); err != nil {
		t.Fatal(err)
	}
	return size
}

// A UID has 16 random bytes. As text it took 24 bytes in a frame.
func TestUIDTakes16BytesInASnapshot(t *testing.T) {
	const pods = 3000
	with := podsWithUIDs(t, pods)
	d := state.Delta{Epoch: 7}
	for e := range with.Entries(state.KindPod) {
		p := *e.Object.(*state.Pod)
		p.UID = state.UID{}
		d.To++
		d.Upserts = append(d.Upserts, state.Entry{Seq: d.To, Object: &p})
	}
	without, err := state.Apply(&state.State{Epoch: 7}, d)
	if err != nil {
		t.Fatal(err)
	}
	if each := float64(snapshotSize(t, with)-snapshotSize(t, without)) / pods; each > 16.1 {
		t.Errorf("a UID takes %.2f bytes, want 16", each)
	}
}

// UIDs, host IPs and start times are decoded correctly across several chunks.
func TestSnapshotUIDsRoundTrip(t *testing.T) {
	s := podsWithUIDs(t, 9000)
	r := NewReceiver(s.Epoch, nil)
	receiveSnapshot(t, r, s)
	wantEqual(t, receive(t, r, bookmarkOf(s)), s)
}

// A recreated pod of a StatefulSet has the same name, another UID, and times with the same
// distance.
func TestRecreatedPodRoundTrip(t *testing.T) {
	held := podsWithUIDs(t, 3)
	r := rand.New(rand.NewPCG(1, 1))
	d := &Delta{From: held.Seq, To: held.Seq, Base: held}
	for e := range held.Entries(state.KindPod) {
		p := *e.Object.(*state.Pod)
		p.UID, p.CreatedAt, p.StartedAt = randomUID(r), p.CreatedAt+100, p.StartedAt+100
		if d.To == held.Seq {
			p.HostIP, p.Node = "10.0.0.9", "n9"
		}
		d.To++
		d.Upserts = append(d.Upserts, state.Entry{Seq: d.To, Object: &p})
	}
	next, err := state.Apply(held, state.Delta{Epoch: held.Epoch, From: d.From, To: d.To, Upserts: d.Upserts})
	if err != nil {
		t.Fatal(err)
	}
	receiver := NewReceiver(held.Epoch, NewLazyState(held))
	receive(t, receiver, d)
	wantEqual(t, receive(t, receiver, bookmarkOf(next)), next)
}

func TestSnapshotWithMissingUIDsIsRejected(t *testing.T) {
	s := podsWithUIDs(t, 4)
	c := NewCodec()
	err := c.EncodeSnapshotFunc(s, 1, func(frame []byte) {
		m, err := c.DecodeAgent(frame)
		if err != nil {
			t.Fatal(err)
		}
		snapshot := m.(*Snapshot)
		snapshot.objects.Uids = snapshot.objects.Uids[:30]
		if _, err := NewReceiver(s.Epoch, nil).Receive(snapshot, time.Unix(1_790_000_000, 0)); !errors.Is(err, ErrResync) {
			t.Errorf("a snapshot of 4 pods with 30 bytes of UIDs: %v, want ErrResync", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
