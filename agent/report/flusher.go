package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// flusher sends the changes since the last flush to the master of one session.
type flusher struct {
	peer   *peer
	frames *frameCache
	// onSnapshotSent is Config.OnSnapshotSent.
	onSnapshotSent func()
	// start is when the connection was opened. Bookmark.Sent counts from it.
	start time.Time

	// seq is the seq of the state that the master holds. It is valid if hasBase is true.
	seq     uint64
	hasBase bool
	// base is the state at seq. It is nil if that state was sent on an earlier connection.
	base *state.State
	// usage is the reading that the master holds. It is nil if the master has none, or one that the agent no longer
	// has.
	usage *state.Usage
	// lastErrors holds the section errors that were last sent. It is valid if errorsSent is true.
	lastErrors [state.NumSections]state.SectionError
	errorsSent bool
}

// newFlusher returns a flusher that starts from the base in the master's request. A base of another epoch is ignored.
func newFlusher(p *peer, frames *frameCache, onSnapshotSent func(), start time.Time, base *wire.Base, v *snapshot.Version) flusher {
	f := flusher{peer: p, frames: frames, onSnapshotSent: onSnapshotSent, start: start}
	if base != nil && base.Epoch == v.State.Epoch {
		f.seq, f.hasBase = base.Seq, true
		f.usage = v.UsageReading(base.Usage)
	}
	return f
}

// flush sends the messages that lead from the state that the master holds to v: changed objects, usage and section
// errors, and a Bookmark at the end of every flush.
func (f *flusher) flush(ctx context.Context, v *snapshot.Version, now time.Time) (inflightFlush, error) {
	ages, written := v.Ages(now), f.peer.written
	objects, err := f.sendObjects(ctx, v)
	if err != nil {
		return inflightFlush{}, err
	}
	usage, err := f.usageFrames(v.State.Usage)
	if err != nil {
		return inflightFlush{}, err
	}
	rest, err := f.encode(append(f.changedErrors(v.Errors(), ages), &wire.Bookmark{
		Seq: v.State.Seq, Count: v.State.Count(), Hash: v.Hash, Ages: ages, Sent: now.Sub(f.start),
	})...)
	if err != nil {
		return inflightFlush{}, err
	}
	f.seq, f.hasBase, f.base = v.State.Seq, true, v.State
	err = f.sendBatch(ctx, slices.Concat(objects, usage, rest))
	return inflightFlush{v.State.Seq, f.peer.written - written}, err
}

// sendBatch sends frames as one Batch, or one by one if they are too large for a Batch.
func (f *flusher) sendBatch(ctx context.Context, frames [][]byte) error {
	if batch := wire.EncodeBatch(frames); batch != nil {
		return f.peer.write(ctx, batch)
	}
	return f.peer.writeAll(ctx, frames)
}

// encode returns the frames of messages that only this session sends, so they are not cached.
func (f *flusher) encode(messages ...wire.AgentMessage) (frames [][]byte, err error) {
	for _, m := range messages {
		frame, err := f.frames.codec.EncodeAgent(m)
		if err != nil {
			return nil, &endError{wire.EndError, err.Error()}
		}
		frames = append(frames, frame)
	}
	return frames, nil
}

// sendObjects returns the frame of a delta from the state that the master holds to v. If there is no such delta or it
// does not fit into a frame, it sends a whole snapshot and returns no frames.
func (f *flusher) sendObjects(ctx context.Context, v *snapshot.Version) ([][]byte, error) {
	if f.hasBase {
		frames, ok, err := f.frames.delta(v, f.seq, f.base)
		switch {
		case errors.Is(err, wire.ErrTooLarge), !ok:
		case err != nil:
			return nil, &endError{wire.EndError, err.Error()}
		default:
			return frames, nil
		}
	}
	return nil, f.sendSnapshot(ctx, v.State)
}

// sendSnapshot sends the whole state without usage. The master drops the usage that it holds.
func (f *flusher) sendSnapshot(ctx context.Context, s *state.State) error {
	f.usage = nil
	if err := f.sendStream(ctx, f.frames.snapshot(s)); err != nil {
		return err
	}
	if f.onSnapshotSent != nil {
		f.onSnapshotSent()
	}
	return nil
}

// sendStream sends the frames of a stream while they are encoded.
func (f *flusher) sendStream(ctx context.Context, stream *frameStream) error {
	for i := 0; ; i++ {
		frame, err := stream.next(ctx, i)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("send a snapshot: %w", ctx.Err())
		case err != nil:
			return &endError{wire.EndError, err.Error()}
		case frame == nil:
			return nil
		}
		if err := f.peer.write(ctx, frame); err != nil {
			return err
		}
	}
}

// usageFrames returns the frame of a reading that the master does not hold, or no frame if it holds u or u is nil.
func (f *flusher) usageFrames(u *state.Usage) ([][]byte, error) {
	if u == nil || u == f.usage {
		return nil, nil
	}
	frames, err := f.frames.usage(u, f.usage)
	if err != nil {
		return nil, &endError{wire.EndError, err.Error()}
	}
	f.usage = u
	return frames, nil
}

// changedErrors returns messages for the section errors that changed since the last call. The first call returns all
// of them, because a master that resumes may hold any earlier error.
func (f *flusher) changedErrors(errs [state.NumSections]state.SectionError, ages [state.NumSections]time.Duration) (changed []wire.AgentMessage) {
	for name, e := range errs {
		if f.errorsSent && f.lastErrors[name] == e {
			continue
		}
		changed = append(changed, &wire.Status{Section: state.SectionName(name), Age: ages[name], Error: e})
	}
	f.lastErrors, f.errorsSent = errs, true
	return changed
}
