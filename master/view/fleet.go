package view

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"
)

// fleetPeriod is how often the clusters are compared with what was told of them: no
// cluster is told of more often.
const fleetPeriod = time.Second

// Fleet is what changed lately of the registered clusters, for all who watch them on
// one stream. As with a Log, who wants to know puts in what there is now.
//
// Who sees all clusters is told versions that count the changes. Who sees some is told a
// version that is made of the last change of these by a secret: it says nothing of what
// happens in others, not even how often.
type Fleet struct {
	id     string
	secret [sha256.Size]byte

	mu      sync.Mutex
	looked  time.Time
	told    map[string]*Cluster
	changed map[string]Cursor // the place behind the last change of each that is told
	changes ring[*fleetChange]
	news    chan struct{} // closed, and made anew, with each change
}

// NewFleet is a Fleet that knows no cluster yet.
func NewFleet() *Fleet {
	f := &Fleet{told: map[string]*Cluster{}, changed: map[string]Cursor{}, news: make(chan struct{})}
	var id [8]byte
	_, _ = rand.Read(id[:])
	_, _ = rand.Read(f.secret[:])
	f.id = hex.EncodeToString(id[:])
	return f
}

// fleetChange is what changed at one look: clusters before and after, by name.
type fleetChange struct {
	from, to string
	before   map[string]*Cluster
	after    map[string]*Cluster

	once  sync.Once
	lines []byte
	err   error
	sent  []byte // as ServerSent
}

const listedBytes = 2 << 10

func (c *fleetChange) size() int64 {
	return int64(len(c.before)+len(c.after)) * listedBytes
}

// sees says which clusters a watch of the fleet is told of; nil: all.
type sees func(c *Cluster) bool

// Advance has list look at all clusters, unless that was done within the last second.
// It gives when to look again, and a channel that is closed when there is a change.
func (f *Fleet) Advance(now time.Time, list func() []Cluster) (again time.Time, news <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if again := f.looked.Add(fleetPeriod); now.Before(again) {
		return again, f.news
	}
	f.looked = now
	c := &fleetChange{before: map[string]*Cluster{}, after: map[string]*Cluster{}}
	present := map[string]bool{}
	for _, cluster := range list() {
		present[cluster.Name] = true
		f.compare(c, cluster.shown())
	}
	for name, held := range f.told {
		if !present[name] {
			c.before[name] = held
			delete(f.told, name)
			delete(f.changed, name)
		}
	}
	if len(c.before)+len(c.after) > 0 {
		c.from = f.version(f.changes.next)
		c.to = f.version(f.changes.next + 1)
		f.changes.append(c, now)
		for name := range c.after {
			f.changed[name] = f.changes.next
		}
		close(f.news)
		f.news = make(chan struct{})
	}
	f.changes.trim(now, maxKept)
	return now.Add(fleetPeriod), f.news
}

// compare takes in one cluster, if there is something new to tell of it.
func (f *Fleet) compare(c *fleetChange, cluster Cluster) {
	held := f.told[cluster.Name]
	if held != nil && reflect.DeepEqual(held.lasting(), cluster.lasting()) {
		return
	}
	if held != nil {
		c.before[cluster.Name] = held
	}
	c.after[cluster.Name], f.told[cluster.Name] = &cluster, &cluster
}

// lasting is a cluster without what moves with each report.
func (c Cluster) lasting() Cluster {
	c.ResourceVersion, c.ObservedAt, c.ReceivedAt = "", time.Time{}, time.Time{}
	return c
}

// Initial are the events that lead from nothing to the present, with the BOOKMARK that
// ends them, and the place behind it.
func (f *Fleet) Initial(sight FleetSight, framing Framing) ([]byte, FleetCursor, error) {
	f.mu.Lock()
	c, held := f.nowLocked(sight), maps.Clone(f.told)
	f.mu.Unlock()
	version := f.versionAt(c)
	events, err := clusterEvents(nil, held, sight.sees())
	if err != nil {
		return nil, c, err
	}
	var bookmark bytes.Buffer
	if err := appendJSON(&bookmark, fleetBookmark{version, initialEventsEnd}); err != nil {
		return nil, c, err
	}
	events = append(events, event{kind: "BOOKMARK", object: bookmark.Bytes()})
	return framedFleet(encodeEvents(events, Beginning, version), framing, Beginning, version), c, nil
}

// fleetBookmark is the object of a BOOKMARK on the fleet's stream.
type fleetBookmark struct {
	ResourceVersion string            `json:"resourceVersion"`
	Annotations     map[string]string `json:"annotations,omitempty"`
}

// Bookmark is the BOOKMARK of a place.
func (f *Fleet) Bookmark(c FleetCursor, framing Framing) ([]byte, error) {
	version := f.versionAt(c)
	var bookmark bytes.Buffer
	if err := appendJSON(&bookmark, fleetBookmark{ResourceVersion: version}); err != nil {
		return nil, err
	}
	return framedFleet(appendEvent(nil, event{kind: "BOOKMARK", object: bookmark.Bytes()}, version), framing, version, version), nil
}

// framedFleet: the fleet's own events do not tell whose they are.
func framedFleet(lines []byte, f Framing, from, to string) []byte {
	if f == FleetServerSent {
		return frame(lines, ServerSent, "", from, to)
	}
	return lines
}

// Read are the events of the change at a place, as Log.Read has them. Who sees all
// shares the bytes.
func (f *Fleet) Read(c FleetCursor, sight FleetSight, framing Framing) ([]byte, FleetCursor, error) {
	f.mu.Lock()
	change, ok, err := f.changes.at(c.next)
	f.mu.Unlock()
	if err != nil || !ok {
		return nil, c, err
	}
	return f.tell(change, c, sight, framing)
}

// tell returns the events of the change at a place, and the place behind it.
func (f *Fleet) tell(change *fleetChange, c FleetCursor, sight FleetSight, framing Framing) ([]byte, FleetCursor, error) {
	from := c
	c.next++
	if !c.some {
		lines, err := change.encode(sight.sees(), framing)
		return lines, c, err
	}
	if !change.of(sight) {
		return nil, c, nil
	}
	c.told = c.next
	events, err := clusterEvents(change.before, change.after, sight.sees())
	if err != nil {
		return nil, c, err
	}
	before, behind := f.versionAt(from), f.versionAt(c)
	return framedFleet(encodeEvents(events, before, behind), framing, before, behind), c, nil
}

// of says that a change is of a cluster that the caller may see.
func (c *fleetChange) of(sight FleetSight) bool {
	for _, some := range [...]map[string]*Cluster{c.before, c.after} {
		for name := range some {
			if sight.visible(name) {
				return true
			}
		}
	}
	return false
}

func (c *fleetChange) encode(sees sees, f Framing) ([]byte, error) {
	if sees != nil {
		events, err := clusterEvents(c.before, c.after, sees)
		return framedFleet(encodeEvents(events, c.from, c.to), f, c.from, c.to), err
	}
	c.once.Do(func() {
		var events []event
		events, c.err = clusterEvents(c.before, c.after, nil)
		c.lines = encodeEvents(events, c.from, c.to)
		c.sent = framedFleet(c.lines, FleetServerSent, c.from, c.to)
	})
	if f == FleetServerSent {
		return c.sent, c.err
	}
	return c.lines, c.err
}

// Turn returns the events for somebody at a place who sees other clusters than before:
// those of the changes that are still to be told, by what was seen before, and then the
// clusters that came into sight or went out of it, which carry no version of their own.
// It also returns the place behind them all. What is in sight now must not be told at an
// earlier place: the changes up to now would be told again by what is seen after.
func (f *Fleet) Turn(c FleetCursor, before, after FleetSight, framing Framing) ([]byte, FleetCursor, error) {
	f.mu.Lock()
	var pending []*fleetChange
	var err error
	for more := true; more && err == nil; {
		var change *fleetChange
		if change, more, err = f.changes.at(c.next + Cursor(len(pending))); more {
			pending = append(pending, change)
		}
	}
	now := f.nowLocked(after)
	held := maps.Clone(f.told)
	f.mu.Unlock()
	if err != nil {
		return nil, c, err
	}
	var told []byte
	for _, change := range pending {
		var lines []byte
		if lines, c, err = f.tell(change, c, before, framing); err != nil {
			return nil, c, err
		}
		told = append(told, lines...)
	}
	version := f.versionAt(now)
	was, is := map[string]*Cluster{}, map[string]*Cluster{}
	saw, sees := before.sees(), after.sees()
	for name, cluster := range held {
		seen, inSight := saw == nil || saw(cluster), sees == nil || sees(cluster)
		if seen && !inSight {
			was[name] = cluster
		}
		if inSight && !seen {
			is[name] = cluster
		}
	}
	events, err := clusterEvents(was, is, nil)
	if err != nil {
		return nil, c, err
	}
	return append(told, framedFleet(encodeEvents(events, version, version), framing, version, version)...), now, nil
}

// clusterEvents are what somebody is told who sees some of the clusters, by name.
func clusterEvents(before, after map[string]*Cluster, sees sees) ([]event, error) {
	names := slices.Collect(maps.Keys(after))
	for name := range before {
		if after[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var events []event
	for _, name := range names {
		was, is := before[name], after[name]
		saw, seen := was != nil && (sees == nil || sees(was)), is != nil && (sees == nil || sees(is))
		e := event{kind: modified, is: "Cluster"}
		switch {
		case seen && !saw:
			e.kind = added
		case saw && !seen:
			e.kind, is = deleted, was
		case !seen:
			continue
		}
		var object bytes.Buffer
		if err := appendJSON(&object, is); err != nil {
			return nil, err
		}
		e.object = object.Bytes()
		events = append(events, e)
	}
	return events, nil
}
