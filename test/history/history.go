package history

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// History is the record of one run. It is safe for concurrent use.
type History struct {
	t testing.TB

	mu       sync.Mutex
	began    time.Time // time of the first record; times are printed relative to it
	clusters map[string]*cluster
	readers  []*Reader
	streams  []*Stream
}

// cluster is the record of one cluster.
type cluster struct {
	name string
	// states are the states of the cluster, in order; byRevision has their indexes.
	states     []recordedState
	byRevision map[revision]int
	faults     []fault
	// within is the maximum duration of healing; 0 disables the check.
	within time.Duration
	// fresh is the maximum age of a value that is reported as fresh; 0 disables the check.
	fresh time.Duration
	// ordered enables the check that a newer version has no older content. The faults in
	// excused are exceptions.
	ordered bool
	excused []string
	// wrong are violations in the recorded states.
	wrong []string
	// documents are the first observation of a document for each revision. verified are the
	// States that were found to be correct.
	documents map[revision]observation
	verified  map[revision]*state.State
}

// revision identifies a state of a cluster.
type revision struct{ epoch, seq uint64 }

func (s revision) String() string { return fmt.Sprintf("%x-%d", s.epoch, s.seq) }

type recordedState struct {
	state *state.State
	at    time.Time
}

func (t recordedState) revision() revision { return revision{t.state.Epoch, t.state.Seq} }

type fault struct {
	what string
	at   time.Time
	// noted is true if the fault is printed, but need not be healed.
	noted bool
}

// New returns an empty record. Check reports its violations to t.
func New(t testing.TB) *History { return &History{t: t, clusters: map[string]*cluster{}} }

// of returns the record of a cluster. The caller must hold h.mu.
func (h *History) of(name string) *cluster {
	c := h.clusters[name]
	if c == nil {
		c = &cluster{name: name, byRevision: map[revision]int{}, documents: map[revision]observation{}, verified: map[revision]*state.State{}}
		h.clusters[name] = c
	}
	return c
}

// note updates the time of the first record. The caller must hold h.mu.
func (h *History) note(at time.Time) {
	if h.began.IsZero() || at.Before(h.began) {
		h.began = at
	}
}

// RecordState records the state that a cluster has from an instant on, under the epoch and
// seq of its agent. Every state that an agent could have sent has to be recorded, in order.
// Without recorded states only the order of what readers see is checked. The State must not
// be modified afterwards.
func (h *History) RecordState(name string, s *state.State, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.note(at)
	c := h.of(name)
	t := recordedState{s, at}
	if i, known := c.byRevision[t.revision()]; known {
		if d := Differences(s, c.states[i].state); len(d) > 0 {
			c.wrong = append(c.wrong, fmt.Sprintf("cluster %s: the agent gave %s to two states:%s", name, t.revision(), indented(d)))
		}
		return
	}
	if n := len(c.states); n > 0 && c.states[n-1].state.Epoch == s.Epoch && c.states[n-1].state.Seq > s.Seq {
		c.wrong = append(c.wrong, fmt.Sprintf("cluster %s: the agent went from %s back to %s", name, c.states[n-1].revision(), t.revision()))
	}
	c.byRevision[t.revision()] = len(c.states)
	c.states = append(c.states, t)
}

// Fault records a fault, and when it was over: from that time on nothing prevents healing.
func (h *History) Fault(name, what string, at time.Time) {
	h.addFault(name, fault{what: what, at: at})
}

// Note records a fault that need not heal in time, since another fault follows at once or
// it is not detected soon. It is printed with violations.
func (h *History) Note(name, what string, at time.Time) {
	h.addFault(name, fault{what: what, at: at, noted: true})
}

func (h *History) addFault(name string, f fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.note(f.at)
	c := h.of(name)
	c.faults = append(c.faults, f)
}

// Heals makes Check require that after each fault (that no other follows within that time)
// a reader sees a value that was confirmed in time. Some reader must read more often than
// that at all times.
func (h *History) Heals(name string, within time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of(name).within = within
}

// Fresh makes Check require that no value is reported as not stale (Reader.SawFreshness)
// for longer than within after the cluster has changed: the TTL, and the time until the
// next report.
func (h *History) Fresh(name string, within time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of(name).fresh = within
}

// Ordered makes Check require that a newer version never has older content, so that readers
// can order values by resourceVersion. After a fault named in except, a reader may see older
// content once, under a new term.
func (h *History) Ordered(name string, except ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.of(name)
	c.ordered, c.excused = true, except
}

// Reader returns a new reader of whole values. The name is used in messages.
func (h *History) Reader(name string) *Reader {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &Reader{name: name, history: h, seen: map[string][]observation{}}
	h.readers = append(h.readers, r)
	return r
}

// Stream returns a new reader of the events of one cluster. render returns the objects that
// such a reader has at a State, as JSON by key. If it is nil, Check checks the order of the
// versions and the events of each key, but not whether all objects are present.
func (h *History) Stream(name, cluster string, render func(*state.State) map[string]string) *Stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &Stream{name: name, cluster: cluster, history: h, render: render}
	h.streams = append(h.streams, s)
	return s
}

// Check fails the test for every violation in the record.
func (h *History) Check() {
	h.t.Helper()
	for _, v := range h.Violations() {
		h.t.Error(v)
	}
}

// maxViolations is the maximum number of reported violations of one reader or cluster, since
// one causes others.
const maxViolations = 5

// Violations returns a description of each violation.
func (h *History) Violations() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	add := func(found []string) {
		if more := len(found) - maxViolations; more > 0 {
			found = append(found[:maxViolations:maxViolations], fmt.Sprintf("… and %d more", more))
		}
		all = append(all, found...)
	}
	for _, c := range sorted(h.clusters) {
		slices.SortStableFunc(c.faults, func(a, b fault) int { return a.at.Compare(b.at) })
		add(c.wrong)
		add(h.unhealed(c))
	}
	for _, r := range h.readers {
		for _, name := range sortedKeys(r.seen) {
			add(h.checkReader(r, h.of(name)))
		}
	}
	for _, s := range h.streams {
		add(h.checkStream(s))
	}
	return all
}
