package rediscache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
)

// writer writes one cluster. It remembers what it wrote or read last, so that it can
// write what changed; where Redis says that it holds something else, it writes all.
type writer struct {
	cache   *Cache
	cluster string

	mu              sync.Mutex
	last            *state.State // nil: nothing that could be gone on from
	hash            wire.Hash    // of last
	baseLen, logLen int64
	expiry          *time.Timer
}

func (r *Cache) writer(cluster string) *writer {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.writers[cluster]
	if w == nil {
		w = &writer{cache: r, cluster: cluster}
		r.writers[cluster] = w
	}
	return w
}

// forget drops the cluster's writer, if it is still the one; nil: whichever it is.
func (r *Cache) forget(cluster string, w *writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w == nil || r.writers[cluster] == w {
		delete(r.writers, cluster)
	}
}

func (w *writer) save(ctx context.Context, e cache.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := lifetimeOf(e, time.Now())
	if t.life < time.Millisecond {
		return nil
	}
	if w.continues(e.State) {
		done, err := w.append(ctx, e, t)
		if done || err != nil {
			return err
		}
	}
	return w.rewrite(ctx, e, t)
}

// continues says that a delta from what was written last will do: it is of the
// same epoch, and the log is not longer than half of the base.
func (w *writer) continues(s *state.State) bool {
	return w.last != nil && w.last.Epoch == s.Epoch && w.last.Seq <= s.Seq && 2*w.logLen <= w.baseLen
}

// append writes what changed; it is not done where only the whole will do.
func (w *writer) append(ctx context.Context, e cache.Entry, t lifetime) (done bool, err error) {
	delta := state.Diff(w.last, e.State)
	r := report{codec: w.cache.codec, state: e.State, hash: w.hash.After(w.last, delta), at: e.ReceivedAt}
	frames, err := r.since(w.last, delta)
	if errors.Is(err, wire.ErrTooLarge) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	a, err := w.run(ctx, e, t, r, fmt.Sprint(w.last.Seq), pack(frames))
	if err != nil || a.word == needsBase {
		return false, err
	}
	w.wrote(r, a, t)
	return true, nil
}

// rewrite writes all.
func (w *writer) rewrite(ctx context.Context, e cache.Entry, t lifetime) error {
	snapshot, hash, err := w.cache.codec.SnapshotOf(e.State)
	if err != nil {
		return fmt.Errorf("encode base: %w", err)
	}
	r := report{codec: w.cache.codec, state: e.State, hash: hash, at: e.ReceivedAt}
	frames, err := r.whole(snapshot)
	if err != nil {
		return err
	}
	payload := pack(frames)
	a, err := w.run(ctx, e, t, r, "", payload)
	if err != nil {
		return err
	}
	w.baseLen = int64(len(payload))
	w.wrote(r, a, t)
	return nil
}

// What the save script answers.
const (
	kept      = "kept"
	needsBase = "base"
)

type answer struct {
	word   string
	logLen int64
}

func (w *writer) run(ctx context.Context, e cache.Entry, t lifetime, r report, from string, payload []byte) (answer, error) {
	bookmark, err := w.cache.codec.EncodeAgent(r.bookmark())
	if err != nil {
		return answer{}, err
	}
	v := e.Version()
	args := append([]any{v.Term, fmt.Sprintf("%x", v.Epoch), v.Seq, from, payload, t.life.Milliseconds(), t.keep.Milliseconds(), channel(w.cluster)}, fields(e, t, bookmark)...)
	var a answer
	err = w.cache.outage.guard(ctx, func() error {
		reply, err := w.cache.save.Run(ctx, w.cache.client, keys(w.cluster), args...).Slice()
		if err != nil {
			return err
		}
		a.word, _ = reply[0].(string)
		a.logLen, _ = reply[1].(int64)
		return nil
	})
	w.cache.written.Add(float64(len(payload)))
	return a, err
}

// wrote remembers what Redis holds now, until it has expired there. An update that
// was older than what is there leaves nothing to go on from.
func (w *writer) wrote(r report, a answer, t lifetime) {
	w.last = nil
	if a.word == kept {
		w.remember(r.state, r.hash, a.logLen, t.life+t.keep)
	}
}

// goOnFrom has the next save add to what a master left that was before this one, so
// that a thousand clusters are not all written anew when it starts.
func (w *writer) goOnFrom(e cache.Entry, r *reader) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last != nil {
		return
	}
	last := e.State
	if rested := last.Restow(); rested != nil {
		last = rested
	}
	w.baseLen = r.baseLen
	w.remember(last, r.receiver.Hash(), r.logLen, time.Until(e.KeptUntil()))
}

// remember is what Redis holds now, and for how long.
func (w *writer) remember(last *state.State, hash wire.Hash, logLen int64, kept time.Duration) {
	if w.expiry != nil {
		w.expiry.Stop()
	}
	w.last, w.hash, w.logLen = last, hash, logLen
	w.expiry = time.AfterFunc(kept, func() { w.cache.forget(w.cluster, w) })
}
