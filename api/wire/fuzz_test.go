package wire

import (
	"testing"

	"rollcall.dev/rollcall/api/state/statetest"
)

// FuzzReceiver gives an agent's frames, as they are and broken, to the receiving
// end: it must refuse or take them, and never panic.
func FuzzReceiver(f *testing.F) {
	w := statetest.New(1, 2, 10)
	prev := w.State
	w.Step(2)
	w.Sample(1_800_000_000)
	frames, err := codec.EncodeSnapshot(w.State, 1)
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range []AgentMessage{deltaOf(prev, w.State), NewUsage(w.State.Usage, nil), bookmarkOf(w.State), &Hello{}, &Granted{}, &End{}, &Summary{}, &Status{}, &Unsupported{}} {
		frame, err := codec.EncodeAgent(m)
		if err != nil {
			f.Fatal(err)
		}
		frames = append(frames, frame)
	}
	frames = append(frames, Join(frames))
	for _, frame := range frames {
		f.Add(frame, frames[len(frames)-1])
	}
	f.Fuzz(func(_ *testing.T, first, second []byte) {
		r := NewReceiver(1, prev)
		for _, frame := range [][]byte{first, second} {
			parts, err := Split(frame)
			if err != nil {
				return
			}
			for _, part := range parts {
				m, err := codec.DecodeAgent(part)
				if err != nil {
					return
				}
				if _, err := r.Take(m, now); err != nil {
					return
				}
			}
		}
	})
}

// FuzzDecodeMaster gives a master's frames to an agent's decoder.
func FuzzDecodeMaster(f *testing.F) {
	for _, m := range []MasterMessage{&Report{Base: &Base{}}, &Ack{Seq: 1}, &Renew{Renewal: 1}, &Stop{Message: "x"}} {
		frame, err := EncodeMaster(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame)
	}
	f.Fuzz(func(_ *testing.T, frame []byte) { _, _ = DecodeMaster(frame) })
}
