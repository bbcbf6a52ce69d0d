package rediscache

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/report"
)

// pack returns a record with an empty prefix, and the frames after it, each with its length as a
// uvarint before it. signRecord fills in the prefix.
func pack(frames [][]byte) []byte {
	size := recordPrefixLen
	for _, f := range frames {
		size += len(f) + binary.MaxVarintLen32
	}
	packed := make([]byte, recordPrefixLen, size)
	for _, f := range frames {
		packed = binary.AppendUvarint(packed, uint64(len(f)))
		packed = append(packed, f...)
	}
	return packed
}

var errTruncated = errors.New("frames are cut short")

// unpack calls f with each frame in b. The frames share the memory of b.
func unpack(b []byte, f func(frame []byte) error) error {
	for len(b) > 0 {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return errTruncated
		}
		if err := f(b[n : n+int(size)]); err != nil {
			return err
		}
		b = b[n+int(size):]
	}
	return nil
}

// flushEncoder encodes the state of a report as the frames of a flush.
type flushEncoder struct {
	codec  *wire.Codec
	report *report.Report
	hash   wire.Hash // of the objects
}

// snapshotFlush returns the frames of a flush that transfers the whole State. snapshot has the
// frames of its objects.
func (f flushEncoder) snapshotFlush(snapshot [][]byte) ([][]byte, error) {
	return f.finish(slices.Clone(snapshot), &wire.LazyState{})
}

// deltaFlush returns the frames of a flush from prev to the State, nil if only times differ.
func (f flushEncoder) deltaFlush(prev *wire.LazyState, delta state.Delta) ([][]byte, error) {
	if prev.Seq == f.report.Seq {
		return nil, nil
	}
	frame, err := f.codec.EncodeAgent(&wire.Delta{From: delta.From, To: delta.To, Upserts: delta.Upserts, Removes: delta.Removes})
	if err != nil {
		return nil, err
	}
	return f.finish([][]byte{frame}, prev)
}

// finish appends the frames that follow the objects in a flush: statuses of sections, usage and
// the bookmark.
func (f flushEncoder) finish(frames [][]byte, prev *wire.LazyState) ([][]byte, error) {
	messages := f.statusMessages(prev)
	if u := f.report.Usage; u != nil && u != prev.Usage {
		messages = append(messages, wire.NewUsage(u, prev.Usage))
	}
	for _, m := range append(messages, f.bookmark()) {
		frame, err := f.codec.EncodeAgent(m)
		if err != nil {
			return nil, err
		}
		frames = append(frames, frame)
	}
	return frames, nil
}

// statusMessages returns a message for each section whose error differs from that in prev.
func (f flushEncoder) statusMessages(prev *wire.LazyState) (messages []wire.AgentMessage) {
	for i, s := range f.report.Sections {
		if s.Error != prev.Sections[i].Error {
			messages = append(messages, &wire.Status{Section: state.SectionName(i), Age: f.age(s), Error: s.Error})
		}
	}
	return messages
}

func (f flushEncoder) bookmark() *wire.Bookmark {
	b := &wire.Bookmark{Seq: f.report.Seq, Count: f.report.Count(), Hash: f.hash}
	for i, s := range f.report.Sections {
		b.Ages[i] = f.age(s)
	}
	return b
}

// age returns how long before the receipt of the report a section was observed. It is negative if the section was
// never observed.
func (f flushEncoder) age(s state.Section) time.Duration {
	if s.ObservedAt.IsZero() {
		return -1
	}
	return max(f.report.ReceivedAt.Sub(s.ObservedAt), 0)
}
