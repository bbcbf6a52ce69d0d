package prom

import (
	"sort"
	"sync"
	"time"

	"rollcall.dev/rollcall/master/session"
)

// maxSteps bounds what is kept of one cluster: some 8 KiB.
const maxSteps = 512

// Trail remembers which report of a session brought which seq. An object's Entry has the
// seq of its last change, so it has been as it is since the first report of that seq or a
// later one. It follows sessions; see session.Follower.
type Trail struct {
	window time.Duration

	mu       sync.RWMutex
	clusters map[string]*steps
}

// step is the first report of a seq, in Unix milliseconds.
type step struct {
	seq uint64
	at  int64
}

type steps struct {
	epoch uint64
	list  []step
	// ended says that the next report is another session's.
	ended bool
}

// NewTrail is a Trail that goes back so far.
func NewTrail(window time.Duration) *Trail {
	return &Trail{window: window, clusters: map[string]*steps{}}
}

// Follower has the trail follow sessions.
func (t *Trail) Follower() session.Follower {
	return session.Follower{Reported: func(v *session.Value, _ bool) { t.report(v) }, Ended: t.end, Forgotten: t.forget}
}

func (t *Trail) report(v *session.Value) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.clusters[v.Cluster]
	if s == nil || s.ended || s.epoch != v.State.Epoch {
		s = &steps{epoch: v.State.Epoch}
		t.clusters[v.Cluster] = s
	}
	s.add(step{v.State.Seq, v.ReceivedAt.UnixMilli()}, v.ReceivedAt.Add(-t.window).UnixMilli())
}

func (s *steps) add(next step, cutoff int64) {
	if n := len(s.list); n > 0 && s.list[n-1].seq >= next.seq {
		return
	}
	old := 0
	for old+1 < len(s.list) && (s.list[old+1].at <= cutoff || len(s.list)-old >= maxSteps) {
		old++
	}
	s.list = append(s.list[:copy(s.list, s.list[old:])], next)
}

func (t *Trail) end(cluster string, _ time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.clusters[cluster]; s != nil {
		s.ended = true
	}
}

func (t *Trail) forget(cluster string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.clusters, cluster)
}

// of is what is known of one cluster's reports, nil where that is nothing.
func (t *Trail) of(v *session.Value) []step {
	t.mu.RLock()
	defer t.mu.RUnlock()
	s := t.clusters[v.Cluster]
	if s == nil || v.State == nil || s.epoch != v.State.Epoch {
		return nil
	}
	return append([]step(nil), s.list...)
}

// since is since when an object of a seq has been as it is, in Unix milliseconds: at is
// where no report is known that brought it.
func since(trail []step, seq uint64, at int64) int64 {
	i := sort.Search(len(trail), func(i int) bool { return trail[i].seq >= seq })
	if i == len(trail) {
		return at
	}
	return min(trail[i].at, at)
}
