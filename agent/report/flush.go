package report

import (
	"context"
	"errors"
	"time"

	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// flusher sends a session's master what it does not have yet, and remembers what
// it has.
type flusher struct {
	peer  *peer
	began time.Time

	// seq is what the master holds, if it holds anything of this epoch.
	seq  uint64
	held bool
	// usage is the reading that it holds, nil for none or for one that is not known.
	usage *state.Usage
	// told are the section errors as it was told them, if it was.
	told     [state.NumSections]state.SectionError
	toldOnce bool
	// snapshots numbers the snapshots of the connection.
	snapshots uint64
}

// newFlusher begins at the base that the master says it holds. One of another
// epoch is none.
func newFlusher(p *peer, began time.Time, base *wire.Base, epoch uint64) flusher {
	f := flusher{peer: p, began: began}
	if base != nil && base.Epoch == epoch {
		f.seq, f.held = base.Seq, true
	}
	return f
}

// flush sends all that leads to v: objects, usage, section errors, and always a
// Bookmark, last. It gives the seq that the master will acknowledge.
func (f *flusher) flush(ctx context.Context, v *snapshot.Version, now time.Time) (uint64, error) {
	ages := v.Ages(now)
	if err := f.sendObjects(ctx, v); err != nil {
		return 0, err
	}
	if err := f.sendUsage(ctx, v.State.Usage); err != nil {
		return 0, err
	}
	if err := f.sendErrors(ctx, v.Errors(), ages); err != nil {
		return 0, err
	}
	f.seq, f.held = v.State.Seq, true
	return f.seq, f.peer.send(ctx, &wire.Bookmark{
		Seq: v.State.Seq, Count: v.State.Count(), Hash: v.Hash, Ages: ages, Sent: now.Sub(f.began),
	})
}

// sendObjects sends a delta where the master holds something that one can lead
// from and if it fits a frame, else everything.
func (f *flusher) sendObjects(ctx context.Context, v *snapshot.Version) error {
	if f.held {
		if d, ok := v.DeltaSince(f.seq); ok {
			if err := f.sendDelta(ctx, d); !errors.Is(err, wire.ErrTooLarge) {
				return err
			}
		}
	}
	return f.sendSnapshot(ctx, v.State)
}

func (f *flusher) sendDelta(ctx context.Context, d *wire.Delta) error {
	if len(d.Upserts)+len(d.Removes) == 0 {
		return nil
	}
	return f.peer.send(ctx, d)
}

// sendSnapshot sends everything; what the master knew of usage is void then.
func (f *flusher) sendSnapshot(ctx context.Context, s *state.State) error {
	f.snapshots++
	f.usage = nil
	frames, err := wire.EncodeSnapshot(s, f.snapshots)
	if err != nil {
		return &ended{wire.EndError, err.Error()}
	}
	for _, frame := range frames {
		if err := f.peer.write(ctx, frame); err != nil {
			return err
		}
	}
	return nil
}

func (f *flusher) sendUsage(ctx context.Context, u *state.Usage) error {
	if u == nil || u == f.usage {
		return nil
	}
	err := f.peer.send(ctx, wire.NewUsage(u, f.usage))
	if errors.Is(err, wire.ErrTooLarge) {
		return &ended{wire.EndError, err.Error()}
	}
	f.usage = u
	return err
}

// sendErrors sends each section's error that became another; the first time all of
// them, as a master that resumes may hold any.
func (f *flusher) sendErrors(ctx context.Context, errs [state.NumSections]state.SectionError, ages [state.NumSections]time.Duration) error {
	for name, e := range errs {
		if f.toldOnce && f.told[name] == e {
			continue
		}
		if err := f.peer.send(ctx, &wire.Status{Section: state.SectionName(name), Age: ages[name], Error: e}); err != nil {
			return err
		}
	}
	f.told, f.toldOnce = errs, true
	return nil
}
