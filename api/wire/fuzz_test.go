package wire

import (
	"runtime"
	"testing"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// Memory that decoding a frame may allocate: for decoders and buffers, and per byte of a message.
const (
	fixedMemory   = 24 << 20
	memoryPerByte = 1 << 10
)

// checkMemory fails the test if f allocates more memory than size bytes of input may.
func checkMemory(t *testing.T, size int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > uint64(fixedMemory+memoryPerByte*size) {
		t.Errorf("%d bytes took %d bytes of memory", size, took)
	}
}

// sizeOf returns the size of a frame plus that of its decompressed content.
func sizeOf(frame []byte) int {
	var pb wirepb.AgentMessage
	if unmarshal(frame, MaxFrame, &pb) != nil {
		return len(frame)
	}
	plain, err := codec.decompress(pb.GetZstd())
	if err != nil {
		return len(frame)
	}
	return len(frame) + len(plain)
}

// agentFrames returns a State and frames of an agent that lead from it.
func agentFrames(f *testing.F) (prev *state.State, frames [][]byte) {
	w := statetest.New(1, 2, 10)
	prev = w.State
	w.Step(2)
	w.Sample(1_800_000_000)
	frames, err := codec.EncodeSnapshot(w.State, 1)
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range []AgentMessage{
		deltaOf(prev, w.State), patchDeltaOf(prev, w.State), NewUsage(w.State.Usage, nil), bookmarkOf(w.State), &Hello{}, &SubscribeResponse{}, &End{},
		&Summary{Summary: state.Summarize(w.State, now)}, &Status{}, &Unsupported{},
	} {
		frame, err := codec.EncodeAgent(m)
		if err != nil {
			f.Fatal(err)
		}
		frames = append(frames, frame)
	}
	return prev, append(frames, EncodeBatch(frames))
}

// FuzzReceiver applies valid and corrupted frames of an agent. They must be accepted or rejected
// within the memory limit, without a panic.
func FuzzReceiver(f *testing.F) {
	prev, frames := agentFrames(f)
	for _, frame := range frames {
		f.Add(frame, frames[len(frames)-2])
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		r := NewReceiver(1, NewLazyState(prev))
		for _, frame := range [][]byte{first, second} {
			parts, err := DecodeBatch(frame)
			if err != nil {
				return
			}
			for _, part := range parts {
				checkMemory(t, sizeOf(part), func() {
					var m AgentMessage
					if m, err = codec.DecodeAgent(part); err == nil {
						_, err = r.Receive(m, now)
					}
				})
				if err != nil {
					return
				}
			}
		}
	})
}

// FuzzMessage decodes uncompressed messages, since a mutated compressed frame rarely decompresses.
func FuzzMessage(f *testing.F) {
	prev, frames := agentFrames(f)
	for _, frame := range frames {
		var pb wirepb.AgentMessage
		if err := unmarshal(frame, MaxFrame, &pb); err != nil {
			f.Fatal(err)
		}
		if plain, err := codec.decompress(pb.GetZstd()); err == nil && len(plain) > 0 {
			frame = plain
		}
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		checkMemory(t, len(message), func() {
			if m, err := codec.DecodeAgent(message); err == nil {
				_, _ = NewReceiver(1, NewLazyState(prev)).Receive(m, now)
			}
		})
	})
}

// FuzzDecodeBatch verifies the checksums of arbitrary messages and decodes them as Batches.
func FuzzDecodeBatch(f *testing.F) {
	_, frames := agentFrames(f)
	for _, frame := range frames {
		var s Checksum
		f.Add(s.Append(frame))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		checkMemory(t, len(message), func() {
			var s Checksum
			if frame, err := s.Verify(message); err == nil {
				_, _ = DecodeBatch(frame)
			}
			_, _ = DecodeBatch(message)
		})
	})
}

// FuzzDecodeMaster decodes arbitrary frames of a master.
func FuzzDecodeMaster(f *testing.F) {
	for _, m := range []MasterMessage{&SubscribeRequest{Base: &Base{}}, &SubscribeRequest{SummaryOnly: true, ProblemsHash: 1}, &Ack{Seq: 1}, &Renew{Renewal: 1}, &Stop{Message: "x"}} {
		frame, err := EncodeMaster(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		checkMemory(t, len(frame), func() { _, _ = DecodeMaster(frame) })
	})
}
