package wire

import (
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/columnar"
)

// Receiver applies an agent's messages to a State. It does no I/O. It collects messages and
// returns a new State whenever a Bookmark confirms them. The content of a returned State never changes.
// Create a Receiver with NewReceiver.
type Receiver struct {
	held   *LazyState
	hash   Hash
	budget Budget
	// contents is the estimated memory of the held objects' lists and strings, in bytes; measured
	// is its value when it was last measured.
	contents, measured int64

	// flush has the messages since the last Bookmark.
	flush flush
}

// flush collects the messages before a Bookmark.
type flush struct {
	snapshot *snapshotAssembly
	delta    state.Delta
	usage    *state.Usage
	// contents is the estimated memory of the delta's lists and strings, in bytes.
	contents int64
	errors   [state.NumSections]state.SectionError
}

// snapshotAssembly collects the chunks of a snapshot.
type snapshotAssembly struct {
	id      uint64
	next    uint32
	done    bool
	decoder *columnar.Decoder
	entries []state.Entry
	// contents is the estimated memory of the entries' lists and strings, in bytes.
	contents int64
}

// NewReceiver returns a Receiver that continues from held, which the agent knows as the base. It
// starts empty if held is nil or of another epoch than the one in the agent's Hello.
func NewReceiver(epoch uint64, held *LazyState) *Receiver {
	if held == nil || held.Epoch != epoch {
		held = NewLazyState(&state.State{Epoch: epoch})
	}
	r := &Receiver{held: held, hash: held.hash(), budget: unlimitedBudget{}}
	r.resetFlush()
	return r
}

// SetBudget makes r reserve memory from b before it decodes objects. heldSize is the Size of the
// State that r starts from, as reported by the Receiver that returned it.
func (r *Receiver) SetBudget(b Budget, heldSize int64) {
	r.budget = b
	if c := r.held.compact; c != nil {
		r.contents = c.contents
	} else {
		r.contents = max(heldSize-r.held.objectsSize()-usageSize(r.held.Usage), 0)
	}
	r.measured = r.contents
}

// Size returns the estimated memory of the held State, in bytes.
func (r *Receiver) Size() int64 {
	if r.held.compact != nil && r.held.Decoded() {
		return r.held.objectsSize() + r.contents + r.EvictedSize()
	}
	return r.EvictedSize()
}

// EvictedSize returns the Size that remains after LazyState.Evict.
func (r *Receiver) EvictedSize() int64 {
	size := r.held.objectsSize() + r.contents
	if c := r.held.compact; c != nil {
		size = c.size()
	}
	return size + usageSize(r.held.Usage)
}

func (r *Receiver) resetFlush() {
	r.flush = flush{delta: state.Delta{Epoch: r.held.Epoch, From: r.held.Seq, To: r.held.Seq}}
	for i := range r.held.Sections {
		r.flush.errors[i] = r.held.Sections[i].Error
	}
}

// Hash returns the hash of the held objects.
func (r *Receiver) Hash() Hash { return r.hash }

// Receive applies a Snapshot, Delta, Usage, Status or Bookmark that arrived at now. It returns a
// new State after a Bookmark and nil after other messages. The error wraps ErrResync if the
// message is inconsistent with the held state, or if the compact objects of that state cannot be
// decoded. It wraps ErrBudget if the Budget refuses the memory. The Receiver must not be used after
// an error.
func (r *Receiver) Receive(m AgentMessage, now time.Time) (*LazyState, error) {
	if r.flush.snapshot != nil && !r.flush.snapshot.done {
		if _, ok := m.(*Snapshot); !ok {
			return nil, resync("got %T between the chunks of a snapshot", m)
		}
	}
	switch m := m.(type) {
	case *Snapshot:
		return nil, r.receiveSnapshot(m)
	case *Delta:
		return nil, r.receiveDelta(m)
	case *Usage:
		return nil, r.receiveUsage(m)
	case *Status:
		r.flush.errors[m.Section] = m.Error
		return nil, nil
	case *Bookmark:
		return r.receiveBookmark(m, now)
	}
	return nil, resync("%T is not a message of a flush", m)
}

func (r *Receiver) receiveSnapshot(m *Snapshot) error {
	a := r.flush.snapshot
	if m.Chunk == 0 {
		if a != nil || r.flush.delta.To != r.held.Seq {
			return resync("got a second snapshot, or a snapshot after a delta, without a bookmark between them")
		}
		a = &snapshotAssembly{id: m.ID, decoder: columnar.NewDecoder(m.Seq)}
		r.flush.snapshot = a
	}
	if a == nil || a.done || m.ID != a.id || m.Chunk != a.next || m.Seq != a.decoder.Seq() {
		return resync("chunk %d of snapshot %d is out of order", m.Chunk, m.ID)
	}
	counts, err := columnar.CountObjects(m.objects)
	if err != nil {
		return resync("snapshot: %v", err)
	}
	if len(a.entries)+counts.Total() > MaxObjects {
		return resync("snapshot has more than %d objects", MaxObjects)
	}
	need, err := columnar.EstimateMemory(m.objects)
	if err != nil {
		return resync("snapshot: %v", err)
	}
	if err := r.budget.Reserve(need.Total()); err != nil {
		return err
	}
	entries, err := a.decoder.Decode(m.objects)
	if err != nil {
		return resync("snapshot: %v", err)
	}
	a.entries = append(a.entries, entries...)
	a.contents += need.Contents
	a.next++
	a.done = m.Last
	return nil
}

func (r *Receiver) receiveDelta(m *Delta) error {
	if r.flush.snapshot != nil || r.flush.delta.To != r.held.Seq {
		return resync("got a delta after a snapshot or another delta, without a bookmark between them")
	}
	if m.From != r.held.Seq || m.To < m.From {
		return resync("delta leads from seq %d to %d, but the held seq is %d", m.From, m.To, r.held.Seq)
	}
	need, err := m.memory()
	if err != nil {
		return resync("delta: %v", err)
	}
	changed := !m.Empty()
	if changed && !r.held.Decoded() {
		need.Temporary += r.held.objectsSize() + r.contents
	}
	if err := r.budget.Reserve(need.Total()); err != nil {
		return err
	}
	if err := m.decode(); err != nil {
		return resync("%v", err)
	}
	held := &state.State{}
	if changed || r.held.compact == nil {
		if held, err = r.heldState(); err != nil {
			return err
		}
	}
	upserts, err := m.allUpserts(held)
	if err != nil {
		return resync("delta: %v", err)
	}
	r.flush.delta.To, r.flush.delta.Upserts, r.flush.delta.Removes = m.To, upserts, m.Removes
	r.flush.contents = need.Contents
	return nil
}

func (r *Receiver) receiveUsage(m *Usage) error {
	base := r.flush.usage
	if base == nil {
		base = r.held.Usage
	}
	if err := r.budget.Reserve(m.slots(base) * usedSize); err != nil {
		return err
	}
	next, err := m.apply(base)
	if err != nil {
		return err
	}
	r.flush.usage = next
	return nil
}

func (r *Receiver) receiveBookmark(m *Bookmark, now time.Time) (*LazyState, error) {
	contents := r.contents + r.flush.contents
	if a := r.flush.snapshot; a != nil {
		contents = a.contents
	}
	if m.Seq < r.flush.delta.To || r.flush.snapshot != nil && m.Seq < r.flush.snapshot.decoder.Seq() {
		return nil, resync("bookmark %d is older than the preceding messages", m.Seq)
	}
	next, hash, err := r.applyFlush(m.Seq, r.sections(m, now))
	if err != nil {
		return nil, err
	}
	if next.Count() != m.Count || hash != m.Hash {
		return nil, resync("bookmark %d has %d objects with hash %x, but %d objects with hash %x are held", m.Seq, m.Count, m.Hash, next.Count(), hash)
	}
	r.held, r.hash = next, hash
	r.updateContents(contents)
	r.resetFlush()
	return next, nil
}

// applyFlush returns the State that the collected messages lead to, and its hash. It decodes compact objects only if
// some have changed.
func (r *Receiver) applyFlush(seq uint64, sections *[state.NumSections]state.Section) (*LazyState, Hash, error) {
	delta, hash := r.flush.delta, r.hash
	held := &state.State{Epoch: r.held.Epoch}
	if a := r.flush.snapshot; a != nil {
		hash = 0
		delta = state.Delta{Epoch: r.held.Epoch, Upserts: a.entries}
	} else {
		if err := r.held.decodeError(); err != nil { // a reader has failed to decode the objects
			return nil, 0, resync("%v", err)
		}
		if r.held.compact != nil && len(delta.Upserts)+len(delta.Removes) == 0 {
			return r.held.update(seq, r.flush.usage, sections), hash, nil
		}
		var err error
		if held, err = r.heldState(); err != nil {
			return nil, 0, err
		}
	}
	delta.To, delta.Usage, delta.Sections = seq, r.flush.usage, sections
	next, err := state.Apply(held, delta)
	if err != nil {
		return nil, 0, resync("%v", err)
	}
	return NewLazyState(next), hash.Apply(held, delta), nil
}

// heldState returns the held State. The error wraps ErrResync.
func (r *Receiver) heldState() (*state.State, error) {
	s, err := r.held.State()
	if err != nil {
		return nil, resync("%v", err)
	}
	return s, nil
}

// updateContents records the memory of the held objects' contents. Deltas only add to it, as it is
// unknown which strings a removed object was the last to use. After they have added a quarter, all
// objects are measured again.
func (r *Receiver) updateContents(contents int64) {
	const slack = 256 << 10
	switch {
	case r.flush.snapshot != nil:
		r.measured = contents
	case contents == r.contents:
		return
	case contents > r.measured+r.measured/4+slack:
		contents = columnar.MeasureContents(r.held.state)
		r.measured = contents
	}
	r.contents = contents
}

// sections returns the sections that a Bookmark describes, with times on the receiver's clock.
func (r *Receiver) sections(m *Bookmark, now time.Time) *[state.NumSections]state.Section {
	var sections [state.NumSections]state.Section
	for i := range sections {
		sections[i] = SectionFromAge(m.Ages[i], r.flush.errors[i], now)
	}
	return &sections
}

// usedSize is the size of a slot's sample and group, in bytes.
const usedSize = 24 + 2

// usageSize returns the memory of a usage reading.
func usageSize(u *state.Usage) int64 {
	if u == nil {
		return 0
	}
	return int64(len(u.BySlot)) * usedSize
}

// SectionFromAge returns a section that the agent observed the given age before now, on the
// receiver's clock. A negative age means never.
func SectionFromAge(age time.Duration, err state.SectionError, now time.Time) state.Section {
	s := state.Section{Error: err}
	if age >= 0 {
		s.ObservedAt = now.Add(-age)
	}
	return s
}

// String describes the held state for logs.
func (r *Receiver) String() string {
	return fmt.Sprintf("epoch %x seq %d, %d objects", r.held.Epoch, r.held.Seq, r.held.Count())
}
