package rediscache

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// pack returns a record with room for its MAC and numbers, and behind that the frames,
// each behind its length as a uvarint.
func pack(frames [][]byte) []byte {
	size := recordLen
	for _, f := range frames {
		size += len(f) + binary.MaxVarintLen32
	}
	packed := make([]byte, recordLen, size)
	for _, f := range frames {
		packed = binary.AppendUvarint(packed, uint64(len(f)))
		packed = append(packed, f...)
	}
	return packed
}

var errPacked = errors.New("frames are cut short")

// unpack calls take with each frame of a record; they share the memory of b.
func unpack(b []byte, take func(frame []byte) error) error {
	for len(b) > 0 {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return errPacked
		}
		if err := take(b[n : n+int(size)]); err != nil {
			return err
		}
		b = b[n+int(size):]
	}
	return nil
}

// report is a State with its hash, as it was at an instant.
type report struct {
	codec *wire.Codec
	state *state.State
	hash  wire.Hash
	at    time.Time
}

// whole is a report as a flush that begins at nothing, behind the frames of a snapshot.
func (r report) whole(snapshot [][]byte) ([][]byte, error) {
	return r.end(slices.Clone(snapshot), &state.State{Epoch: r.state.Epoch})
}

// since is a report as a flush that begins at prev; nil where nothing but times
// differ.
func (r report) since(prev *state.State, delta state.Delta) ([][]byte, error) {
	if prev.Seq == r.state.Seq {
		return nil, nil
	}
	frame, err := r.codec.EncodeAgent(&wire.Delta{From: delta.From, To: delta.To, Upserts: delta.Upserts, Removes: delta.Removes})
	if err != nil {
		return nil, err
	}
	return r.end([][]byte{frame}, prev)
}

// end appends to a flush what comes behind the objects.
func (r report) end(frames [][]byte, prev *state.State) ([][]byte, error) {
	messages := r.status(prev)
	if u := r.state.Usage; u != nil && u != prev.Usage {
		messages = append(messages, wire.NewUsage(u, prev.Usage))
	}
	for _, m := range append(messages, r.bookmark()) {
		frame, err := r.codec.EncodeAgent(m)
		if err != nil {
			return nil, err
		}
		frames = append(frames, frame)
	}
	return frames, nil
}

func (r report) status(prev *state.State) (messages []wire.AgentMessage) {
	for i, s := range r.state.Sections {
		if s.Error != prev.Sections[i].Error {
			messages = append(messages, &wire.Status{Section: state.SectionName(i), Age: r.age(s), Error: s.Error})
		}
	}
	return messages
}

func (r report) bookmark() *wire.Bookmark {
	b := &wire.Bookmark{Seq: r.state.Seq, Count: r.state.Count(), Hash: r.hash}
	for i, s := range r.state.Sections {
		b.Ages[i] = r.age(s)
	}
	return b
}

// age is how long before the report a section was observed; negative: never.
func (r report) age(s state.Section) time.Duration {
	if s.ObservedAt.IsZero() {
		return -1
	}
	return max(r.at.Sub(s.ObservedAt), 0)
}
