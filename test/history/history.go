package history

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// History is the record of one run. All methods are for any goroutine.
type History struct {
	t testing.TB

	mu       sync.Mutex
	began    time.Time // of the first record; times are told relative to it
	clusters map[string]*cluster
	readers  []*Reader
	streams  []*Stream
}

// cluster is what really happened to one cluster.
type cluster struct {
	name string
	// truths are in the order in which they came true; byStamp finds them.
	truths  []truth
	byStamp map[stamp]int
	faults  []fault
	// within is how long healing may take; 0: it is not looked at.
	within time.Duration
	// fresh is how old what is told to be fresh may be; 0: it is not looked at.
	fresh time.Duration
	// ordered: a newer version has no older content, but for readers who were there at a
	// fault whose words are in excused.
	ordered bool
	excused []string
	// wrong are violations within the record of the truth itself.
	wrong []string
	// documents are what was seen as text under a stamp, by whom first; proven are the
	// States that were found to be true.
	documents map[stamp]sighting
	proven    map[stamp]*state.State
}

// stamp names a state of a cluster.
type stamp struct{ epoch, seq uint64 }

func (s stamp) String() string { return fmt.Sprintf("%x-%d", s.epoch, s.seq) }

type truth struct {
	state *state.State
	at    time.Time
}

func (t truth) stamp() stamp { return stamp{t.state.Epoch, t.state.Seq} }

type fault struct {
	what string
	at   time.Time
	// noted: it is told, but need not be healed.
	noted bool
}

// New is an empty record that Check tells t of.
func New(t testing.TB) *History { return &History{t: t, clusters: map[string]*cluster{}} }

// of is the record of a cluster; h.mu is held.
func (h *History) of(name string) *cluster {
	c := h.clusters[name]
	if c == nil {
		c = &cluster{name: name, byStamp: map[stamp]int{}, documents: map[stamp]sighting{}, proven: map[stamp]*state.State{}}
		h.clusters[name] = c
	}
	return c
}

// note begins the run's time with the first record; h.mu is held.
func (h *History) note(at time.Time) {
	if h.began.IsZero() || at.Before(h.began) {
		h.began = at
	}
}

// Truth says what a cluster really became, and when, under the epoch and seq that its
// agent gave it. It has to be told of every state that an agent could have sent, in
// order; where nothing is told of a cluster, only the order of what readers see is
// looked at. The State must not be changed afterwards.
func (h *History) Truth(name string, s *state.State, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.note(at)
	c := h.of(name)
	t := truth{s, at}
	if i, known := c.byStamp[t.stamp()]; known {
		if d := Differences(s, c.truths[i].state); len(d) > 0 {
			c.wrong = append(c.wrong, fmt.Sprintf("cluster %s: the agent gave %s to two states:%s", name, t.stamp(), indented(d)))
		}
		return
	}
	if n := len(c.truths); n > 0 && c.truths[n-1].state.Epoch == s.Epoch && c.truths[n-1].state.Seq > s.Seq {
		c.wrong = append(c.wrong, fmt.Sprintf("cluster %s: the agent went from %s back to %s", name, c.truths[n-1].stamp(), t.stamp()))
	}
	c.byStamp[t.stamp()] = len(c.truths)
	c.truths = append(c.truths, t)
}

// Fault says that something was broken, and when that was over: the instant from
// which nothing stood in the way any more.
func (h *History) Fault(name, what string, at time.Time) {
	h.addFault(name, fault{what: what, at: at})
}

// Note is Fault for what need not heal in time, as the next fault follows at once, or
// nobody can notice it before long. It is told beside what goes wrong.
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

// Heals has Check want that after each fault (that no other follows within that time)
// some reader sees a value that was proved in time. At all times somebody must be
// reading more often than that.
func (h *History) Heals(name string, within time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of(name).within = within
}

// Fresh has Check want that nobody is told that a value is not stale (Reader.Told) when
// the cluster has been another for longer than that: the TTL, and the time until the next
// report would have said so.
func (h *History) Fresh(name string, within time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of(name).fresh = within
}

// Ordered has Check want that a newer version never has older content, so that a reader
// may order what it sees by resourceVersion alone. Faults told with one of the words of
// except are expected to break that: a reader who was there at such a fault may see older
// content once, under a new term.
func (h *History) Ordered(name string, except ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.of(name)
	c.ordered, c.excused = true, except
}

// Reader is somebody who sees whole values. Names are for the messages.
func (h *History) Reader(name string) *Reader {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &Reader{name: name, history: h, seen: map[string][]sighting{}}
	h.readers = append(h.readers, r)
	return r
}

// Stream is somebody who reads events of one cluster. Render gives what such a reader
// holds, by key and as JSON, when it has seen all up to a State; nil: the order of versions
// and of what becomes of each key is looked at, and not whether it is all there is.
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

// maxViolations is how many are told of one reader or cluster: they follow from each
// other.
const maxViolations = 5

// Violations are what is wrong in the record, a story each.
func (h *History) Violations() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	add := func(found []string) {
		if more := len(found) - maxViolations; more > 0 {
			found = append(found[:maxViolations:maxViolations], fmt.Sprintf("… and %d more like that", more))
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
