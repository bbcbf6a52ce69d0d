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
	"rollcall.dev/rollcall/master/report"
)

// recordChain describes the base of a cluster and the records after it.
type recordChain struct {
	// baseMAC and lastMAC are the MACs of the base and of the last record. They are equal if the
	// log is empty.
	baseMAC, lastMAC []byte
	// baseLen and logLen are lengths in bytes, including the prefixes of the records.
	baseLen, logLen int64
	// entries is the number of records in the log.
	entries int64
}

// writer saves one cluster. It keeps what it wrote or read last, so that it can append a delta.
// It writes the base if Redis holds something else.
type writer struct {
	cache   *Cache
	cluster string

	mu     sync.Mutex
	last   *wire.LazyState // nil if the next save has to write the base
	size   int64           // the memory of last; see wire.Receiver
	hash   wire.Hash       // of the objects of last
	keyID  string          // of the key with which the records are signed
	chain  recordChain
	expiry *time.Timer
	// refused is the replace argument of the save script for a head that this process refused,
	// empty if there is none. The next save replaces that head, whatever its version.
	refused string
}

// writer returns the writer of a cluster.
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

// dropWriter removes the writer of a cluster if it is w, or any if w is nil. The next save then
// writes the base.
func (r *Cache) dropWriter(cluster string, w *writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w == nil || r.writers[cluster] == w {
		delete(r.writers, cluster)
	}
}

// save saves a report. It appends a delta if it can, and writes the base otherwise.
func (w *writer) save(ctx context.Context, r *report.Report) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if lifetimeOf(r).expired(time.Now()) {
		return nil
	}
	if w.canAppend(r.LazyState) {
		done, err := w.appendDelta(ctx, r)
		if done || err != nil {
			return err
		}
	}
	return w.writeBase(ctx, r)
}

// extends reports whether a delta leads from the last State to s: it has the same epoch, and the records are signed with
// the key of this master.
func (w *writer) extends(s *wire.LazyState) bool {
	return w.last != nil && w.keyID == w.cache.keys.signing.id && w.last.Epoch == s.Epoch && w.last.Seq <= s.Seq
}

// canAppend reports whether a delta from the last State is sufficient, and the log does not exceed half of the base, or
// only times have changed.
func (w *writer) canAppend(s *wire.LazyState) bool {
	fits := 2*w.chain.logLen <= w.chain.baseLen && w.chain.entries < maxEntries
	return w.extends(s) && (fits || w.last.Seq == s.Seq)
}

// appendDelta appends the changes since the last State to the log. done is false if the base has
// to be written instead.
func (w *writer) appendDelta(ctx context.Context, r *report.Report) (done bool, err error) {
	delta, hash, err := w.diff(r.LazyState)
	if err != nil {
		return false, err
	}
	f := flushEncoder{codec: w.cache.codec, report: r, hash: hash}
	frames, err := f.deltaFlush(w.last, delta)
	if errors.Is(err, wire.ErrTooLarge) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	next, previous := w.chain, w.chain.lastMAC
	var record []byte
	if len(frames) > 0 {
		record = pack(frames)
		next.lastMAC = w.sign(r, previous, w.last.Seq, record)
		next.entries++
		next.logLen += int64(len(record))
	}
	status, err := w.execute(ctx, f, saveRequest{previous: previous, record: record, chain: next})
	if asReplyError(err) != nil {
		// The log may be corrupted so that nothing can be appended to it.
		return false, nil //nolint:nilerr // the caller writes the base
	}
	if err != nil || status == statusNeedsBase {
		return false, err
	}
	w.saved(f, next, status)
	return true, nil
}

// diff returns the changes since the last State, and the hash after them.
func (w *writer) diff(next *wire.LazyState) (state.Delta, wire.Hash, error) {
	delta, err := wire.Diff(w.last, next)
	if err != nil || len(delta.Upserts)+len(delta.Removes) == 0 {
		return delta, w.hash, err
	}
	last, err := w.last.State()
	if err != nil {
		return delta, w.hash, err
	}
	return delta, w.hash.Apply(last, delta), nil
}

// writeBase writes the whole State as a new base.
func (w *writer) writeBase(ctx context.Context, r *report.Report) error {
	snapshot, hash, err := w.cache.codec.SnapshotFrames(r.LazyState)
	if err != nil {
		return fmt.Errorf("encode base: %w", err)
	}
	f := flushEncoder{codec: w.cache.codec, report: r, hash: hash}
	frames, err := f.snapshotFlush(snapshot)
	if err != nil {
		return err
	}
	record := pack(frames)
	mac := w.sign(r, nil, 0, record)
	next := recordChain{baseMAC: mac, lastMAC: mac, baseLen: int64(len(record))}
	request := saveRequest{record: record, chain: next}
	w.announceDelta(f, &request)
	status, err := w.execute(ctx, f, request)
	if err != nil {
		return err
	}
	w.saved(f, next, status)
	return nil
}

// announceDelta makes a save of a base announce the changes since the last State, so that followers need not load the
// base.
func (w *writer) announceDelta(f flushEncoder, request *saveRequest) {
	if !w.extends(f.report.LazyState) {
		return
	}
	delta, _, err := w.diff(f.report.LazyState)
	if err != nil {
		return
	}
	if frames, err := f.deltaFlush(w.last, delta); err == nil && len(frames) > 0 {
		request.announcedPrevious, request.announced = w.chain.lastMAC, pack(frames)
		w.sign(f.report, request.announcedPrevious, w.last.Seq, request.announced)
	}
}

// sign fills in the prefix of a record and returns its MAC.
func (w *writer) sign(r *report.Report, previous []byte, from uint64, record []byte) []byte {
	v, t := r.Version(), lifetimeOf(r)
	n := recordNumbers{term: v.Term, epoch: v.Epoch, from: from, to: v.Seq, ttl: t.ttl, received: t.received}
	return w.cache.keys.signing.signRecord(w.cluster, previous, n, record)
}

// These are the statuses in the reply of the save script.
const (
	statusSaved      = "saved"
	statusOlder      = "older"
	statusNeedsBase  = "base"
	statusSuperseded = "superseded"
)

// saveRequest has the arguments of the save script that depend on the record.
type saveRequest struct {
	// previous is the MAC of the record before it, empty if record is a base.
	previous []byte
	record   []byte
	// announced is announced instead of record, with the MAC of the record before it, unless it is empty.
	announcedPrevious, announced []byte
	// chain is the chain after the save.
	chain recordChain
}

// execute runs the save script. If Redis holds a newer head or a higher term that is invalid, it runs the script
// again to replace it. The error is cache.ErrSuperseded if a valid term is higher than that of the report.
func (w *writer) execute(ctx context.Context, f flushEncoder, request saveRequest) (status string, err error) {
	bookmark, err := w.cache.codec.EncodeAgent(f.bookmark())
	if err != nil {
		return "", err
	}
	h := newHead(f.report, request.chain, bookmark)
	h.sign(w.cache.keys.signing, w.cluster)
	replaced := replacedValues{head: w.refused}
	for range 3 {
		reply, err := w.runSave(ctx, f.report, request, h, replaced)
		switch {
		case err != nil:
			return "", err
		case reply.status == statusSuperseded:
			if w.cache.superseded(w.cluster, reply.lastTerm) {
				return "", cache.ErrSuperseded
			}
			replaced.term = reply.lastTerm
		case reply.status == statusOlder:
			newer, invalid := w.parseNewer(reply, lifetimeOf(f.report).ttl)
			switch {
			case invalid == nil && newer.Term > f.report.Term:
				return "", cache.ErrSuperseded // Redis has lost the last term
			case invalid == nil:
				return statusOlder, nil
			}
			w.cache.recorder.record(w.cluster, invalid)
			if len(request.previous) > 0 {
				return statusNeedsBase, nil
			}
			replaced.head = replaceArg(reply.head)
		default:
			return reply.status, nil
		}
	}
	return statusOlder, nil
}

// replacedValues has the arguments of the save script for values in Redis that were not written by a master, and are
// therefore replaced. Empty values replace nothing.
type replacedValues struct{ head, term string }

// replaceArg returns the argument of the save script to replace a head whatever its version.
func replaceArg(h head) string { return "mac:" + h[macField] }

// replaceRefused makes the next save write the base and replace a head that a reader of this
// process has refused.
func (w *writer) replaceRefused(h head) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.refused = nil, replaceArg(h)
}

// parseNewer returns the version of the newer head in a reply. The error is the reason why it may be replaced: it is
// invalid or has expired.
func (w *writer) parseNewer(reply saveReply, ttl time.Duration) (report.Version, error) {
	if _, err := w.cache.keys.verify(w.cluster, reply.head); err != nil {
		return report.Version{}, err
	}
	now := time.Now()
	p, err := reply.head.parse(now, reply.left, ttl)
	if err == nil && !now.Before(p.report.ExpiresAt) {
		err = refused(causeTime, "the entry has expired, though Redis keeps it")
	}
	return p.version, err
}

// saveReply is the reply of the save script.
type saveReply struct {
	status string
	// left and head describe the newer entry in Redis, if the status is statusOlder. left is the
	// time until Redis removes it.
	left time.Duration
	head head
	// lastTerm is the value of the last term in Redis, if the status is statusSuperseded.
	lastTerm string
}

// runSave runs the save script once.
func (w *writer) runSave(ctx context.Context, r *report.Report, request saveRequest, h head, replaced replacedValues) (parsed saveReply, err error) {
	args := make([]any, 0, 15+2*len(headFields))
	t := lifetimeOf(r)
	args = append(args, r.Term, r.Seq, request.previous, request.record, t.left(time.Now()).Milliseconds(), t.expiresAt(), replaced.head)
	args = append(args, w.cache.saves, w.cluster, w.cache.holder, request.announcedPrevious, request.announced)
	args = append(args, w.cache.keys.signing.termValue(w.cluster, r.Term), termTTL.Milliseconds(), replaced.term)
	for _, f := range headFields {
		args = append(args, f, h[f])
	}
	reply, err := w.cache.runScript(ctx, w.cluster, w.cache.save, append(redisKeys(w.cluster), termKeys(w.cluster)...), args...)
	w.cache.written.Add(float64(len(request.record)))
	if err != nil {
		return parsed, err
	}
	parsed.status = asString(reply[0])
	if parsed.status == statusSuperseded && len(reply) == 2 {
		parsed.lastTerm = asString(reply[1])
	}
	if parsed.status == statusOlder && len(reply) == 3 {
		left, _ := reply[1].(int64)
		parsed.left, parsed.head = time.Duration(left)*time.Millisecond, parseHeadReply(reply[2])
	}
	return parsed, nil
}

// saved keeps what Redis holds after a save. If Redis holds a newer version, the next save writes
// the base.
func (w *writer) saved(f flushEncoder, c recordChain, status string) {
	w.last, w.refused = nil, ""
	if status == statusSaved {
		r, now := f.report, time.Now()
		w.cache.rollback.record(w.cluster, seenEntry{version: r.Version(), received: time.UnixMilli(r.ReceivedAt.UnixMilli()), expires: r.ExpiresAt}, now)
		w.keep(r, f.hash, w.cache.keys.signing.id, c, lifetimeOf(r).left(now))
	}
}

// resumeFrom makes the next save append to what the previous master stored. Otherwise a master
// that starts would write the bases of all clusters again.
func (w *writer) resumeFrom(l *loaded) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil {
		w.keepLoaded(l)
	}
}

// keep sets the report and the records from which the next save or announced save continues, and drops the writer
// when Redis removes them after d.
func (w *writer) keep(r *report.Report, hash wire.Hash, keyID string, c recordChain, d time.Duration) {
	if w.expiry != nil {
		w.expiry.Stop()
	}
	w.last, w.size, w.hash, w.keyID, w.chain = r.LazyState, r.Size, hash, keyID, c
	w.expiry = time.AfterFunc(d, func() { w.cache.dropWriter(w.cluster, w) })
}
