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
	start    time.Time // time of the first record; times are printed relative to it
	clusters map[string]*cluster
	readers  []*Reader
	streams  []*Stream
}

// cluster is the record of one cluster.
type cluster struct {
	name string
	// states has the states of the cluster, in order; byRevision has their indexes.
	states     []recordedState
	byRevision map[revision]int
	faults     []fault
	// healingTimeout is the maximum duration of healing; 0 disables the check.
	healingTimeout time.Duration
	// maxFreshAge is the maximum age of a value that is reported as fresh; 0 disables the check.
	maxFreshAge time.Duration
	// ordered enables the check that a newer version has no older content.
	ordered bool
	// violations has the violations in the recorded states and versions.
	violations []string
	// documents has the first observation of a document for each revision. verified has the
	// States that were found to be correct.
	documents map[revision]observation
	verified  map[revision]*state.State
}

// revision identifies a state of a cluster.
type revision struct{ epoch, seq uint64 }

// String returns the revision as <epoch>-<seq>.
func (s revision) String() string { return fmt.Sprintf("%x-%d", s.epoch, s.seq) }

// recordedState is a state of a cluster and the time at which it started.
type recordedState struct {
	state *state.State
	at    time.Time
}

// revision returns the revision of the state.
func (t recordedState) revision() revision { return revision{t.state.Epoch, t.state.Seq} }

// fault is a fault or another event of the run.
type fault struct {
	what string
	at   time.Time
	// annotation is true if the fault is printed, but does not have to heal.
	annotation bool
}

// New returns an empty record. Check reports its violations to t.
func New(t testing.TB) *History { return &History{t: t, clusters: map[string]*cluster{}} }

// clusterRecord returns the record of a cluster. The caller must hold h.mu.
func (h *History) clusterRecord(name string) *cluster {
	c := h.clusters[name]
	if c == nil {
		c = &cluster{name: name, byRevision: map[revision]int{}, documents: map[revision]observation{}, verified: map[revision]*state.State{}}
		h.clusters[name] = c
	}
	return c
}

// updateStart updates the time of the first record. The caller must hold h.mu.
func (h *History) updateStart(at time.Time) {
	if h.start.IsZero() || at.Before(h.start) {
		h.start = at
	}
}

// RecordState records the state that a cluster has from an instant on, under the epoch and
// seq of its agent. Every state that an agent could have sent has to be recorded, in order.
// Without recorded states only the order of what readers see is checked. The State must not
// be modified afterwards.
func (h *History) RecordState(name string, s *state.State, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.updateStart(at)
	c := h.clusterRecord(name)
	t := recordedState{s, at}
	if i, known := c.byRevision[t.revision()]; known {
		if d := Differences(s, c.states[i].state); len(d) > 0 {
			c.violations = append(c.violations, fmt.Sprintf("cluster %s: the agent has two states at %s:%s", name, t.revision(), indented(d)))
		}
		return
	}
	if n := len(c.states); n > 0 && c.states[n-1].state.Epoch == s.Epoch && c.states[n-1].state.Seq > s.Seq {
		c.violations = append(c.violations, fmt.Sprintf("cluster %s: the agent went from %s back to %s", name, c.states[n-1].revision(), t.revision()))
	}
	c.byRevision[t.revision()] = len(c.states)
	c.states = append(c.states, t)
}

// Fault records a fault and the time at which it was over. From that time on nothing prevents healing.
func (h *History) Fault(name, what string, at time.Time) {
	h.addFault(name, fault{what: what, at: at})
}

// Annotate records a fault that does not have to heal in time, since another fault follows immediately or
// it is detected late. It is printed with violations.
func (h *History) Annotate(name, what string, at time.Time) {
	h.addFault(name, fault{what: what, at: at, annotation: true})
}

// addFault appends a fault to the record of a cluster.
func (h *History) addFault(name string, f fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.updateStart(f.at)
	c := h.clusterRecord(name)
	c.faults = append(c.faults, f)
}

// RequireHealing makes Check require that after each fault a reader sees a value that was confirmed within the given
// time, unless another fault follows within that time. Some reader must read more often than that at all times.
func (h *History) RequireHealing(name string, within time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clusterRecord(name).healingTimeout = within
}

// RequireFreshness makes Check require that no value is reported as not stale (Reader.RecordFreshness)
// for longer than within after the cluster has changed: the TTL, and the time until the
// next report.
func (h *History) RequireFreshness(name string, within time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clusterRecord(name).maxFreshAge = within
}

// RequireOrder makes Check require that a newer version never has older content, so that readers
// can order values by resourceVersion.
func (h *History) RequireOrder(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clusterRecord(name).ordered = true
}

// Reader returns a new reader of whole values. The name is used in messages.
func (h *History) Reader(name string) *Reader {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &Reader{name: name, history: h, observations: map[string][]observation{}}
	h.readers = append(h.readers, r)
	return r
}

// Stream returns a new reader of the events of one cluster. render returns the objects that
// such a reader must have at a State, as JSON by key. If it is nil, Check checks the order of the
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
		add(c.violations)
		add(h.unhealed(c))
	}
	for _, r := range h.readers {
		for _, name := range sortedKeys(r.observations) {
			add(h.checkReader(r, h.clusterRecord(name)))
		}
	}
	for _, s := range h.streams {
		add(h.checkStream(s))
	}
	return all
}
