package samples

import (
	"slices"
	"sort"
	"sync"
	"time"

	"rollcall.dev/rollcall/master/session"
)

// maxRevisions limits the revisions that are kept of one cluster, to about 8 KiB.
const maxRevisions = 512

// RevisionTimes remembers when each seq was first reported in the current session of a cluster.
// The Entry of an object has the seq of its last change, so the object is unchanged since the
// first report with that seq or a later one. EventHandler returns the callbacks that feed it.
type RevisionTimes struct {
	window time.Duration

	mu       sync.RWMutex
	clusters map[string]*clusterRevisions
}

// revision is the first report with a seq, at a time in Unix milliseconds.
type revision struct {
	seq uint64
	at  int64
}

type clusterRevisions struct {
	epoch     uint64
	revisions []revision
	// ended means that the next report belongs to another session.
	ended bool
}

// NewRevisionTimes returns a RevisionTimes that keeps revisions for the given time.
func NewRevisionTimes(window time.Duration) *RevisionTimes {
	return &RevisionTimes{window: window, clusters: map[string]*clusterRevisions{}}
}

// EventHandler returns the callbacks that record reports.
func (r *RevisionTimes) EventHandler() session.EventHandler {
	return session.EventHandler{OnReport: func(v *session.Report, _ bool) { r.report(v) }, OnSessionEnd: r.end, OnClusterRemoved: r.forget}
}

func (r *RevisionTimes) report(v *session.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.clusters[v.Cluster]
	if s == nil || s.ended || s.epoch != v.Epoch {
		s = &clusterRevisions{epoch: v.Epoch}
		r.clusters[v.Cluster] = s
	}
	s.add(revision{v.Seq, v.ReceivedAt.UnixMilli()}, v.ReceivedAt.Add(-r.window).UnixMilli())
}

func (s *clusterRevisions) add(next revision, cutoff int64) {
	if n := len(s.revisions); n > 0 && s.revisions[n-1].seq >= next.seq {
		return
	}
	old := 0
	for old+1 < len(s.revisions) && (s.revisions[old+1].at <= cutoff || len(s.revisions)-old >= maxRevisions) {
		old++
	}
	s.revisions = append(s.revisions[:copy(s.revisions, s.revisions[old:])], next)
}

func (r *RevisionTimes) end(cluster string, _ time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.clusters[cluster]; s != nil {
		s.ended = true
	}
}

func (r *RevisionTimes) forget(cluster string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.clusters, cluster)
}

// Changes is a copy of the revisions of the session of a report, the oldest first.
type Changes []revision

// Changes returns the revisions of the session that v belongs to.
func (r *RevisionTimes) Changes(v *session.Report) Changes {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.clusters[v.Cluster]
	if s == nil || !v.HasState() || s.epoch != v.Epoch {
		return nil
	}
	return slices.Clone(Changes(s.revisions))
}

// changedAt returns when an object with a seq last changed, in Unix milliseconds. It returns
// at, the time of the report, if no revision includes that seq.
func changedAt(revisions Changes, seq uint64, at int64) int64 {
	i := sort.Search(len(revisions), func(i int) bool { return revisions[i].seq >= seq })
	if i == len(revisions) {
		return at
	}
	return min(revisions[i].at, at)
}
