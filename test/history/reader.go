package history

import (
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Reader records the values that one reader sees.
type Reader struct {
	name    string
	history *History
	// observations has the observations by cluster, in order. history.mu guards it.
	observations map[string][]observation
}

// observation is a value that a reader saw, once or several times in a row.
type observation struct {
	term     uint64
	revision revision
	// state is nil if content is set.
	state   *state.State
	content string
	reader  string // name of the reader
	// confirmed has the times at which the value was confirmed, in the order of the reader.
	confirmed []time.Time
	// reportedFresh has the times at which the value was reported as not stale.
	reportedFresh []time.Time
}

// version returns the resourceVersion.
func (s observation) version() string { return fmt.Sprintf("%d.%s", s.term, s.revision) }

// RecordValue records a value that the reader saw, and the time at which it was confirmed: when its report was
// received (session.Report.ReceivedAt) or, if that is unknown, when the reader saw it.
func (r *Reader) RecordValue(cluster string, term uint64, s *state.State, at time.Time) {
	r.add(cluster, observation{term: term, revision: revision{s.Epoch, s.Seq}, state: s, confirmed: []time.Time{at}})
}

// RecordDocument records a document that a reader of text saw. content is the part of the document that must
// not change under one resourceVersion.
func (r *Reader) RecordDocument(cluster, resourceVersion, content string, at time.Time) {
	term, revision, err := parseVersion(resourceVersion)
	if err != nil {
		r.history.mu.Lock()
		defer r.history.mu.Unlock()
		c := r.history.clusterRecord(cluster)
		c.violations = append(c.violations, fmt.Sprintf("reader %s of cluster %s: %v", r.name, cluster, err))
		return
	}
	r.add(cluster, observation{term: term, revision: revision, content: content, confirmed: []time.Time{at}})
}

// RecordFreshness records whether the reader's last value was reported as stale.
func (r *Reader) RecordFreshness(cluster string, stale bool, at time.Time) {
	r.history.mu.Lock()
	defer r.history.mu.Unlock()
	observations := r.observations[cluster]
	if n := len(observations); n > 0 && !stale {
		observations[n-1].reportedFresh = append(observations[n-1].reportedFresh, at)
	}
}

// add appends an observation, or adds its time to the last one if that is equal.
func (r *Reader) add(cluster string, s observation) {
	h := r.history
	h.mu.Lock()
	defer h.mu.Unlock()
	at := s.confirmed[0]
	h.updateStart(at)
	s.reader = r.name
	observations := r.observations[cluster]
	if n := len(observations); n > 0 {
		last := &observations[n-1]
		if last.term == s.term && last.revision == s.revision && last.state == s.state && last.content == s.content {
			if at.After(last.confirmed[len(last.confirmed)-1]) {
				last.confirmed = append(last.confirmed, at)
			}
			return
		}
	}
	r.observations[cluster] = append(observations, s)
}

// checkReader checks the observations of one cluster by one reader. The caller must hold h.mu.
func (h *History) checkReader(r *Reader, c *cluster) (found []string) {
	observations := r.observations[c.name]
	for i, s := range observations {
		var wrong, wanted string
		if i > 0 {
			wrong, wanted = checkOrder(observations[i-1], s)
		}
		if wrong == "" && i > 0 {
			wrong, wanted = c.checkContentOrder(observations[i-1], s)
		}
		if wrong == "" {
			wrong, wanted = c.checkContent(s)
		}
		if wrong == "" {
			wrong, wanted = c.checkFreshness(s)
		}
		if wrong != "" {
			found = append(found, h.describe(r, c, observations, i, wrong, wanted))
		}
	}
	return found
}

// checkOrder checks the version of next, which was seen after prev.
func checkOrder(prev, next observation) (wrong, wanted string) {
	switch {
	case next.term < prev.term, next.term == prev.term && next.revision.epoch == prev.revision.epoch && next.revision.seq < prev.revision.seq:
		return "the version goes back", prev.version() + " or later"
	case next.term == prev.term && next.revision.epoch != prev.revision.epoch:
		return "one term has two epochs", fmt.Sprintf("epoch %x, or a higher term", prev.revision.epoch)
	}
	return "", ""
}

// checkContentOrder checks that the content of next is not older than that of prev, whose
// version is lower.
func (c *cluster) checkContentOrder(prev, next observation) (wrong, wanted string) {
	before, known := c.byRevision[prev.revision]
	now, alsoKnown := c.byRevision[next.revision]
	if !c.ordered || !known || !alsoKnown || now >= before {
		return "", ""
	}
	return fmt.Sprintf("a newer version has older content: the cluster was at %s before it was at %s", next.revision, prev.revision),
		prev.revision.String() + " or later"
}

// checkFreshness checks the freshness that was reported for a value.
func (c *cluster) checkFreshness(s observation) (wrong, wanted string) {
	i, known := c.byRevision[s.revision]
	if c.maxFreshAge == 0 || !known || i+1 >= len(c.states) {
		return "", ""
	}
	next := c.states[i+1]
	for _, at := range s.reportedFresh {
		if age := at.Sub(next.at); age > c.maxFreshAge {
			return fmt.Sprintf("it was reported as fresh %s after the cluster had changed", age), fmt.Sprintf("stale, or %s or later", next.revision())
		}
	}
	return "", ""
}

// checkContent compares a value with the state of the cluster.
func (c *cluster) checkContent(s observation) (wrong, wanted string) {
	if s.state == nil {
		return c.checkDocument(s)
	}
	if len(c.states) == 0 {
		return "", ""
	}
	i, known := c.byRevision[s.revision]
	if !known {
		return "the cluster never had this revision", c.nearestRevisions(s.revision)
	}
	// Values of one revision share most of their memory, so that comparing them is cheap.
	if p := c.verified[s.revision]; p != nil && (p == s.state || len(Differences(s.state, p)) == 0) {
		return "", ""
	}
	differences := Differences(s.state, c.states[i].state)
	if len(differences) == 0 {
		c.verified[s.revision] = s.state
		return "", ""
	}
	wrong = fmt.Sprintf("it differs from the state of the cluster:%s", indented(differences))
	return wrong, "the state at " + s.revision.String() + c.origin(s.state, c.states[i].state)
}

// checkDocument compares a document with the first one of that revision.
func (c *cluster) checkDocument(s observation) (wrong, wanted string) {
	first, known := c.documents[s.revision]
	if !known {
		c.documents[s.revision] = s
		return "", ""
	}
	if first.content == s.content {
		return "", ""
	}
	at := firstDifference(first.content, s.content)
	return fmt.Sprintf("version %s has two contents, here …%s…", s.revision, around(s.content, at)),
		fmt.Sprintf("…%s…, seen by reader %s", around(first.content, at), first.reader)
}
