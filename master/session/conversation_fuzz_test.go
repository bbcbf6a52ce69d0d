package session

import (
	"errors"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// FuzzConversation lets an agent say anything, as its Hello, as its answer and behind
// it: the master must neither fail nor hang, and whatever it gives its readers was
// proved by a Bookmark.
func FuzzConversation(f *testing.F) {
	a := newAgent(f, "a")
	defer a.close()
	say := func(m wire.AgentMessage) []byte {
		frame, err := a.codec.EncodeAgent(m)
		if err != nil {
			f.Fatal(err)
		}
		return frame
	}
	s := a.state()
	snapshot, err := a.codec.EncodeSnapshot(s, 1)
	if err != nil {
		f.Fatal(err)
	}
	hello := say(&a.hello)
	granted := say(&wire.SubscribeResponse{Session: "s", Period: time.Second, Duration: 15 * time.Second, Identity: &a.identity})
	bookmark := say(&wire.Bookmark{Seq: s.Seq, Count: s.Count(), Hash: wire.HashState(s)})
	f.Add(hello, granted, snapshot[0], bookmark)
	f.Add(hello, granted, bookmark, snapshot[0])
	f.Add(hello, granted, say(&wire.End{Reason: wire.EndExpired}), []byte{})
	f.Add(hello, say(&wire.SubscribeResponse{Period: 1 << 62, Duration: -1}), []byte{}, []byte{})
	f.Add(hello, say(summaryOf(s)), bookmark, bookmark)
	f.Add(hello, say(&wire.End{Reason: wire.EndNotReady}), []byte{}, []byte{})
	f.Add(hello, say(&wire.Unsupported{ProtocolMin: 7, ProtocolMax: 9}), []byte{}, []byte{})
	f.Add(say(&wire.Hello{ProtocolMin: 7, ProtocolMax: 9}), granted, []byte{}, []byte{})
	f.Add([]byte("garbage"), []byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, first, second, third, fourth []byte) {
		act(t, func(t *testing.T, stage *stage) {
			stage.scripted("a", func(k *talk) {
				for _, frame := range [][]byte{first, second, third, fourth} {
					k.sendRaw(frame)
				}
				for k.receive() != nil {
				}
			})
			v, err := stage.await("a", 15*time.Second)
			var unreachable *UnreachableError
			switch {
			case err == nil && v.State == nil:
				t.Error("a value without a State")
			case err == nil && v.State.Count() != countOf(v.State):
				t.Errorf("a State of %d objects says that it has %d", countOf(v.State), v.State.Count())
			case err != nil && !errors.Is(err, ErrNoReport) && !errors.As(err, &unreachable):
				t.Errorf("await: %v", err)
			}
			stage.edit("a", func(c *Cluster) { c.Suspended = true })
			stage.pass(time.Minute)
			stage.wantIdle("a")
		})
	})
}

func countOf(s *state.State) (n int) {
	for kind := range state.NumKinds {
		for range s.Entries(kind) {
			n++
		}
	}
	return n
}
