package wire

import (
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Receiver is the receiving end of an agent's messages, without any I/O: it gathers
// what comes, and gives a new State whenever a Bookmark has proved it whole. What
// it gave is never mutated. The zero value is not usable: see NewReceiver.
type Receiver struct {
	held   *state.State
	hash   Hash
	budget Budget
	// contents is what the lists and strings of what is held take, estimated; measured is
	// what it was when they were last looked at.
	contents, measured int64

	// flush is what came since the last Bookmark.
	flush flush
}

// flush is a batch of messages that a Bookmark will end.
type flush struct {
	snapshot *snapshotAssembly
	delta    state.Delta
	usage    *state.Usage
	// contents is what the lists and strings of the delta take.
	contents int64
	errors   [state.NumSections]state.SectionError
}

// snapshotAssembly is a snapshot of which the last chunk has not come.
type snapshotAssembly struct {
	id      uint64
	next    uint32
	done    bool
	reader  *objectDecoder
	entries []state.Entry
	// contents is what their lists and strings take.
	contents int64
}

// NewReceiver begins at held, which the agent was told of as the base, or at
// nothing where held is nil or of another epoch than the agent's Hello says.
func NewReceiver(epoch uint64, held *state.State) *Receiver {
	if held == nil || held.Epoch != epoch {
		held = &state.State{Epoch: epoch}
	}
	r := &Receiver{held: held, hash: hashOf(held), budget: unlimitedBudget{}}
	r.resetFlush()
	return r
}

// SetBudget has r ask b before it decodes anything. HeldSize is the Size of what r begins
// at, as the Receiver that made it told.
func (r *Receiver) SetBudget(b Budget, heldSize int64) {
	r.budget = b
	if compactedState, ok := r.held.Compacted().(*compacted); ok {
		r.contents = compactedState.contents
	} else {
		r.contents = max(heldSize-objectsSize(r.held)-usageSize(r.held.Usage), 0)
	}
	r.measured = r.contents
}

// Size returns about what the State that r holds takes in memory, in bytes.
func (r *Receiver) Size() int64 {
	if !r.held.ObjectsEvicted() && r.held.Compacted() != nil {
		return objectsSize(r.held) + r.contents + r.EvictedSize()
	}
	return r.EvictedSize()
}

// EvictedSize returns what Size will once the objects were let go of, if they are compacted.
func (r *Receiver) EvictedSize() int64 {
	size := objectsSize(r.held) + r.contents
	if compactedState, ok := r.held.Compacted().(*compacted); ok {
		size = compactedState.size()
	}
	return size + usageSize(r.held.Usage)
}

func (r *Receiver) resetFlush() {
	r.flush = flush{delta: state.Delta{Epoch: r.held.Epoch, From: r.held.Seq, To: r.held.Seq}}
	for i := range r.held.Sections {
		r.flush.errors[i] = r.held.Sections[i].Error
	}
}

// Hash is that of what r holds.
func (r *Receiver) Hash() Hash { return r.hash }

// Take takes in a Snapshot, Delta, Usage, Status or Bookmark that came at now. It
// gives the new State after a Bookmark, nil after anything else. An error is an
// ErrResync, where what came does not fit what is held, or an ErrBudget, where the Budget
// has no room for it. The Receiver must not be used any more then.
func (r *Receiver) Receive(m AgentMessage, now time.Time) (*state.State, error) {
	if r.flush.snapshot != nil && !r.flush.snapshot.done {
		if _, ok := m.(*Snapshot); !ok {
			return nil, resync("%T within a snapshot", m)
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
	return nil, resync("%T is not part of a report", m)
}

func (r *Receiver) receiveSnapshot(m *Snapshot) error {
	a := r.flush.snapshot
	if m.Chunk == 0 {
		if a != nil || r.flush.delta.To != r.held.Seq {
			return resync("a second snapshot, or one behind a delta, before a bookmark")
		}
		a = &snapshotAssembly{id: m.ID, reader: newObjectDecoder(m.Seq)}
		r.flush.snapshot = a
	}
	if a == nil || a.done || m.ID != a.id || m.Chunk != a.next || m.Seq != a.reader.seq {
		return resync("chunk %d of snapshot %d does not follow", m.Chunk, m.ID)
	}
	counts, err := countObjects(m.objects)
	if err != nil {
		return resync("snapshot: %v", err)
	}
	if len(a.entries)+counts.total() > MaxObjects {
		return resync("snapshot of more than %d objects", MaxObjects)
	}
	need := estimateMemory(m.objects, counts)
	if err := r.budget.Reserve(need.total()); err != nil {
		return err
	}
	entries, err := a.reader.decodeChunk(m.objects)
	if err != nil {
		return resync("snapshot: %v", err)
	}
	a.entries = append(a.entries, entries...)
	a.contents += need.contents
	a.next++
	a.done = m.Last
	return nil
}

func (r *Receiver) receiveDelta(m *Delta) error {
	if r.flush.snapshot != nil || r.flush.delta.To != r.held.Seq {
		return resync("a delta behind a snapshot or another delta, before a bookmark")
	}
	if m.From != r.held.Seq || m.To < m.From {
		return resync("delta from %d to %d, held is %d", m.From, m.To, r.held.Seq)
	}
	need, err := m.memory()
	if err != nil {
		return resync("delta: %v", err)
	}
	if r.held.ObjectsEvicted() && !m.Empty() {
		need.temporary += objectsSize(r.held) + r.contents
	}
	if err := r.budget.Reserve(need.total()); err != nil {
		return err
	}
	if err := m.decode(); err != nil {
		return resync("%v", err)
	}
	upserts, err := m.upserts(r.held)
	if err != nil {
		return resync("delta: %v", err)
	}
	r.flush.delta.To, r.flush.delta.Upserts, r.flush.delta.Removes = m.To, upserts, m.Removes
	r.flush.contents = need.contents
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

func (r *Receiver) receiveBookmark(m *Bookmark, now time.Time) (*state.State, error) {
	held, hash, delta, contents := r.held, r.hash, r.flush.delta, r.contents+r.flush.contents
	if a := r.flush.snapshot; a != nil {
		held, hash, contents = &state.State{Epoch: r.held.Epoch}, 0, a.contents
		delta = state.Delta{Epoch: r.held.Epoch, Upserts: a.entries}
	}
	delta.To = m.Seq
	if m.Seq < r.flush.delta.To || r.flush.snapshot != nil && m.Seq < r.flush.snapshot.reader.seq {
		return nil, resync("bookmark %d is before what was sent", m.Seq)
	}
	delta.Usage = r.flush.usage
	delta.Sections = r.sections(m, now)
	next, err := state.Apply(held, delta)
	if err != nil {
		return nil, resync("%v", err)
	}
	hash = hash.Apply(held, delta)
	if next.Count() != m.Count || hash != m.Hash {
		return nil, resync("bookmark %d has %d objects with hash %x, held are %d with %x", m.Seq, m.Count, m.Hash, next.Count(), hash)
	}
	r.held, r.hash = next, hash
	r.updateContents(contents)
	r.resetFlush()
	return next, nil
}

// weigh notes what contents take. Deltas only add to it, as nobody knows which strings go
// with an object that is removed: where they have added a quarter, all objects are looked
// at.
func (r *Receiver) updateContents(contents int64) {
	const slack = 256 << 10
	switch {
	case r.flush.snapshot != nil:
		r.measured = contents
	case contents == r.contents:
		return
	case contents > r.measured+r.measured/4+slack:
		contents = measureContents(r.held)
		r.measured = contents
	}
	r.contents = contents
}

// sections are as the bookmark tells them, on the receiver's clock.
func (r *Receiver) sections(m *Bookmark, now time.Time) *[state.NumSections]state.Section {
	var sections [state.NumSections]state.Section
	for i := range sections {
		sections[i] = SectionFromAge(m.Ages[i], r.flush.errors[i], now)
	}
	return &sections
}

// SectionFromAge is a section of which the agent said how long ago it was observed, on
// the clock of who received that at now.
func SectionFromAge(age time.Duration, err state.SectionError, now time.Time) state.Section {
	s := state.Section{Error: err}
	if age >= 0 {
		s.ObservedAt = now.Add(-age)
	}
	return s
}

// String says where the Receiver stands, for logs.
func (r *Receiver) String() string {
	return fmt.Sprintf("epoch %x seq %d, %d objects", r.held.Epoch, r.held.Seq, r.held.Count())
}
