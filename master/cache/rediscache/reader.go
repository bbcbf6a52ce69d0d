package rediscache

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
)

// lookEvery is how often a follower looks even if nobody told it of an update:
// Redis forgets what it tells while a connection is down.
const lookEvery = 5 * time.Second

// reader reads one cluster, and remembers how far it got.
type reader struct {
	cache   *Cache
	cluster string

	base     string // which base was taken in; empty: none
	last     string // the last entry of the log taken in
	receiver *wire.Receiver
	// baseLen and logLen are the bytes of what was taken in.
	baseLen, logLen int64
}

func (r *Cache) reader(cluster string) *reader { return &reader{cache: r, cluster: cluster} }

func channel(cluster string) string { return key(cluster, "saved") }

// Follow implements cache.Store.
func (r *Cache) Follow(ctx context.Context, cluster string, after cache.Version) iter.Seq2[cache.Entry, error] {
	return func(yield func(cache.Entry, error) bool) {
		told := r.client.Subscribe(ctx, channel(cluster))
		defer told.Close()
		news := told.Channel()
		look := time.NewTicker(lookEvery)
		defer look.Stop()
		reader := r.reader(cluster)
		var until time.Time
		for ctx.Err() == nil {
			e, err := reader.catchUp(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil && !errors.Is(err, cache.ErrMiss):
				yield(cache.Entry{}, fmt.Errorf("follow %s in redis: %w", cluster, err))
				return
			case err == nil && e.Replaces(after, until.Add(rounding)):
				after, until = e.Version(), e.ExpiresAt
				if !yield(e, nil) {
					return
				}
			}
			select {
			case <-news:
			case <-look.C:
			case <-ctx.Done():
			}
		}
	}
}

// rounding is by how much the expiry of one and the same Entry may differ between
// two looks at it: what is left of it is told in milliseconds and takes time to come.
const rounding = 20 * time.Millisecond

// catchUp is the Entry as it stands now, ErrMiss where there is none. What it cannot
// take in it removes, so that the next save begins anew.
func (r *reader) catchUp(ctx context.Context) (cache.Entry, error) {
	found, err := r.fetch(ctx)
	if err != nil {
		return cache.Entry{}, err
	}
	e, err := r.takeIn(found)
	if errors.Is(err, wire.ErrBudget) {
		r.base, r.last = "", ""
		return cache.Entry{}, err // there may be room later
	}
	if err != nil && !errors.Is(err, cache.ErrMiss) {
		r.base, r.last = "", ""
		return cache.Entry{}, errors.Join(err, r.cache.Drop(ctx, r.cluster))
	}
	return e, err
}

// found is what the load script gives.
type found struct {
	head head
	left time.Duration
	base string // empty: the reader has it
	log  []logEntry
}

type logEntry struct{ id, frames string }

func (r *reader) fetch(ctx context.Context) (found, error) {
	var reply []any
	err := r.cache.outage.guard(ctx, func() (err error) {
		reply, err = r.cache.load.Run(ctx, r.cache.client, keys(r.cluster), r.base, r.last, maxBytes).Slice()
		return err
	})
	if err != nil {
		return found{}, err
	}
	switch len(reply) {
	case 4:
	case 1:
		return found{}, fmt.Errorf("it has %v bytes, at most %d are read", reply[0], maxBytes)
	default:
		return found{}, cache.ErrMiss
	}
	f := found{head: head{}}
	pairs, _ := reply[0].([]any)
	for i := 0; i+1 < len(pairs); i += 2 {
		f.head[text(pairs[i])] = text(pairs[i+1])
	}
	left, _ := reply[1].(int64)
	f.left, f.base = time.Duration(left)*time.Millisecond, text(reply[2])
	entries, _ := reply[3].([]any)
	for _, e := range entries {
		f.log = append(f.log, logEntryOf(e))
	}
	return f, nil
}

// logEntryOf reads a stream's entry: its id, and its field and value.
func logEntryOf(e any) (l logEntry) {
	pair, _ := e.([]any)
	if len(pair) != 2 {
		return l
	}
	l.id = text(pair[0])
	if fields, _ := pair[1].([]any); len(fields) == 2 {
		l.frames = text(fields[1])
	}
	return l
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// takeIn is the Entry that what was found leads to.
func (r *reader) takeIn(f found) (cache.Entry, error) {
	n := numbers{head: f.head}
	epoch := n.hex("epoch")
	if n.err != nil {
		return cache.Entry{}, n.err
	}
	e, err := f.head.entry(time.Now(), f.left)
	if err != nil {
		return cache.Entry{}, err
	}
	if f.base != "" {
		r.receiver, r.base, r.last = wire.NewReceiver(epoch, nil), f.head["base"], ""
		r.baseLen, r.logLen = int64(len(f.base)), 0
		if r.cache.budget != nil {
			r.receiver.SetBudget(r.cache.budget(r.cluster), 0)
		}
	}
	if r.receiver == nil {
		return cache.Entry{}, cache.ErrMiss // a part of it was evicted
	}
	var snapshot [][]byte
	changed := f.base == ""
	take := func(frame []byte) error {
		m, err := r.cache.codec.DecodeAgent(frame)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *wire.Snapshot:
			snapshot = append(snapshot, frame)
		case *wire.Delta:
			changed = changed || !m.Empty()
		}
		e.State, err = r.receiver.Take(m, e.ReceivedAt)
		return err
	}
	if err := r.takeFrames(f, take); err != nil {
		return cache.Entry{}, err
	}
	if e.State == nil {
		return cache.Entry{}, errors.New("take in the bookmark: it is none")
	}
	if !changed {
		// Whoever reads it makes objects of the frames anew; a master that starts reads
		// a thousand clusters which nobody may look at.
		e.State = r.receiver.StowAs(r.cache.codec, snapshot)
	}
	e.Size = r.receiver.RestedSize()
	return e, nil
}

func (r *reader) takeFrames(f found, take func(frame []byte) error) error {
	if err := unpack(f.base, take); err != nil {
		return fmt.Errorf("take in the base: %w", err)
	}
	for _, l := range f.log {
		if err := unpack(l.frames, take); err != nil {
			return fmt.Errorf("take in entry %s of the log: %w", l.id, err)
		}
		r.last = l.id
		r.logLen += int64(len(l.frames))
	}
	if err := take([]byte(f.head["bookmark"])); err != nil {
		return fmt.Errorf("take in the bookmark: %w", err)
	}
	return nil
}
