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

// pollInterval is how often Watch loads an entry even without a notification. Notifications are
// lost while the connection is down.
const pollInterval = 5 * time.Second

// reader loads the entry of one cluster. It keeps what it has applied, so that the next load
// transfers only later records.
type reader struct {
	cache   *Cache
	cluster string

	// key is the key with which the applied records are signed.
	key macKey
	// chain describes the applied records. lastID is the ID of the last applied entry of the log.
	chain    recordChain
	lastID   string
	receiver *wire.Receiver
}

func (r *Cache) reader(cluster string) *reader { return &reader{cache: r, cluster: cluster} }

// channel returns the name of the channel that announces each save of a cluster.
func channel(cluster string) string { return redisKey(cluster, "saved") }

// Watch implements cache.Store.
func (r *Cache) Watch(ctx context.Context, cluster string, ttl time.Duration, after cache.Version) iter.Seq2[cache.Entry, error] {
	return func(yield func(cache.Entry, error) bool) {
		subscription := r.client.Subscribe(ctx, channel(cluster))
		defer subscription.Close()
		saved := subscription.Channel()
		poll := time.NewTicker(pollInterval)
		defer poll.Stop()
		reader := r.reader(cluster)
		var until time.Time
		for ctx.Err() == nil {
			e, err := reader.load(ctx, ttl)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil && !errors.Is(err, cache.ErrMiss):
				yield(cache.Entry{}, fmt.Errorf("watch %s in redis: %w", cluster, err))
				return
			case err == nil && e.Replaces(after, until.Add(expiryTolerance)):
				after, until = e.Version(), e.ExpiresAt
				if !yield(e, nil) {
					return
				}
			}
			select {
			case <-saved:
			case <-poll.C:
			case <-ctx.Done():
			}
		}
	}
}

// expiryTolerance is how much the expiry of the same Entry may differ between two loads. It is
// computed from the remaining time to live, which is rounded to milliseconds and takes time to
// arrive.
const expiryTolerance = 20 * time.Millisecond

// load returns the current Entry, or ErrMiss if there is none. It does not delete an entry that it
// refuses, but lets the next save of this process replace it.
func (r *reader) load(ctx context.Context, ttl time.Duration) (cache.Entry, error) {
	reply, err := r.fetch(ctx)
	if err == nil {
		var e cache.Entry
		if e, err = r.apply(reply, time.Now(), ttl); err == nil {
			return e, nil
		}
	}
	r.key, r.chain, r.lastID, r.receiver = macKey{}, recordChain{}, "", nil
	var refusedErr *refusal
	if errors.As(err, &refusedErr) {
		r.cache.recorder.record(r.cluster, err)
		r.cache.writer(r.cluster).replaceRefused(reply.head)
	}
	return cache.Entry{}, err
}

// loadReply is the reply of the load script.
type loadReply struct {
	head head
	left time.Duration // until Redis removes the head
	// hasBase is set if the reader has applied the base. base is empty then, or if Redis has
	// evicted it.
	hasBase bool
	base    []byte
	log     []logEntry
}

type logEntry struct {
	id     string
	record []byte
}

// fetch runs the load script.
func (r *reader) fetch(ctx context.Context) (loadReply, error) {
	args := make([]any, 0, 4+len(headFields))
	args = append(args, r.chain.baseMAC, r.lastID, maxBytes, maxEntries)
	for _, f := range headFields {
		args = append(args, f)
	}
	reply, err := r.cache.runScript(ctx, r.cluster, r.cache.load, redisKeys(r.cluster), args...)
	if err != nil {
		return loadReply{}, err
	}
	switch status := asString(reply[0]); {
	case status == "found" && len(reply) == 6:
	case status == "large" && len(reply) == 2:
		return loadReply{}, refused(causeSize, "the entry is too large: %v bytes or log entries; the limits are %d bytes and %d entries", reply[1], maxBytes, maxEntries)
	default:
		return loadReply{}, cache.ErrMiss
	}
	left, _ := reply[2].(int64)
	hasBase, _ := reply[3].(int64)
	f := loadReply{head: parseHeadReply(reply[1]), left: time.Duration(left) * time.Millisecond, hasBase: hasBase == 1, base: []byte(asString(reply[4]))}
	entries, _ := reply[5].([]any)
	for _, e := range entries {
		f.log = append(f.log, parseLogEntry(e))
	}
	return f, nil
}

// parseHeadReply returns the head whose values, in the order of headFields, are in a reply.
func parseHeadReply(reply any) head {
	h := head{}
	values, _ := reply.([]any)
	for i, v := range values {
		if i < len(headFields) {
			h[headFields[i]] = asString(v)
		}
	}
	return h
}

// parseLogEntry parses an entry of a stream: its ID, and the name and value of its only field.
func parseLogEntry(e any) (l logEntry) {
	pair, _ := e.([]any)
	if len(pair) != 2 {
		return l
	}
	l.id = asString(pair[0])
	if fields, _ := pair[1].([]any); len(fields) == 2 {
		l.record = []byte(asString(fields[1]))
	}
	return l
}

// asString returns v, or "" if it is not a string.
func asString(v any) string {
	s, _ := v.(string)
	return s
}

// apply applies the records of a reply and returns the resulting Entry. It verifies all records
// before it decodes any.
func (r *reader) apply(reply loadReply, now time.Time, ttl time.Duration) (cache.Entry, error) {
	key, err := r.cache.keys.verify(r.cluster, reply.head)
	if err != nil {
		return cache.Entry{}, err
	}
	p, err := reply.head.parse(now, reply.left, ttl)
	if err != nil {
		return cache.Entry{}, err
	}
	if !r.cache.rollback.allow(r.cluster, p.version, p.received, now) {
		return cache.Entry{}, refused(causeOlder, "version %s is older than a version that this master has seen: something restored it in Redis", p.version)
	}
	if !reply.hasBase && len(reply.base) == 0 {
		return cache.Entry{}, cache.ErrMiss // Redis has evicted the base
	}
	records, err := r.verify(key, reply, p)
	if err != nil {
		return cache.Entry{}, err
	}
	e := p.entry
	e.State, err = r.decode(reply, records, p)
	switch {
	case errors.Is(err, wire.ErrBudget):
		return cache.Entry{}, err // memory may become available
	case err != nil:
		return cache.Entry{}, refused(causeFormat, "%w", err)
	}
	e.Size = r.receiver.EvictedSize()
	r.cache.rollback.record(r.cluster, seenEntry{version: p.version, received: p.received, expires: e.ExpiresAt}, now)
	return e, nil
}

// verify returns the frames of the records in a reply. It verifies that they follow the applied
// records without a gap and end with the last record of the head.
func (r *reader) verify(key macKey, reply loadReply, p parsedHead) (frames [][]byte, err error) {
	to, previous := uint64(0), r.chain.lastMAC
	add := func(record []byte) error {
		mac, n, f, err := key.verifyRecord(r.cluster, previous, record)
		if err != nil {
			return err
		}
		if n.epoch != p.version.Epoch || n.to < n.from || len(frames) > 0 && n.from != to {
			return refused(causeFormat, "a record has the change from seq %d to %d in epoch %x, which does not follow the record before it", n.from, n.to, n.epoch)
		}
		to, previous, frames = n.to, mac, append(frames, f)
		return nil
	}
	if !reply.hasBase {
		previous = nil
		if err := add(reply.base); err != nil {
			return nil, fmt.Errorf("base: %w", err)
		}
		r.key, r.lastID, r.chain = key, "", recordChain{baseMAC: previous, baseLen: int64(len(reply.base))}
	}
	for _, l := range reply.log {
		if err := add(l.record); err != nil {
			return nil, fmt.Errorf("entry %.40q of the log: %w", l.id, err)
		}
		r.lastID = l.id
		r.chain.entries++
		r.chain.logLen += int64(len(l.record))
	}
	r.chain.lastMAC = previous
	if string(r.chain.baseMAC) != reply.head["base"] || string(previous) != reply.head["chain"] || r.chain.entries != p.entries {
		return nil, refused(causeMAC, "the records are not those of the head: some are missing, or from another time")
	}
	return frames, nil
}

// decode applies verified records and the bookmark of the head, and returns the resulting State.
func (r *reader) decode(reply loadReply, records [][]byte, p parsedHead) (s *state.State, err error) {
	if !reply.hasBase {
		r.receiver = wire.NewReceiver(p.version.Epoch, nil)
		if r.cache.budget != nil {
			r.receiver.SetBudget(r.cache.budget(r.cluster), 0)
		}
	}
	if r.receiver == nil {
		return nil, errors.New("the reader has no base")
	}
	var snapshot [][]byte
	changed := reply.hasBase
	receive := func(frame []byte) error {
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
		s, err = r.receiver.Receive(m, p.entry.ReceivedAt)
		return err
	}
	for i, frames := range records {
		if err := unpack(frames, receive); err != nil {
			return nil, fmt.Errorf("decode record %d of %d: %w", i+1, len(records), err)
		}
	}
	if err := receive([]byte(reply.head["bookmark"])); err != nil {
		return nil, fmt.Errorf("decode the bookmark: %w", err)
	}
	if s == nil || s.Seq != p.version.Seq {
		return nil, errors.New("decode the bookmark: it is missing, or has another seq than the head")
	}
	if !changed {
		// Keep the encoded frames and decode the objects when they are read. A master that starts
		// loads all clusters, and many of them may have no demand.
		s = r.receiver.CompactAs(r.cache.codec, snapshot)
	}
	return s, nil
}
