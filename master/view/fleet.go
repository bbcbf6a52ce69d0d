package view

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"sync"
	"time"
)

// fleetPeriod is how often the clusters are compared with what was told of them: no
// cluster is told of more often.
const fleetPeriod = time.Second

// Fleet is what changed lately of the registered clusters, for all who watch them on
// one stream. As with a Log, who wants to know puts in what there is now.
type Fleet struct {
	id string

	mu      sync.Mutex
	looked  time.Time
	told    map[string]*Cluster
	changes ring[*fleetChange]
	news    chan struct{} // closed, and made anew, with each change
}

// NewFleet is a Fleet that knows no cluster yet.
func NewFleet() *Fleet {
	var id [8]byte
	_, _ = rand.Read(id[:])
	return &Fleet{id: hex.EncodeToString(id[:]), told: map[string]*Cluster{}, news: make(chan struct{})}
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

// Sees says which clusters a watch of the fleet is told of; nil: all.
type Sees func(c *Cluster) bool

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
		}
	}
	if len(c.before)+len(c.after) > 0 {
		c.from = f.version(f.changes.next)
		c.to = f.version(f.changes.next + 1)
		f.changes.append(c, now)
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

func (f *Fleet) version(c Cursor) string { return fmt.Sprintf("%s-%d", f.id, c) }

var fleetVersionForm = regexp.MustCompile(`^[0-9a-f]{16}-[0-9]{1,20}$`)

// ParseFleetVersion refuses what is no version of a fleet.
func ParseFleetVersion(version string) error {
	if !fleetVersionForm.MatchString(version) {
		return fmt.Errorf("is %s, and may be a resourceVersion as the list of clusters or a Cluster event had it", quote(version))
	}
	return nil
}

// Version is the present one.
func (f *Fleet) Version() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.version(f.changes.next)
}

// Resume is the place behind a version, or ErrExpired.
func (f *Fleet) Resume(version string) (Cursor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := f.changes.first(); c <= f.changes.next; c++ {
		if f.version(c) == version {
			return c, nil
		}
	}
	return 0, ErrExpired
}

// Initial are the events that lead from nothing to the present, with the BOOKMARK that
// ends them, and the place behind it.
func (f *Fleet) Initial(sees Sees, framing Framing) ([]byte, Cursor, error) {
	f.mu.Lock()
	c, held := f.changes.next, maps.Clone(f.told)
	version := f.version(c)
	f.mu.Unlock()
	events, err := clusterEvents(nil, held, sees)
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
func (f *Fleet) Bookmark(c Cursor, framing Framing) ([]byte, error) {
	version := f.version(c)
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
func (f *Fleet) Read(c Cursor, sees Sees, framing Framing) ([]byte, Cursor, error) {
	f.mu.Lock()
	change, ok, err := f.changes.at(c)
	f.mu.Unlock()
	if err != nil || !ok {
		return nil, c, err
	}
	lines, err := change.encode(sees, framing)
	return lines, c + 1, err
}

func (c *fleetChange) encode(sees Sees, f Framing) ([]byte, error) {
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
func (f *Fleet) Turn(c Cursor, before, after Sees, framing Framing) ([]byte, Cursor, error) {
	f.mu.Lock()
	var pending []*fleetChange
	var err error
	for more := true; more && err == nil; {
		var change *fleetChange
		if change, more, err = f.changes.at(c + Cursor(len(pending))); more {
			pending = append(pending, change)
		}
	}
	now := f.changes.next
	held := maps.Clone(f.told)
	f.mu.Unlock()
	if err != nil {
		return nil, c, err
	}
	var told []byte
	for _, change := range pending {
		lines, err := change.encode(before, framing)
		if err != nil {
			return nil, c, err
		}
		told = append(told, lines...)
	}
	version := f.version(now)
	was, is := map[string]*Cluster{}, map[string]*Cluster{}
	for name, cluster := range held {
		saw, sees := before == nil || before(cluster), after == nil || after(cluster)
		if saw && !sees {
			was[name] = cluster
		}
		if sees && !saw {
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
func clusterEvents(before, after map[string]*Cluster, sees Sees) ([]event, error) {
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
