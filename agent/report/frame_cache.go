package report

import (
	"sync"
	"weak"

	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// frameCache encodes messages and caches the frames, so that sessions that send the same message encode it once. This
// is possible because every frame can be decoded on its own. The cache has weak pointers only: a garbage collection
// removes the frames that no session is sending.
type frameCache struct {
	codec          *wire.Codec
	deltas, usages latestFrames

	// onEncode is Config.OnEncode.
	onEncode func() (done func())

	mu sync.Mutex
	// latest has the frames of the whole state at latestSeq.
	latest    weak.Pointer[frameStream]
	latestSeq uint64
}

// stateRange identifies the two states between which a frame leads: two seqs, or the numbers of two usage readings. If
// from is 0, the frame needs no earlier state.
type stateRange struct{ from, to uint64 }

func newFrameCache(onEncode func() (done func())) *frameCache {
	return &frameCache{codec: wire.NewCodec(), onEncode: onEncode}
}

// snapshot returns the frames of the whole state as a stream, to which another goroutine adds frames. The ID of the
// snapshot is its seq.
func (c *frameCache) snapshot(s *state.State) *frameStream {
	c.mu.Lock()
	defer c.mu.Unlock()
	if latest := c.latest.Value(); latest != nil && c.latestSeq == s.Seq {
		return latest
	}
	latest := newFrameStream()
	c.latest, c.latestSeq = weak.Make(latest), s.Seq
	go c.encodeSnapshot(s, latest)
	return latest
}

// encodeSnapshot encodes s into the stream and closes it.
func (c *frameCache) encodeSnapshot(s *state.State, stream *frameStream) {
	if c.onEncode != nil {
		// Deferred, so that done does not delay the sessions that wait for the end of the stream.
		defer c.onEncode()()
	}
	stream.close(c.codec.EncodeSnapshotFunc(s, s.Seq, stream.add))
}

// delta returns the frame with the changes since the seq from, or no frame if nothing changed. ok is false if no
// delta leads from that seq. err is wire.ErrTooLarge if the delta does not fit into a frame. base is the state at
// from; if it is nil, the frame has the same meaning but is larger.
func (c *frameCache) delta(v *snapshot.Version, from uint64, base *state.State) (frames [][]byte, ok bool, err error) {
	var d *wire.Delta
	if d, ok = v.DeltaSince(from); !ok || len(d.Upserts)+len(d.Removes) == 0 {
		return nil, ok, nil
	}
	d.Base = base
	frames, err = c.deltas.get(stateRange{from, v.State.Seq}, func() ([][]byte, error) { return c.encodeOne(d) })
	return frames, true, err
}

// usage returns the frame of the reading next, encoded as differences from base. base is nil if there is no
// earlier reading.
func (c *frameCache) usage(next, base *state.Usage) ([][]byte, error) {
	key := stateRange{to: next.N}
	if base != nil {
		key.from = base.N
	}
	return c.usages.get(key, func() ([][]byte, error) { return c.encodeOne(wire.NewUsage(next, base)) })
}

func (c *frameCache) encodeOne(m wire.AgentMessage) ([][]byte, error) {
	frame, err := c.codec.EncodeAgent(m)
	return [][]byte{frame}, err
}

// latestFrames caches the frames for one key, the last one that was requested.
type latestFrames struct {
	mu     sync.Mutex
	key    stateRange
	frames weak.Pointer[[][]byte]
}

// get returns the cached frames for key. If there are none, it calls encode and caches the result.
func (l *latestFrames) get(key stateRange, encode func() ([][]byte, error)) ([][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if frames := l.frames.Value(); frames != nil && l.key == key {
		return *frames, nil
	}
	frames, err := encode()
	if err != nil {
		return nil, err
	}
	l.key, l.frames = key, weak.Make(&frames)
	return frames, nil
}
