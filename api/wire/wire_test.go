package wire

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire/columnar"
)

var (
	now   = time.Unix(1_800_000_000, 0)
	codec = NewCodec()
)

func never() (ages [state.NumSections]time.Duration) {
	for i := range ages {
		ages[i] = -1
	}
	return ages
}

func bookmarkOf(s *state.State) *Bookmark {
	return &Bookmark{Seq: s.Seq, Count: s.Count(), Hash: HashState(s), Ages: never()}
}

func deltaOf(prev, next *state.State) *Delta {
	d := state.Diff(prev, next)
	return &Delta{From: d.From, To: d.To, Upserts: d.Upserts, Removes: d.Removes}
}

// patchDeltaOf is like deltaOf for a receiver that holds prev.
func patchDeltaOf(prev, next *state.State) *Delta {
	d := deltaOf(prev, next)
	d.Base = prev
	return d
}

// roundTrip encodes and decodes a message.
func roundTrip(t *testing.T, m AgentMessage) AgentMessage {
	t.Helper()
	frame, err := codec.EncodeAgent(m)
	if err != nil {
		t.Fatal(err)
	}
	back, err := decodeFully(frame)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// receive passes a message to r, and returns the State after a Bookmark.
func receive(t *testing.T, r *Receiver, m AgentMessage) *state.State {
	t.Helper()
	if l := receiveLazy(t, r, m); l != nil {
		return stateOf(t, l)
	}
	return nil
}

func receiveLazy(t *testing.T, r *Receiver, m AgentMessage) *LazyState {
	t.Helper()
	l, err := r.Receive(roundTrip(t, m), now)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func stateOf(t *testing.T, l *LazyState) *state.State {
	t.Helper()
	s, err := l.State()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func receiveSnapshot(t *testing.T, r *Receiver, s *state.State) {
	t.Helper()
	frames, err := codec.EncodeSnapshot(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		m, err := codec.DecodeAgent(f)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Receive(m, now); got != nil || err != nil {
			t.Fatalf("a chunk returned %v, %v", got, err)
		}
	}
}

func entries(s *state.State) (all []state.Entry) {
	for kind := range state.NumKinds {
		all = slices.AppendSeq(all, s.Entries(kind))
	}
	return all
}

func wantEqual(t *testing.T, got, want *state.State) {
	t.Helper()
	if got == nil {
		t.Fatal("got no State")
	}
	a, b := entries(got), entries(want)
	if len(a) != len(b) || got.Seq != want.Seq || got.Epoch != want.Epoch {
		t.Fatalf("got %d objects at %x-%d, want %d at %x-%d", len(a), got.Epoch, got.Seq, len(b), want.Epoch, want.Seq)
	}
	for i := range a {
		if !reflect.DeepEqual(a[i], b[i]) {
			t.Fatalf("got %+v %+v\nwant %+v %+v", a[i], a[i].Object, b[i], b[i].Object)
		}
	}
	if !equalUsage(got.Usage, want.Usage) {
		t.Fatalf("usage differs: %v, want %v", got.Usage, want.Usage)
	}
}

// equalUsage reports whether two readings have the same samples, ignoring trailing empty slots.
func equalUsage(a, b *state.Usage) bool {
	if a == nil || b == nil {
		return a == b
	}
	for slot := range max(len(a.BySlot), len(b.BySlot)) {
		if sampleAt(a, slot) != sampleAt(b, slot) {
			return false
		}
	}
	return a.N == b.N
}

func TestStateRoundTrip(t *testing.T) {
	for seed := range uint64(20) {
		w := statetest.New(seed, 5, 200)
		r := NewReceiver(seed, nil)
		receiveSnapshot(t, r, w.State)
		wantEqual(t, receive(t, r, bookmarkOf(w.State)), w.State)
		newDelta := deltaOf
		if seed%2 == 1 {
			newDelta = patchDeltaOf
		}
		for step := range 20 {
			prev := w.State
			w.Step(step)
			receive(t, r, newDelta(prev, w.State))
			if step%3 == 0 {
				w.Sample(1_800_000_000 + state.Time(15*step))
				receive(t, r, NewUsage(w.State.Usage, prev.Usage))
			}
			wantEqual(t, receive(t, r, bookmarkOf(w.State)), w.State)
		}
	}
}

func TestMultiChunkSnapshotRoundTrip(t *testing.T) {
	w := statetest.New(9, 50, 20_000)
	frames, err := codec.EncodeSnapshot(w.State, 7)
	if err != nil || len(frames) < 3 {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	for _, f := range frames {
		if len(f) > 2*columnar.ChunkTarget {
			t.Errorf("a frame of %d bytes", len(f))
		}
	}
	r := NewReceiver(9, nil)
	receiveSnapshot(t, r, w.State)
	wantEqual(t, receive(t, r, bookmarkOf(w.State)), w.State)
}

func TestReceiverResumesFromBase(t *testing.T) {
	w := statetest.New(4, 3, 50)
	held := w.State
	w.Step(5)
	r := NewReceiver(4, NewLazyState(held))
	receive(t, r, deltaOf(held, w.State))
	wantEqual(t, receive(t, r, bookmarkOf(w.State)), w.State)
}

func TestReceiverRejectsInvalidSequences(t *testing.T) {
	w := statetest.New(6, 3, 50)
	prev := w.State
	w.Step(3)
	delta := deltaOf(prev, w.State)
	lost := *delta
	lost.Upserts = delta.Upserts[1:]
	early := *delta
	early.From--
	frames, err := codec.EncodeSnapshot(w.State, 1)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := codec.DecodeAgent(frames[0])
	if err != nil {
		t.Fatal(err)
	}
	open := *snapshot.(*Snapshot)
	open.Last = false
	foreign := open
	foreign.ID, foreign.Chunk = 2, 1
	wrongHash := *bookmarkOf(w.State)
	wrongHash.Hash++
	wrongCount := *bookmarkOf(w.State)
	wrongCount.Count++
	for name, messages := range map[string][]AgentMessage{
		"a lost delta":                {bookmarkOf(w.State)},
		"a delta of another base":     {&early},
		"a delta twice":               {delta, delta},
		"a lost upsert":               {&lost, bookmarkOf(w.State)},
		"a wrong hash":                {delta, &wrongHash},
		"a wrong count":               {delta, &wrongCount},
		"a bookmark from before":      {delta, bookmarkOf(prev)},
		"a bookmark in a snapshot":    {&open, bookmarkOf(w.State)},
		"a delta in a snapshot":       {&open, delta},
		"a delta behind a snapshot":   {snapshot, delta},
		"a snapshot behind a delta":   {delta, snapshot},
		"two snapshots":               {snapshot, snapshot},
		"a chunk of another snapshot": {&open, &foreign},
		"a chunk out of nowhere":      {&foreign},
		"usage without its base":      {&Usage{N: 9, Base: 8, columns: NewUsage(&state.Usage{N: 9}, nil).columns}},
		"a message of a handshake":    {&Hello{}},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReceiver(6, NewLazyState(prev))
			var err error
			for _, m := range messages {
				if err != nil {
					t.Fatalf("rejected before the last message: %v", err)
				}
				_, err = r.Receive(m, now)
			}
			if !errors.Is(err, ErrResync) {
				t.Errorf("got %v, want ErrResync", err)
			}
		})
	}
}

func TestSectionTimesUseReceiverClock(t *testing.T) {
	s := &state.State{Epoch: 1}
	b := bookmarkOf(s)
	b.Ages[state.SectionNodes], b.Ages[state.SectionPods] = 0, time.Minute
	r := NewReceiver(1, nil)
	failure := state.SectionError{Reason: "Forbidden", Message: "allow it"}
	receive(t, r, &Status{Section: state.SectionStorage, Age: -1, Error: failure})
	got := receive(t, r, b)
	want := [state.NumSections]state.Section{{ObservedAt: now}, {ObservedAt: now.Add(-time.Minute)}, {}, {Error: failure}, {}}
	if got.Sections != want {
		t.Errorf("got %v, want %v", got.Sections, want)
	}
	if got = receive(t, r, b); got.Sections[state.SectionStorage].Error != failure {
		t.Error("the section lost an error that was not cleared")
	}
	receive(t, r, &Status{Section: state.SectionStorage})
	if got = receive(t, r, b); got.Sections[state.SectionStorage].Error.Reason != "" {
		t.Error("the section still has an error that was cleared")
	}
}

func TestSmallMessagesRoundTrip(t *testing.T) {
	sum := state.Summarize(statetest.New(2, 20, 500).State, now)
	sum.NextEvaluation, sum.Used = time.Time{}, &state.UsedSum{CPUMillis: 1, MemoryBytes: 2, SampledAt: 3, Nodes: 4}
	ages := never()
	ages[2] = 1500 * time.Millisecond
	for _, m := range []AgentMessage{
		&Hello{ProtocolMin: 1, ProtocolMax: 2, Epoch: 1 << 63, Nonce: make([]byte, 16), Unbound: true},
		&Hello{ProtocolMin: 3, ProtocolMax: 3, Epoch: 1},
		&SubscribeResponse{Session: "s", Period: 5 * time.Second, Duration: 30 * time.Minute, Renewal: 3, Nonce: make([]byte, 64)},
		&SubscribeResponse{Session: "s", Term: 1 << 60, Identity: &Identity{AgentVersion: "v1", ClusterName: "c", ClusterUID: "u", KubernetesVersion: "v1.36"}},
		&SubscribeResponse{Session: "s", Identity: &Identity{ClusterUID: "0b6f4c5e-6f0e-4a38-9a53-5f1a3d9c7f11"}},
		&SubscribeResponse{Session: "s", Identity: &Identity{ClusterUID: "0B6F4C5E-6f0e-4a38-9a53-5f1a3d9c7f11"}},
		&Status{Section: state.SectionUsage, Age: -1, Error: state.SectionError{Reason: "Unavailable", Message: "m"}},
		&Bookmark{Seq: 1, Count: 2, Hash: 1 << 63, Ages: ages, Sent: time.Hour},
		&Summary{Identity: &Identity{ClusterName: "c"}, Summary: sum, Ages: ages, Errors: [state.NumSections]state.SectionError{3: {Reason: "Forbidden"}}},
		&End{Reason: EndUnauthorized, Message: "give it the key"},
		&End{Reason: EndExpired, Message: "the session's 30m are over"},
		&Unsupported{ProtocolMin: 1, ProtocolMax: 1, Message: "upgrade the agent"},
	} {
		if got := roundTrip(t, m); !reflect.DeepEqual(got, m) {
			t.Errorf("got %+v\nwant %+v", got, m)
		}
	}
	for _, m := range []MasterMessage{
		&SubscribeRequest{Protocol: 1, Session: "s", MasterID: "h", Period: time.Second, Duration: time.Minute, Base: &Base{Epoch: 1 << 63, Seq: 4}, Signature: make([]byte, 64)},
		&SubscribeRequest{Protocol: 4, Session: "s", MasterID: "h", Owner: true, Term: 1 << 60},
		&SubscribeRequest{SummaryOnly: true, ProblemsHash: 1 << 60, ResourcesHash: 1 << 61},
		&Ack{Seq: 7},
		&Renew{Renewal: 2, Duration: time.Minute},
		&Renew{Renewal: 2, Duration: time.Minute, Signature: make([]byte, 64)},
		&Stop{Message: "deleted"},
	} {
		frame, err := EncodeMaster(m)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := DecodeMaster(frame); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, m)
		}
	}
}

func TestBookmarkIsSmall(t *testing.T) {
	s := statetest.New(1, 100, 5000).State
	b := bookmarkOf(s)
	for i := range b.Ages {
		b.Ages[i] = 0
	}
	b.Sent = 20 * time.Minute
	frame, err := codec.EncodeAgent(b)
	if err != nil || len(frame) > 40 {
		t.Errorf("%d bytes, %v", len(frame), err)
	}
}

func TestTooLargeMessagesAreRejected(t *testing.T) {
	d := &Delta{}
	for i := range 1100 {
		name := strings.Repeat("x", columnar.MaxString-8) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))
		d.Upserts = append(d.Upserts, state.Entry{Object: &state.Node{Name: name}})
	}
	if _, err := codec.EncodeAgent(d); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	if _, err := codec.DecodeAgent(make([]byte, MaxFrame+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

func TestAddressesRoundTrip(t *testing.T) {
	addresses := []string{"", "10.0.0.1", "255.255.255.255", "0.0.0.0", "fd00::1", "::ffff:10.0.0.1", "010.0.0.1", "lb.example.com", "abc", "FD00::1", "fe80::1%eth0"}
	d := &Delta{Upserts: []state.Entry{{Object: &state.Pod{Name: "p", PodIPs: addresses}}}}
	back := roundTrip(t, d).(*Delta)
	if got := back.Upserts[0].Object.(*state.Pod).PodIPs; !slices.Equal(got, addresses) {
		t.Errorf("got %q, want %q", got, addresses)
	}
}

func TestUsageRoundTripsWithChangingSlots(t *testing.T) {
	rand := rand.New(rand.NewPCG(1, 2))
	var sent, held *state.Usage
	for n := range uint64(200) {
		next := &state.Usage{N: n + 1, BySlot: make([]state.Used, rand.IntN(30))}
		for i := range next.BySlot {
			if rand.IntN(3) > 0 {
				next.BySlot[i] = state.Used{CPUMillis: rand.Int64N(1e6), MemoryBytes: rand.Int64N(1e9) << 10, SampledAt: state.Time(1_800_000_000 + 15*int64(n) - rand.Int64N(30))}
			}
		}
		got, err := roundTrip(t, NewUsage(next, sent)).(*Usage).apply(held)
		if err != nil || !equalUsage(got, next) {
			t.Fatalf("reading %d: %v\n got %v\nwant %v", next.N, err, got, next)
		}
		sent, held = next, got
	}
}

// Others read a State while it is encoded. Run with -race.
func TestEncodingIsSafeForConcurrentUse(t *testing.T) {
	w := statetest.New(3, 5, 50)
	held := w.State
	w.Step(20)
	s, removes := w.State, deltaOf(held, w.State).Removes
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if _, err := codec.EncodeSnapshot(s, 1); err != nil {
				t.Error(err)
			}
			if _, err := codec.EncodeAgent(&Delta{From: held.Seq, To: s.Seq, Removes: removes}); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
}
