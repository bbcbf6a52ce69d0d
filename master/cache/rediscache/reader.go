package rediscache

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"rollcall.dev/rollcall/api/state"
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

	// key is the one that what was taken in is signed with.
	key macKey
	// stored is what was taken in, and last the ID of the log's last entry of it.
	stored   stored
	last     string
	receiver *wire.Receiver
}

func (r *Cache) reader(cluster string) *reader { return &reader{cache: r, cluster: cluster} }

func channel(cluster string) string { return key(cluster, "saved") }

// Follow implements cache.Store.
func (r *Cache) Watch(ctx context.Context, cluster string, ttl time.Duration, after cache.Version) iter.Seq2[cache.Entry, error] {
	return func(yield func(cache.Entry, error) bool) {
		told := r.client.Subscribe(ctx, channel(cluster))
		defer told.Close()
		news := told.Channel()
		look := time.NewTicker(lookEvery)
		defer look.Stop()
		reader := r.reader(cluster)
		var until time.Time
		for ctx.Err() == nil {
			e, err := reader.catchUp(ctx, ttl)
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

// catchUp returns the Entry as it stands now, an ErrMiss where there is none. What is
// refused stays in Redis, for the next save to replace: a reader deletes nothing.
func (r *reader) catchUp(ctx context.Context, ttl time.Duration) (cache.Entry, error) {
	found, err := r.fetch(ctx)
	if err == nil {
		var e cache.Entry
		if e, err = r.takeIn(found, time.Now(), ttl); err == nil {
			return e, nil
		}
	}
	r.key, r.stored, r.last, r.receiver = macKey{}, stored{}, "", nil
	var why *refusal
	if errors.As(err, &why) {
		r.cache.problems.note(r.cluster, err)
		r.cache.writer(r.cluster).replaceRefused(found.head)
	}
	return cache.Entry{}, err
}

// found is what the load script gives.
type found struct {
	head head
	left time.Duration
	had  bool   // the reader has the base
	base []byte // empty: the reader has it, or it was evicted
	log  []logEntry
}

type logEntry struct {
	id     string
	record []byte
}

func (r *reader) fetch(ctx context.Context) (found, error) {
	args := make([]any, 0, 4+len(headFields))
	args = append(args, r.stored.base, r.last, maxBytes, maxEntries)
	for _, f := range headFields {
		args = append(args, f)
	}
	reply, err := r.cache.runScript(ctx, r.cluster, r.cache.load, keys(r.cluster), args...)
	if err != nil {
		return found{}, err
	}
	switch word := text(reply[0]); {
	case word == "found" && len(reply) == 6:
	case word == "large" && len(reply) == 2:
		return found{}, refused(causeSize, "it has %v bytes, or more entries than %d in its log; at most %d bytes are read", reply[1], maxEntries, maxBytes)
	default:
		return found{}, cache.ErrMiss
	}
	left, _ := reply[2].(int64)
	had, _ := reply[3].(int64)
	f := found{head: headFrom(reply[1]), left: time.Duration(left) * time.Millisecond, had: had == 1, base: []byte(text(reply[4]))}
	entries, _ := reply[5].([]any)
	for _, e := range entries {
		f.log = append(f.log, logEntryOf(e))
	}
	return f, nil
}

// headFrom reads the values of headFields.
func headFrom(reply any) head {
	h := head{}
	values, _ := reply.([]any)
	for i, v := range values {
		if i < len(headFields) {
			h[headFields[i]] = text(v)
		}
	}
	return h
}

// logEntryOf reads a stream's entry: its id, and its field and value.
func logEntryOf(e any) (l logEntry) {
	pair, _ := e.([]any)
	if len(pair) != 2 {
		return l
	}
	l.id = text(pair[0])
	if fields, _ := pair[1].([]any); len(fields) == 2 {
		l.record = []byte(text(fields[1]))
	}
	return l
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// takeIn returns the Entry that what was found leads to. Nothing is decoded before all
// of it was verified.
func (r *reader) takeIn(f found, now time.Time, ttl time.Duration) (cache.Entry, error) {
	key, err := r.cache.keys.verify(r.cluster, f.head)
	if err != nil {
		return cache.Entry{}, err
	}
	c, err := f.head.claim(now, f.left, ttl)
	if err != nil {
		return cache.Entry{}, err
	}
	if !r.cache.seen.allow(r.cluster, c.version, c.received, now) {
		return cache.Entry{}, refused(causeOlder, "version %s is older than one that was seen here: somebody set it back", c.version)
	}
	if !f.had && len(f.base) == 0 {
		return cache.Entry{}, cache.ErrMiss // a part of it was evicted
	}
	records, err := r.verify(key, f, c)
	if err != nil {
		return cache.Entry{}, err
	}
	e := c.entry
	e.State, err = r.decode(f, records, c)
	switch {
	case errors.Is(err, wire.ErrBudget):
		return cache.Entry{}, err // there may be room later
	case err != nil:
		return cache.Entry{}, refused(causeFormat, "%w", err)
	}
	e.Size = r.receiver.EvictedSize()
	r.cache.seen.note(r.cluster, seen{version: c.version, received: c.received, expires: e.ExpiresAt}, now)
	return e, nil
}

// verify returns the frames of the records that were found, if they are a chain that
// goes on from what was taken in and ends where the head says.
func (r *reader) verify(key macKey, f found, c claim) (frames [][]byte, err error) {
	to, previous := uint64(0), r.stored.chain
	take := func(record []byte) error {
		mac, n, inside, err := key.openRecord(r.cluster, previous, record)
		if err != nil {
			return err
		}
		if n.epoch != c.version.Epoch || n.to < n.from || len(frames) > 0 && n.from != to {
			return refused(causeFormat, "a record leads from %d to %d in epoch %x, which is not what comes next", n.from, n.to, n.epoch)
		}
		to, previous, frames = n.to, mac, append(frames, inside)
		return nil
	}
	if !f.had {
		previous = nil
		if err := take(f.base); err != nil {
			return nil, fmt.Errorf("base: %w", err)
		}
		r.key, r.last, r.stored = key, "", stored{base: previous, baseLen: int64(len(f.base))}
	}
	for _, l := range f.log {
		if err := take(l.record); err != nil {
			return nil, fmt.Errorf("entry %.40q of the log: %w", l.id, err)
		}
		r.last = l.id
		r.stored.entries++
		r.stored.logLen += int64(len(l.record))
	}
	r.stored.chain = previous
	if string(r.stored.base) != f.head["base"] || string(previous) != f.head["chain"] || r.stored.entries != c.entries {
		return nil, refused(causeMAC, "it has not the records that its head is for: some were left out, or are of another time")
	}
	return frames, nil
}

// decode returns the State that verified records and the head's bookmark lead to.
func (r *reader) decode(f found, records [][]byte, c claim) (s *state.State, err error) {
	if !f.had {
		r.receiver = wire.NewReceiver(c.version.Epoch, nil)
		if r.cache.budget != nil {
			r.receiver.SetBudget(r.cache.budget(r.cluster), 0)
		}
	}
	if r.receiver == nil {
		return nil, errors.New("the reader has no base")
	}
	var snapshot [][]byte
	changed := f.had
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
		s, err = r.receiver.Receive(m, c.entry.ReceivedAt)
		return err
	}
	for i, frames := range records {
		if err := unpack(frames, take); err != nil {
			return nil, fmt.Errorf("take in record %d of %d: %w", i+1, len(records), err)
		}
	}
	if err := take([]byte(f.head["bookmark"])); err != nil {
		return nil, fmt.Errorf("take in the bookmark: %w", err)
	}
	if s == nil || s.Seq != c.version.Seq {
		return nil, errors.New("take in the bookmark: it is none, or of another seq than its head")
	}
	if !changed {
		// Whoever reads it makes objects of the frames anew; a master that starts reads
		// a thousand clusters which nobody may look at.
		s = r.receiver.CompactAs(r.cache.codec, snapshot)
	}
	return s, nil
}
