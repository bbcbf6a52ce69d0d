package report

import (
	"sync"
	"weak"

	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// encodings has several sessions encode once what they all send: frames stand for
// themselves, so all masters at the same base get the same ones. The frames are kept
// until the next garbage collection at most.
type encodings struct {
	codec          *wire.Codec
	deltas, usages shared

	// encoding is Config.Encoding.
	encoding func() (done func())

	mu sync.Mutex
	// latest is the snapshot up to latestSeq.
	latest    weak.Pointer[series]
	latestSeq uint64
}

// span is from where to where frames lead: between two seqs, or between two readings
// of usage by their numbers. From 0 is from nothing.
type span struct{ from, to uint64 }

func newEncodings(encoding func() (done func())) *encodings {
	return &encodings{codec: wire.NewCodec(), encoding: encoding}
}

// snapshot are the frames of everything, which are there one after the other. Its id is
// its seq.
func (e *encodings) snapshot(s *state.State) *series {
	e.mu.Lock()
	defer e.mu.Unlock()
	if latest := e.latest.Value(); latest != nil && e.latestSeq == s.Seq {
		return latest
	}
	latest := &series{more: make(chan struct{})}
	e.latest, e.latestSeq = weak.Make(latest), s.Seq
	go e.encode(s, latest)
	return latest
}

func (e *encodings) encode(s *state.State, to *series) {
	if e.encoding != nil {
		defer e.encoding()() // behind the end, for which somebody waits
	}
	to.end(e.codec.EncodeSnapshotFunc(s, s.Seq, to.add))
}

// delta is the frame of what changed since a seq: none for nothing. It is not ok
// where no delta leads from there, or none that fits a frame. Held is the state at that
// seq, nil where it is not there any more: the frame is larger then, and says the same.
func (e *encodings) delta(v *snapshot.Version, from uint64, held *state.State) (frames [][]byte, ok bool, err error) {
	var d *wire.Delta
	if d, ok = v.DeltaSince(from); !ok || len(d.Upserts)+len(d.Removes) == 0 {
		return nil, ok, nil
	}
	d.Base = held
	frames, err = e.deltas.get(span{from, v.State.Seq}, func() ([][]byte, error) { return e.one(d) })
	return frames, true, err
}

// usage is the frame of a reading as differences to an earlier one, nil for none.
func (e *encodings) usage(next, base *state.Usage) ([][]byte, error) {
	leads := span{to: next.N}
	if base != nil {
		leads.from = base.N
	}
	return e.usages.get(leads, func() ([][]byte, error) { return e.one(wire.NewUsage(next, base)) })
}

func (e *encodings) one(m wire.AgentMessage) ([][]byte, error) {
	frame, err := e.codec.EncodeAgent(m)
	return [][]byte{frame}, err
}

// shared is the latest thing of its kind that was encoded.
type shared struct {
	mu     sync.Mutex
	leads  span
	frames weak.Pointer[[][]byte]
}

// get is what encode gives, made once for those who ask at about the same time.
func (s *shared) get(leads span, encode func() ([][]byte, error)) ([][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if frames := s.frames.Value(); frames != nil && s.leads == leads {
		return *frames, nil
	}
	frames, err := encode()
	if err != nil {
		return nil, err
	}
	s.leads, s.frames = leads, weak.Make(&frames)
	return frames, nil
}
