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

// span identifies the two states between which frames lead: two seqs, or the numbers of two usage readings.
// A from of 0 means that the frames need no earlier state.
type span struct{ from, to uint64 }

func newEncodings(encoding func() (done func())) *encodings {
	return &encodings{codec: wire.NewCodec(), encoding: encoding}
}

// snapshot returns the frames of the whole state as a series, which grows while it is encoded. The id of the
// snapshot is its seq.
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

// delta returns the frame with the changes since the seq from, or no frame if nothing changed. ok is false if no
// delta leads from that seq, or if the delta does not fit into a frame. held is the state at that seq. If held is
// nil, the frame has the same meaning but is larger.
func (e *encodings) delta(v *snapshot.Version, from uint64, held *state.State) (frames [][]byte, ok bool, err error) {
	var d *wire.Delta
	if d, ok = v.DeltaSince(from); !ok || len(d.Upserts)+len(d.Removes) == 0 {
		return nil, ok, nil
	}
	d.Base = held
	frames, err = e.deltas.get(span{from, v.State.Seq}, func() ([][]byte, error) { return e.one(d) })
	return frames, true, err
}

// usage returns the frame of the reading next, encoded as differences from base. base is nil if there is no
// earlier reading.
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

// shared caches the latest encoding of one kind.
type shared struct {
	mu     sync.Mutex
	leads  span
	frames weak.Pointer[[][]byte]
}

// get returns the cached frames for leads. If there are none, it calls encode and caches the result.
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
