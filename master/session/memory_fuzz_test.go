package session

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/wire"
)

// What a conversation may take in all, garbage included: what the stage and codecs take,
// some times the budget of the cluster, and what its frames are decoded to.
const (
	fuzzBudget = 4 << 20
	fuzzFixed  = 64 << 20
	fuzzTimes  = 16
)

// FuzzConversationMemory has an agent say anything behind its grant, frame after frame:
// the memory that all of it takes is bounded by the budget.
func FuzzConversationMemory(f *testing.F) {
	a := newAgent(f, "a")
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
	mark, err := a.codec.EncodeAgent(&wire.Bookmark{Seq: a.state().Seq, Count: a.state().Count(), Hash: wire.HashState(a.state())})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(join(append(snapshot, mark, mark)...))
	for _, frames := range bombs(f) {
		f.Add(join(frames...))
	}
	f.Add(join(append(emptyDelta(f), mark)...))
	f.Fuzz(func(t *testing.T, all []byte) {
		frames, decoded := split(all)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		act(t, func(t *testing.T, s *stage) {
			s.scripted("a", func(k *talk) {
				k.grantTo(k.handshake())
				for _, frame := range frames {
					if !k.sendRaw(frame) {
						break
					}
				}
				for k.receive() != nil {
				}
			})
			_, _ = s.await("a", 15*time.Second)
			s.registry.remove("a")
			s.sessions.Sync("a")
			s.pass(time.Minute)
			s.wantMemory(0)
		}, withMemory(fuzzBudget, fuzzBudget))
		runtime.ReadMemStats(&after)
		if took, most := int64(after.TotalAlloc-before.TotalAlloc), fuzzFixed+fuzzTimes*fuzzBudget+4*decoded; took > most {
			t.Errorf("%d bytes took %d bytes of memory, of at most %d", len(all), took, most)
		}
	})
}

// split takes apart what join made one, and says what the frames are decoded to at most.
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
