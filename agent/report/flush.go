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

// flusher sends a session's master what it does not have yet, and remembers what
// it has.
type flusher struct {
	peer      *peer
	encodings *encodings
	// snapshotSent is called after a whole snapshot.
	snapshotSent func()
	began        time.Time

	// seq is what the master holds, if it holds anything of this epoch.
	seq  uint64
	held bool
	// sent is the state at that seq, nil where it was sent on an earlier connection.
	sent *state.State
	// usage is the reading that it holds, nil for none or for one that is not known.
	usage *state.Usage
	// lastErrors holds the section errors that were last sent. It is valid if errorsSent is true.
	lastErrors [state.NumSections]state.SectionError
	errorsSent bool
}

// newFlusher begins at the base that the master says it holds. One of another
// epoch is none.
func newFlusher(p *peer, e *encodings, snapshotSent func(), began time.Time, base *wire.Base, v *snapshot.Version) flusher {
	f := flusher{peer: p, encodings: e, snapshotSent: snapshotSent, began: began}
	if base != nil && base.Epoch == v.State.Epoch {
		f.seq, f.held = base.Seq, true
		f.usage = v.UsageReading(base.Usage)
	}
	return f
}

// flush sends all that leads to v: objects, usage, section errors, and always a
// Bookmark, last.
func (f *flusher) flush(ctx context.Context, v *snapshot.Version, now time.Time) (flight, error) {
	ages, before := v.Ages(now), f.peer.written
	objects, err := f.sendObjects(ctx, v)
	if err != nil {
		return flight{}, err
	}
	usage, err := f.usageFrames(v.State.Usage)
	if err != nil {
		return flight{}, err
	}
	rest, err := f.encode(append(f.changedErrors(v.Errors(), ages), &wire.Bookmark{
		Seq: v.State.Seq, Count: v.State.Count(), Hash: v.Hash, Ages: ages, Sent: now.Sub(f.began),
	})...)
	if err != nil {
		return flight{}, err
	}
	f.seq, f.held, f.sent = v.State.Seq, true, v.State
	err = f.sendTogether(ctx, slices.Concat(objects, usage, rest))
	return flight{v.State.Seq, f.peer.written - before}, err
}

// sendTogether sends frames as one where they are not too large for that.
func (f *flusher) sendTogether(ctx context.Context, frames [][]byte) error {
	if joined := wire.EncodeBatch(frames); joined != nil {
		return f.peer.write(ctx, joined)
	}
	return f.peer.writeAll(ctx, frames)
}

func (f *flusher) encode(messages ...wire.AgentMessage) (frames [][]byte, err error) {
	for _, m := range messages {
		frame, err := f.encodings.codec.EncodeAgent(m)
		if err != nil {
			return nil, &ended{wire.EndError, err.Error()}
		}
		frames = append(frames, frame)
	}
	return frames, nil
}

// sendObjects gives the frame of a delta where the master holds something that one can
// lead from and if it fits a frame. Else it sends everything.
func (f *flusher) sendObjects(ctx context.Context, v *snapshot.Version) ([][]byte, error) {
	if f.held {
		frames, ok, err := f.encodings.delta(v, f.seq, f.sent)
		switch {
		case errors.Is(err, wire.ErrTooLarge), !ok:
		case err != nil:
			return nil, &ended{wire.EndError, err.Error()}
		default:
			return frames, nil
		}
	}
	return nil, f.sendSnapshot(ctx, v.State)
}

// sendSnapshot sends everything; what the master knew of usage is void then.
func (f *flusher) sendSnapshot(ctx context.Context, s *state.State) error {
	f.usage = nil
	if err := f.sendSeries(ctx, f.encodings.snapshot(s)); err != nil {
		return err
	}
	if f.snapshotSent != nil {
		f.snapshotSent()
	}
	return nil
}

func (f *flusher) sendSeries(ctx context.Context, frames *series) error {
	for i := 0; ; i++ {
		frame, err := frames.next(ctx, i)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("send a snapshot: %w", ctx.Err())
		case err != nil:
			return &ended{wire.EndError, err.Error()}
		case frame == nil:
			return nil
		}
		if err := f.peer.write(ctx, frame); err != nil {
			return err
		}
	}
}

func (f *flusher) usageFrames(u *state.Usage) ([][]byte, error) {
	if u == nil || u == f.usage {
		return nil, nil
	}
	frames, err := f.encodings.usage(u, f.usage)
	if err != nil {
		return nil, &ended{wire.EndError, err.Error()}
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
