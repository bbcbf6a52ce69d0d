package session

import (
	"errors"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// FuzzAgentMessages sends four arbitrary messages to the master. The master must neither panic nor hang, and
// reports to readers must have passed a Bookmark.
func FuzzAgentMessages(f *testing.F) {
	a := newFakeAgent(f, "a")
	defer a.close()
	encode := func(m wire.AgentMessage) []byte {
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
	hello := encode(&a.hello)
	granted := encode(&wire.SubscribeResponse{Session: "s", Period: time.Second, Duration: 15 * time.Second, Identity: &a.identity})
	bookmark := encode(&wire.Bookmark{Seq: s.Seq, Count: s.Count(), Hash: wire.HashState(s)})
	f.Add(hello, granted, snapshot[0], bookmark)
	f.Add(hello, granted, bookmark, snapshot[0])
	f.Add(hello, granted, encode(&wire.End{Reason: wire.EndExpired}), []byte{})
	f.Add(hello, encode(&wire.SubscribeResponse{Period: 1 << 62, Duration: -1}), []byte{}, []byte{})
	f.Add(hello, encode(summaryOf(s)), bookmark, bookmark)
	f.Add(hello, encode(&wire.End{Reason: wire.EndNotReady}), []byte{}, []byte{})
	f.Add(hello, encode(&wire.Unsupported{ProtocolMin: 7, ProtocolMax: 9}), []byte{}, []byte{})
	f.Add(encode(&wire.Hello{ProtocolMin: 7, ProtocolMax: 9}), granted, []byte{}, []byte{})
	f.Add([]byte("garbage"), []byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, first, second, third, fourth []byte) {
		withMaster(t, func(t *testing.T, m *testMaster) {
			m.addClusterWithHandler("a", func(c *agentConn) {
				for _, frame := range [][]byte{first, second, third, fourth} {
					c.sendRaw(frame)
				}
				for c.receive() != nil {
				}
			})
			r, err := m.await("a", 15*time.Second)
			var unreachable *UnreachableError
			switch {
			case err == nil && !r.HasState():
				t.Error("got a report without a State")
			case err == nil && r.Count() != countOf(stateOf(t, r)):
				t.Errorf("the State has %d objects, but its Count is %d", countOf(stateOf(t, r)), r.Count())
			case err != nil && !errors.Is(err, ErrNoReport) && !errors.As(err, &unreachable):
				t.Errorf("await: %v", err)
			}
			m.edit("a", func(c *Cluster) { c.Suspended = true })
			m.advance(time.Minute)
			m.wantIdle("a")
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
