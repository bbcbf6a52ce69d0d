package session

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/wire"
)

// The limit of all allocations for one input: a fixed amount for the harness and codecs, a multiple of the
// cluster's budget, and four times what the messages are decoded to.
const (
	fuzzBudget       = 4 << 20
	fuzzFixedMemory  = 64 << 20
	fuzzBudgetFactor = 16
)

// FuzzAgentMessagesMemory sends arbitrary messages in a session. The memory that is allocated for them must
// be limited by the budget.
func FuzzAgentMessagesMemory(f *testing.F) {
	a := newFakeAgent(f, "a")
	defer a.close()
	join := func(frames ...[]byte) (all []byte) {
		for _, frame := range frames {
			all = append(binary.AppendUvarint(all, uint64(len(frame))), frame...)
		}
		return all
	}
	snapshot, err := a.codec.EncodeSnapshot(a.state(), 1)
	if err != nil {
		f.Fatal(err)
	}
	bookmark, err := a.codec.EncodeAgent(&wire.Bookmark{Seq: a.state().Seq, Count: a.state().Count(), Hash: wire.HashState(a.state())})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(join(append(snapshot, bookmark, bookmark)...))
	for _, frames := range decompressionBombs(f) {
		f.Add(join(frames...))
	}
	f.Add(join(append(emptyDelta(f), bookmark)...))
	f.Fuzz(func(t *testing.T, all []byte) {
		frames, decoded := split(all)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		withMaster(t, func(t *testing.T, m *testMaster) {
			m.addClusterWithHandler("a", func(c *agentConn) {
				c.grantTo(c.handshake())
				for _, frame := range frames {
					if !c.sendRaw(frame) {
						break
					}
				}
				for c.receive() != nil {
				}
			})
			_, _ = m.await("a", 15*time.Second)
			m.registry.remove("a")
			m.sessions.Sync("a")
			m.advance(time.Minute)
			m.wantUsedMemory(0)
		}, withBudget(fuzzBudget, fuzzBudget))
		runtime.ReadMemStats(&after)
		if allocated, limit := int64(after.TotalAlloc-before.TotalAlloc), fuzzFixedMemory+fuzzBudgetFactor*fuzzBudget+4*decoded; allocated > limit {
			t.Errorf("%d bytes of messages allocated %d bytes, want at most %d", len(all), allocated, limit)
		}
	})
}

// split reverses join. decoded is the maximum size of the decoded messages.
func split(all []byte) (frames [][]byte, decoded int64) {
	for len(all) > 0 {
		size, n := binary.Uvarint(all)
		if n <= 0 || size > uint64(len(all)-n) {
			return frames, decoded
		}
		frame := all[n : n+int(size)]
		frames, decoded = append(frames, frame), decoded+wire.DecodeSize(frame)
		all = all[n+int(size):]
	}
	return frames, decoded
}
