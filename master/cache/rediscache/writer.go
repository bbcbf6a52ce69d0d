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

// stored is what Redis holds of a cluster behind its head.
type stored struct {
	// base and chain are the MACs of the base, and of the last record, which is the base
	// where no entry of the log follows it.
	base, chain []byte
	// baseLen and logLen are in bytes, with each record's MAC and numbers.
	baseLen, logLen int64
	// entries of the log.
	entries int64
}

// writer writes one cluster. It remembers what it wrote or read last, so that it can
// write what changed; where Redis says that it holds something else, it writes all.
type writer struct {
	cache   *Cache
	cluster string

	mu     sync.Mutex
	last   *state.State // nil: nothing that could be gone on from
	hash   wire.Hash    // of last
	stored stored
	expiry *time.Timer
	// refused is the MAC of a head that this process refused, as the save script takes it;
	// empty: none. It may be replaced, whatever its version.
	refused string
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

// forget drops the cluster's writer, if it is still the one; nil: whichever it is. The
// next save then writes all.
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

// continues reports whether a delta from what was written last will do: it is of the
// same epoch, and the log is not longer than half of the base.
func (w *writer) continues(s *state.State) bool {
	return w.last != nil && w.last.Epoch == s.Epoch && w.last.Seq <= s.Seq && 2*w.stored.logLen <= w.stored.baseLen && w.stored.entries < maxEntries
}

// append writes what changed; it is not done where only the whole will do.
func (w *writer) append(ctx context.Context, e cache.Entry, t lifetime) (done bool, err error) {
	delta := state.Diff(w.last, e.State)
	r := report{codec: w.cache.codec, state: e.State, hash: w.hash.Apply(w.last, delta), at: e.ReceivedAt}
	frames, err := r.since(w.last, delta)
	if errors.Is(err, wire.ErrTooLarge) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s, goesOnFrom := w.stored, w.stored.chain
	var record []byte
	if len(frames) > 0 {
		record = pack(frames)
		s.chain = w.seal(e, t, s.chain, w.last.Seq, record)
		s.entries++
		s.logLen += int64(len(record))
	}
	word, err := w.run(ctx, e, t, r, update{from: goesOnFrom, record: record, leadsTo: s})
	if replyOf(err) != nil {
		// Somebody may have spoilt the log so that nothing can be added to it.
		return false, nil //nolint:nilerr // the caller writes all of it anew
	}
	if err != nil || word == needsBase {
		return false, err
	}
	w.wrote(e, r, s, word, t)
	return true, nil
}

// rewrite writes all.
func (w *writer) rewrite(ctx context.Context, e cache.Entry, t lifetime) error {
	snapshot, hash, err := w.cache.codec.SnapshotFrames(e.State)
	if err != nil {
		return fmt.Errorf("encode base: %w", err)
	}
	r := report{codec: w.cache.codec, state: e.State, hash: hash, at: e.ReceivedAt}
	frames, err := r.whole(snapshot)
	if err != nil {
		return err
	}
	record := pack(frames)
	mac := w.seal(e, t, nil, 0, record)
	s := stored{base: mac, chain: mac, baseLen: int64(len(record))}
	word, err := w.run(ctx, e, t, r, update{record: record, leadsTo: s})
	if err != nil {
		return err
	}
	w.wrote(e, r, s, word, t)
	return nil
}

func (w *writer) seal(e cache.Entry, t lifetime, previous []byte, from uint64, record []byte) []byte {
	v := e.Version()
	n := recordNumbers{term: v.Term, epoch: v.Epoch, from: from, to: v.Seq, ttl: t.ttl, received: t.received}
	return w.cache.keys.signing.sealRecord(w.cluster, previous, n, record)
}

// What the save script answers.
const (
	kept      = "kept"
	older     = "older"
	needsBase = "base"
)

// update is one run of the save script.
type update struct {
	// from is the chain that the record goes on from; empty: it is a base.
	from    []byte
	record  []byte
	leadsTo stored
}

// run runs the save script, and once more where what Redis holds only seems to be newer.
func (w *writer) run(ctx context.Context, e cache.Entry, t lifetime, r report, u update) (word string, err error) {
	bookmark, err := w.cache.codec.EncodeAgent(r.bookmark())
	if err != nil {
		return "", err
	}
	h := headOf(e, t, u.leadsTo, bookmark)
	h.sign(w.cache.keys.signing, w.cluster)
	a, err := w.script(ctx, e, t, u, h, w.refused)
	if err != nil || a.word != older {
		return a.word, err
	}
	refusal := w.stands(a, t.ttl)
	if refusal == nil {
		return older, nil
	}
	w.cache.problems.note(w.cluster, refusal)
	if len(u.from) > 0 {
		return needsBase, nil
	}
	a, err = w.script(ctx, e, t, u, h, replacing(a.head))
	return a.word, err
}

// replacing lets the save script replace a head whatever it says.
func replacing(h head) string { return "mac:" + h[macField] }

// replaceRefused has the next save write all, in place of what a reader of this process
// refused.
func (w *writer) replaceRefused(h head) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.refused = nil, replacing(h)
}

// stands returns nil where the newer head that Redis holds is a master's and has not
// expired, or else why it may be replaced.
func (w *writer) stands(a answer, ttl time.Duration) error {
	if _, err := w.cache.keys.verify(w.cluster, a.head); err != nil {
		return err
	}
	now := time.Now()
	c, err := a.head.claim(now, a.left, ttl)
	if err != nil {
		return err
	}
	if !now.Before(c.entry.ExpiresAt) {
		return refused(causeTime, "it has expired, though Redis keeps it")
	}
	return nil
}

// answer is what the save script gives.
type answer struct {
	word string
	// left and head are of an entry that is newer.
	left time.Duration
	head head
}

func (w *writer) script(ctx context.Context, e cache.Entry, t lifetime, u update, h head, replace string) (a answer, err error) {
	args := make([]any, 0, 10+2*len(headFields))
	args = append(args, e.Term, e.State.Seq, u.from, u.record, t.life.Milliseconds(), t.keep.Milliseconds(), t.expires(), replace, channel(w.cluster), e.Version().String())
	for _, f := range headFields {
		args = append(args, f, h[f])
	}
	reply, err := w.cache.runScript(ctx, w.cluster, w.cache.save, keys(w.cluster), args...)
	w.cache.written.Add(float64(len(u.record)))
	if err != nil {
		return a, err
	}
	a.word = text(reply[0])
	if a.word == older && len(reply) == 3 {
		left, _ := reply[1].(int64)
		a.left, a.head = time.Duration(left)*time.Millisecond, headFrom(reply[2])
	}
	return a, nil
}

// wrote remembers what Redis holds now, until it has expired there. An update that
// was older than what is there leaves nothing to go on from.
func (w *writer) wrote(e cache.Entry, r report, s stored, word string, t lifetime) {
	w.last, w.refused = nil, ""
	if word == kept {
		w.cache.seen.note(w.cluster, seen{version: e.Version(), received: time.UnixMilli(t.received.UnixMilli()), expires: e.ExpiresAt}, time.Now())
		w.remember(r.state, r.hash, s, t.life+t.keep)
	}
}

// goOnFrom has the next save add to what a master left that was before this one, so
// that a thousand clusters are not all written anew when it starts.
func (w *writer) goOnFrom(e cache.Entry, r *reader) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last != nil || r.key.id != w.cache.keys.signing.id {
		return
	}
	w.remember(e.State.WithoutObjects(), r.receiver.Hash(), r.stored, time.Until(e.RetainUntil()))
}

// remember is what Redis holds now, and for how long.
func (w *writer) remember(last *state.State, hash wire.Hash, s stored, kept time.Duration) {
	if w.expiry != nil {
		w.expiry.Stop()
	}
	w.last, w.hash, w.stored = last, hash, s
	w.expiry = time.AfterFunc(kept, func() { w.cache.forget(w.cluster, w) })
}
