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

	httpv1 "rollcall.dev/rollcall/api/http/v1"
)

// refreshInterval is how often the list of clusters is compared with the published one. A cluster
// has at most one event per interval.
const refreshInterval = time.Second

// ClusterListLog holds the recent changes of the list of clusters, for all clients that watch it.
// Like a ChangeLog it has no goroutine; its callers pass in the current list.
//
// Clients that may see all clusters get versions that count the changes. Clients that may see only
// some get versions that are derived from the last change of their clusters with a secret. Such a
// version reveals nothing about other clusters, not even how often they change.
type ClusterListLog struct {
	id     string
	secret [sha256.Size]byte

	mu          sync.Mutex
	lastRefresh time.Time
	published   map[string]*httpv1.Cluster
	lastChanges map[string]Cursor // by published cluster: the cursor after its last change
	changes     ringBuffer[*clusterListChange]
	notify      chan struct{} // closed and replaced with each change
}

// NewClusterListLog returns an empty log.
func NewClusterListLog() *ClusterListLog {
	l := &ClusterListLog{published: map[string]*httpv1.Cluster{}, lastChanges: map[string]Cursor{}, notify: make(chan struct{})}
	var id [8]byte
	_, _ = rand.Read(id[:])
	_, _ = rand.Read(l.secret[:])
	l.id = hex.EncodeToString(id[:])
	return l
}

// clusterListChange is the difference between two refreshes: the changed clusters before and after,
// by name.
type clusterListChange struct {
	from, to string
	before   map[string]*httpv1.Cluster
	after    map[string]*httpv1.Cluster

	lines, sse lazyBytes // sse has lines as server-sent events
}

// clusterBytes is the estimated size of one cluster in a change.
const clusterBytes = 2 << 10

func (c *clusterListChange) size() int64 {
	return int64(len(c.before)+len(c.after)) * clusterBytes
}

// clusterPredicate reports whether a watch includes a cluster; nil includes all.
type clusterPredicate func(c *httpv1.Cluster) bool

// Refresh compares the list of clusters with the published one, unless that was done within the
// last refreshInterval. It returns when to call it again, and a channel that is closed at the next
// change. If list returns an error, nothing changes, and the next call lists again.
func (l *ClusterListLog) Refresh(now time.Time, list func() ([]httpv1.Cluster, error)) (next time.Time, changed <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if next := l.lastRefresh.Add(refreshInterval); now.Before(next) {
		return next, l.notify, nil
	}
	clusters, err := list()
	if err != nil {
		return now.Add(refreshInterval), l.notify, err
	}
	l.lastRefresh = now
	c := &clusterListChange{before: map[string]*httpv1.Cluster{}, after: map[string]*httpv1.Cluster{}}
	present := map[string]bool{}
	for _, cluster := range clusters {
		present[cluster.Name] = true
		l.compare(c, normalizedCluster(cluster))
	}
	for name, held := range l.published {
		if !present[name] {
			c.before[name] = held
			delete(l.published, name)
			delete(l.lastChanges, name)
		}
	}
	if len(c.before)+len(c.after) > 0 {
		c.from = l.version(l.changes.next)
		c.to = l.version(l.changes.next + 1)
		l.changes.push(c, now)
		for name := range c.after {
			l.lastChanges[name] = l.changes.next
		}
		close(l.notify)
		l.notify = make(chan struct{})
	}
	l.changes.trim(now, changeRetention)
	return now.Add(refreshInterval), l.notify, nil
}

// compare adds a cluster to the change if it differs from the published one.
func (l *ClusterListLog) compare(c *clusterListChange, cluster httpv1.Cluster) {
	held := l.published[cluster.Name]
	if held != nil && reflect.DeepEqual(withoutReportTimes(*held), withoutReportTimes(cluster)) {
		return
	}
	if held != nil {
		c.before[cluster.Name] = held
	}
	c.after[cluster.Name], l.published[cluster.Name] = &cluster, &cluster
}

// withoutReportTimes returns the cluster without the fields that change with each report.
func withoutReportTimes(c httpv1.Cluster) httpv1.Cluster {
	c.ResourceVersion, c.ObservedAt, c.ReceivedAt = "", time.Time{}, time.Time{}
	return c
}

// Initial returns the events that describe all clusters that the filter includes, followed by the
// BOOKMARK that ends the initial events, and the cursor after them.
func (l *ClusterListLog) Initial(filter ClusterFilter, framing Framing) ([]byte, ClusterListCursor, error) {
	l.mu.Lock()
	c, held := l.currentLocked(filter), maps.Clone(l.published)
	l.mu.Unlock()
	version := l.versionAt(c)
	events, err := clusterEvents(nil, held, filter.predicate())
	if err != nil {
		return nil, c, err
	}
	var bookmark bytes.Buffer
	if err := appendJSON(&bookmark, httpv1.ListBookmark{ResourceVersion: version, Annotations: initialEventsEnd}); err != nil {
		return nil, c, err
	}
	events = append(events, event{eventType: httpv1.BookmarkEvent, object: bookmark.Bytes()})
	return frameClusterList(encodeEvents(events, httpv1.InitialVersion, version), framing, httpv1.InitialVersion, version), c, nil
}

// Bookmark returns the BOOKMARK event of a cursor.
func (l *ClusterListLog) Bookmark(c ClusterListCursor, framing Framing) ([]byte, error) {
	version := l.versionAt(c)
	var bookmark bytes.Buffer
	if err := appendJSON(&bookmark, httpv1.ListBookmark{ResourceVersion: version}); err != nil {
		return nil, err
	}
	return frameClusterList(appendEvent(nil, event{eventType: httpv1.BookmarkEvent, object: bookmark.Bytes()}, version), framing, version, version), nil
}

// frameClusterList puts lines into a framing. Events of the list itself carry no cluster name.
func frameClusterList(lines []byte, f Framing, from, to string) []byte {
	if f == SSEWithCluster {
		return frame(lines, SSE, "", from, to)
	}
	return lines
}

// Read returns the events of the change at a cursor, as ChangeLog.Read does. Clients that see all
// clusters share the bytes.
func (l *ClusterListLog) Read(c ClusterListCursor, filter ClusterFilter, framing Framing) ([]byte, ClusterListCursor, error) {
	l.mu.Lock()
	change, ok, err := l.changes.at(c.next)
	l.mu.Unlock()
	if err != nil || !ok {
		return nil, c, err
	}
	return l.encodeChange(change, c, filter, framing)
}

// encodeChange returns the events of the change at a cursor, and the next cursor.
func (l *ClusterListLog) encodeChange(change *clusterListChange, c ClusterListCursor, filter ClusterFilter, framing Framing) ([]byte, ClusterListCursor, error) {
	from := c
	c.next++
	if !c.partial {
		lines, err := change.encode(filter.predicate(), framing)
		return lines, c, err
	}
	if !change.visibleTo(filter) {
		return nil, c, nil
	}
	c.lastVisible = c.next
	events, err := clusterEvents(change.before, change.after, filter.predicate())
	if err != nil {
		return nil, c, err
	}
	before, after := l.versionAt(from), l.versionAt(c)
	return frameClusterList(encodeEvents(events, before, after), framing, before, after), c, nil
}

// visibleTo reports whether the change concerns a cluster that the caller may see.
func (c *clusterListChange) visibleTo(filter ClusterFilter) bool {
	for _, some := range [...]map[string]*httpv1.Cluster{c.before, c.after} {
		for name := range some {
			if filter.visible(name) {
				return true
			}
		}
	}
	return false
}

// encode returns the events of the change in a framing. They are encoded once for all clients that
// see all clusters, and for each call otherwise.
func (c *clusterListChange) encode(include clusterPredicate, f Framing) ([]byte, error) {
	if include != nil {
		events, err := clusterEvents(c.before, c.after, include)
		return frameClusterList(encodeEvents(events, c.from, c.to), f, c.from, c.to), err
	}
	lines, err := c.lines.get(func() ([]byte, error) {
		events, err := clusterEvents(c.before, c.after, nil)
		return encodeEvents(events, c.from, c.to), err
	})
	if err != nil || f != SSEWithCluster {
		return lines, err
	}
	return c.sse.get(func() ([]byte, error) { return frameClusterList(lines, f, c.from, c.to), nil })
}

// SwitchFilter returns the events that move a client from one filter to another, and the cursor
// after them. First come the pending changes, as the old filter shows them. Then follow the
// clusters that became visible or invisible; these events carry the version of the returned cursor.
// The client must continue from that cursor: from an earlier one it would get the pending changes
// again, as the new filter shows them.
func (l *ClusterListLog) SwitchFilter(c ClusterListCursor, before, after ClusterFilter, framing Framing) ([]byte, ClusterListCursor, error) {
	l.mu.Lock()
	var pending []*clusterListChange
	var err error
	for more := true; more && err == nil; {
		var change *clusterListChange
		if change, more, err = l.changes.at(c.next + Cursor(len(pending))); more {
			pending = append(pending, change)
		}
	}
	now := l.currentLocked(after)
	clusters := maps.Clone(l.published)
	l.mu.Unlock()
	if err != nil {
		return nil, c, err
	}
	var pendingEvents []byte
	for _, change := range pending {
		var lines []byte
		if lines, c, err = l.encodeChange(change, c, before, framing); err != nil {
			return nil, c, err
		}
		pendingEvents = append(pendingEvents, lines...)
	}
	version := l.versionAt(now)
	hidden, shown := map[string]*httpv1.Cluster{}, map[string]*httpv1.Cluster{}
	includedBefore, includedAfter := before.predicate(), after.predicate()
	for name, cluster := range clusters {
		wasVisible, isVisible := includedBefore == nil || includedBefore(cluster), includedAfter == nil || includedAfter(cluster)
		if wasVisible && !isVisible {
			hidden[name] = cluster
		}
		if isVisible && !wasVisible {
			shown[name] = cluster
		}
	}
	events, err := clusterEvents(hidden, shown, nil)
	if err != nil {
		return nil, c, err
	}
	return append(pendingEvents, frameClusterList(encodeEvents(events, version, version), framing, version, version)...), now, nil
}

// clusterEvents returns the events that lead from one set of clusters to another, in the order of
// their names.
func clusterEvents(before, after map[string]*httpv1.Cluster, include clusterPredicate) ([]event, error) {
	names := slices.Collect(maps.Keys(after))
	for name := range before {
		if after[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var events []event
	for _, name := range names {
		prev, cur := before[name], after[name]
		wasIncluded, isIncluded := prev != nil && (include == nil || include(prev)), cur != nil && (include == nil || include(cur))
		e := event{eventType: httpv1.Modified, objectKind: httpv1.KindCluster}
		switch {
		case isIncluded && !wasIncluded:
			e.eventType = httpv1.Added
		case wasIncluded && !isIncluded:
			e.eventType, cur = httpv1.Deleted, prev
		case !isIncluded:
			continue
		}
		var object bytes.Buffer
		if err := appendJSON(&object, cur); err != nil {
			return nil, err
		}
		e.object = object.Bytes()
		events = append(events, e)
	}
	return events, nil
}
