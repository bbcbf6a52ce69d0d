package history

import (
	"fmt"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Reader sees values of clusters.
type Reader struct {
	name    string
	history *History
	// seen are by cluster, in the order in which they were seen; history.mu guards it.
	seen map[string][]sighting
}

// sighting is a value as a reader saw it, once or several times in a row.
type sighting struct {
	term  uint64
	stamp stamp
	// state is nil where only a document was seen.
	state   *state.State
	content string
	by      string
	// proved are the instants at which it was proved, in the order in which it was seen.
	proved []time.Time
	// told are the instants at which the reader was told that it is not stale.
	told []time.Time
}

func (s sighting) version() string { return fmt.Sprintf("%d.%s", s.term, s.stamp) }

// Saw says that the reader got a value, and when that was proved: when the report
// came that said so (session.Value.ReceivedAt), or where that is not known, when it
// was seen.
func (r *Reader) Saw(cluster string, term uint64, s *state.State, at time.Time) {
	r.add(cluster, sighting{term: term, stamp: stamp{s.Epoch, s.Seq}, state: s, proved: []time.Time{at}})
}

// SawDocument is Saw for who gets text instead of a State: content is all of it that
// must not change under one resourceVersion.
func (r *Reader) SawDocument(cluster, resourceVersion, content string, at time.Time) {
	term, stamp, err := parseVersion(resourceVersion)
	if err != nil {
		r.history.mu.Lock()
		defer r.history.mu.Unlock()
		c := r.history.of(cluster)
		c.wrong = append(c.wrong, fmt.Sprintf("reader %s of cluster %s: %v", r.name, cluster, err))
		return
	}
	r.add(cluster, sighting{term: term, stamp: stamp, content: content, proved: []time.Time{at}})
}

// Told says that the reader was told at an instant whether what it saw last of a cluster
// is stale.
func (r *Reader) Told(cluster string, stale bool, at time.Time) {
	r.history.mu.Lock()
	defer r.history.mu.Unlock()
	seen := r.seen[cluster]
	if n := len(seen); n > 0 && !stale {
		seen[n-1].told = append(seen[n-1].told, at)
	}
}

func (r *Reader) add(cluster string, s sighting) {
	h := r.history
	h.mu.Lock()
	defer h.mu.Unlock()
	at := s.proved[0]
	h.note(at)
	s.by = r.name
	seen := r.seen[cluster]
	if n := len(seen); n > 0 {
		last := &seen[n-1]
		if last.term == s.term && last.stamp == s.stamp && last.state == s.state && last.content == s.content {
			if at.After(last.proved[len(last.proved)-1]) {
				last.proved = append(last.proved, at)
			}
			return
		}
	}
	r.seen[cluster] = append(seen, s)
}

// checkReader proves what one reader saw of one cluster; h.mu is held.
func (h *History) checkReader(r *Reader, c *cluster) (found []string) {
	seen := r.seen[c.name]
	for i, s := range seen {
		var wrong, wanted string
		if i > 0 {
			wrong, wanted = follows(seen[i-1], s)
		}
		if wrong == "" && i > 0 {
			wrong, wanted = c.ages(seen[i-1], s)
		}
		if wrong == "" {
			wrong, wanted = c.proves(s)
		}
		if wrong == "" {
			wrong, wanted = c.outdated(s)
		}
		if wrong != "" {
			found = append(found, h.story(r, c, seen, i, wrong, wanted))
		}
	}
	return found
}

// follows says what is wrong with seeing next after prev.
func follows(prev, next sighting) (wrong, wanted string) {
	switch {
	case next.term < prev.term, next.term == prev.term && next.stamp.epoch == prev.stamp.epoch && next.stamp.seq < prev.stamp.seq:
		return "the version goes back", prev.version() + " or later"
	case next.term == prev.term && next.stamp.epoch != prev.stamp.epoch:
		return "one term has two epochs", fmt.Sprintf("epoch %x, or a higher term", prev.stamp.epoch)
	}
	return "", ""
}

// ages says what is wrong with the content of next after that of prev, whose version is
// lower.
func (c *cluster) ages(prev, next sighting) (wrong, wanted string) {
	before, known := c.byStamp[prev.stamp]
	now, alsoKnown := c.byStamp[next.stamp]
	if !c.ordered || !known || !alsoKnown || now >= before || c.excuses(prev, next) {
		return "", ""
	}
	return fmt.Sprintf("a newer version has older content: the cluster was at %s before it was at %s", next.stamp, prev.stamp),
		prev.stamp.String() + " or later"
}

// excuses reports whether a fault came between two sightings behind which older content
// is expected. When the next was seen is not known (it may have been proved long before),
// but a fault that excuses it brings another term.
func (c *cluster) excuses(prev, next sighting) bool {
	return next.term > prev.term && slices.ContainsFunc(c.faults, func(f fault) bool {
		return !f.at.Before(prev.proved[len(prev.proved)-1]) && slices.Contains(c.excused, f.what)
	})
}

// outdated says what is wrong with what the reader was told of a value's freshness.
func (c *cluster) outdated(s sighting) (wrong, wanted string) {
	i, known := c.byStamp[s.stamp]
	if c.fresh == 0 || !known || i+1 >= len(c.truths) {
		return "", ""
	}
	next := c.truths[i+1]
	for _, at := range s.told {
		if age := at.Sub(next.at); age > c.fresh {
			return fmt.Sprintf("it is told not to be stale %s after the cluster was another", age), fmt.Sprintf("stale, or %s at least", next.stamp())
		}
	}
	return "", ""
}

// proves holds a value against what the cluster was.
func (c *cluster) proves(s sighting) (wrong, wanted string) {
	if s.state == nil {
		return c.provesDocument(s)
	}
	if len(c.truths) == 0 {
		return "", ""
	}
	i, known := c.byStamp[s.stamp]
	if !known {
		return "the cluster never was so", c.near(s.stamp)
	}
	// Values of one stamp share most of their memory, so it is cheap to compare them.
	if p := c.proven[s.stamp]; p != nil && (p == s.state || len(Differences(s.state, p)) == 0) {
		return "", ""
	}
	differences := Differences(s.state, c.truths[i].state)
	if len(differences) == 0 {
		c.proven[s.stamp] = s.state
		return "", ""
	}
	wrong = fmt.Sprintf("it is not what the cluster was:%s", indented(differences))
	return wrong, "all as it was at " + s.stamp.String() + c.origins(s.state, c.truths[i].state)
}

// provesDocument holds a document against the first that was seen of that version.
func (c *cluster) provesDocument(s sighting) (wrong, wanted string) {
	first, known := c.documents[s.stamp]
	if !known {
		c.documents[s.stamp] = s
		return "", ""
	}
	if first.content == s.content {
		return "", ""
	}
	at := firstDifference(first.content, s.content)
	return fmt.Sprintf("version %s has two contents, here …%s…", s.stamp, around(s.content, at)),
		fmt.Sprintf("…%s…, as reader %s saw it", around(first.content, at), first.by)
}
