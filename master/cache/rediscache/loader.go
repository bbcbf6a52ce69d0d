package rediscache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/report"
)

// loaded is a report that was loaded from Redis, and what a writer needs to append to it.
type loaded struct {
	report *report.Report
	hash   wire.Hash // of its objects
	// key is the key with which the records are signed.
	key   macKey
	chain recordChain
}

// read returns the report of a cluster, or ErrMiss if there is none. It does not delete an entry that it
// refuses, but lets the next save of this process replace it.
func (r *Cache) read(ctx context.Context, cluster string, ttl time.Duration) (*loaded, error) {
	reply, err := r.fetch(ctx, cluster)
	if err != nil {
		return nil, r.noteRefusal(cluster, reply, err)
	}
	l, err := r.apply(cluster, reply, time.Now(), ttl)
	return l, r.noteRefusal(cluster, reply, err)
}

// noteRefusal returns err. If it is a refusal, noteRefusal records it, and makes the next save replace the entry.
func (r *Cache) noteRefusal(cluster string, reply loadReply, err error) error {
	var refusedErr *refusal
	if errors.As(err, &refusedErr) {
		r.recorder.record(cluster, err)
		r.writer(cluster).replaceRefused(reply.head)
	}
	return err
}

// loadReply is the reply of the load script.
type loadReply struct {
	head head
	left time.Duration // until Redis removes the head
	// base is empty if Redis has evicted it.
	base []byte
	log  [][]byte
}

// fetch runs the load script.
func (r *Cache) fetch(ctx context.Context, cluster string) (loadReply, error) {
	args := make([]any, 0, 2+len(headFields))
	args = append(args, maxBytes, maxEntries)
	for _, f := range headFields {
		args = append(args, f)
	}
	reply, err := r.runScript(ctx, cluster, r.load, redisKeys(cluster), args...)
	if err != nil {
		return loadReply{}, err
	}
	switch status := asString(reply[0]); {
	case status == "found" && len(reply) == 5:
	case status == "large" && len(reply) == 2:
		return loadReply{}, refused(causeSize, "the entry is too large: %v bytes or log entries; the limits are %d bytes and %d entries", reply[1], maxBytes, maxEntries)
	default:
		return loadReply{}, cache.ErrMiss
	}
	left, _ := reply[2].(int64)
	f := loadReply{head: parseHeadReply(reply[1]), left: time.Duration(left) * time.Millisecond, base: []byte(asString(reply[3]))}
	entries, _ := reply[4].([]any)
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

// parseLogEntry returns the record of an entry of a stream: the value of its only field. It returns nil for an entry of
// another form.
func parseLogEntry(e any) []byte {
	pair, _ := e.([]any)
	if len(pair) != 2 {
		return nil
	}
	fields, _ := pair[1].([]any)
	if len(fields) != 2 {
		return nil
	}
	return []byte(asString(fields[1]))
}

// asString returns v, or "" if it is not a string.
func asString(v any) string {
	s, _ := v.(string)
	return s
}

// apply applies the records of a reply and returns the resulting report. It verifies all records
// before it decodes any.
func (r *Cache) apply(cluster string, reply loadReply, now time.Time, ttl time.Duration) (*loaded, error) {
	key, err := r.keys.verify(cluster, reply.head)
	if err != nil {
		return nil, err
	}
	p, err := reply.head.parse(now, reply.left, ttl)
	if err != nil {
		return nil, err
	}
	if !r.rollback.allow(cluster, p.version, p.received, now) {
		return nil, refused(causeOlder, "version %s is older than a version that this master has seen: something restored it in Redis", p.version)
	}
	if len(reply.base) == 0 {
		return nil, cache.ErrMiss // Redis has evicted the base
	}
	l := &loaded{report: &p.report, key: key}
	records, err := l.verify(cluster, reply, p)
	if err != nil {
		return nil, err
	}
	p.report.Cluster = cluster
	err = r.decode(l, r.newReceiver(cluster, p.version.Epoch, nil, 0), records, p, reply.head["bookmark"])
	switch {
	case errors.Is(err, wire.ErrBudget):
		return nil, err // memory may become available
	case err != nil:
		return nil, refused(causeFormat, "%w", err)
	}
	r.rollback.record(cluster, seenEntry{version: p.version, received: p.received, expires: p.report.ExpiresAt}, now)
	return l, nil
}

// verify returns the frames of the records in a reply, and sets the chain. It verifies that they follow each other
// without a gap and end with the last record of the head.
func (l *loaded) verify(cluster string, reply loadReply, p parsedHead) (frames [][]byte, err error) {
	to := uint64(0)
	add := func(record []byte) error {
		mac, n, f, err := l.key.verifyRecord(cluster, l.chain.lastMAC, record)
		if err != nil {
			return err
		}
		if n.epoch != p.version.Epoch || n.to < n.from || len(frames) > 0 && n.from != to {
			return refused(causeFormat, "a record has the change from seq %d to %d in epoch %x, which does not follow the record before it", n.from, n.to, n.epoch)
		}
		to, l.chain.lastMAC, frames = n.to, mac, append(frames, f)
		return nil
	}
	if err := add(reply.base); err != nil {
		return nil, fmt.Errorf("base: %w", err)
	}
	l.chain.baseMAC, l.chain.baseLen = l.chain.lastMAC, int64(len(reply.base))
	for i, record := range reply.log {
		if err := add(record); err != nil {
			return nil, fmt.Errorf("entry %d of the log: %w", i+1, err)
		}
		l.chain.entries++
		l.chain.logLen += int64(len(record))
	}
	if string(l.chain.baseMAC) != reply.head["base"] || string(l.chain.lastMAC) != reply.head["chain"] || l.chain.entries != p.entries {
		return nil, refused(causeMAC, "the records are not those of the head: some are missing, or from another time")
	}
	return frames, nil
}

// newReceiver returns a Receiver that continues from held, a State of the given size or nil, within the cluster's budget.
func (r *Cache) newReceiver(cluster string, epoch uint64, held *wire.LazyState, size int64) *wire.Receiver {
	receiver := wire.NewReceiver(epoch, held)
	if r.budget != nil {
		receiver.SetBudget(r.budget(cluster), size)
	}
	return receiver
}

// decode applies the frames of verified records and the bookmark of the head, and sets the State of the report and its
// hash.
func (r *Cache) decode(l *loaded, receiver *wire.Receiver, records [][]byte, p parsedHead, bookmark string) error {
	var snapshot [][]byte
	changed := false // objects after the snapshot
	var s *wire.LazyState
	receive := func(frame []byte) error {
		m, err := r.codec.DecodeAgent(frame)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *wire.Snapshot:
			snapshot = append(snapshot, frame)
		case *wire.Delta:
			changed = changed || !m.Empty()
		}
		s, err = receiver.Receive(m, l.report.ReceivedAt)
		return err
	}
	for i, frames := range records {
		if err := unpack(frames, receive); err != nil {
			return fmt.Errorf("decode record %d of %d: %w", i+1, len(records), err)
		}
	}
	if err := receive([]byte(bookmark)); err != nil {
		return fmt.Errorf("decode the bookmark: %w", err)
	}
	if s == nil || s.Seq != p.version.Seq {
		return errors.New("decode the bookmark: it is missing, or has another seq than the head")
	}
	if len(snapshot) > 0 && !changed {
		// Keep the encoded frames and decode the objects when they are read. A master that starts
		// loads all clusters, and many of them may have no demand.
		s = receiver.CompactAs(r.codec, snapshot)
	}
	l.report.LazyState, l.report.Size, l.hash = s, receiver.EvictedSize(), receiver.Hash()
	return nil
}
