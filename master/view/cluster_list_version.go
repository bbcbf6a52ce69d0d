package view

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"regexp"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
)

// ClusterFilter selects the clusters that a watch of the list includes.
type ClusterFilter struct {
	// Visible holds the clusters that the caller may see; nil means all.
	Visible map[string]bool
	// Words must all occur in a cluster, as in MatchesWords.
	Words string
}

// predicate returns a function that reports whether the filter includes a cluster; nil if it
// includes all.
func (f ClusterFilter) predicate() clusterPredicate {
	if f.Visible == nil && f.Words == "" {
		return nil
	}
	return func(c *httpv1.Cluster) bool { return f.visible(c.Name) && MatchesWords(c, f.Words) }
}

func (f ClusterFilter) visible(name string) bool { return f.Visible == nil || f.Visible[name] }

// ClusterListCursor is a position in a ClusterListLog.
type ClusterListCursor struct {
	// next is the number of the next change to read.
	next Cursor
	// lastVisible is the cursor after the last change of a cluster that the caller may see. It is
	// used only if partial is set.
	lastVisible Cursor
	// partial is set if the caller may not see all clusters.
	partial bool
}

func (l *ClusterListLog) version(c Cursor) string { return fmt.Sprintf("%s-%d", l.id, c) }

var clusterListVersionPattern = regexp.MustCompile(`^[0-9a-f]{16}-[0-9]{1,20}$`)

// ParseClusterListVersion returns an error if version does not have the form of a resourceVersion
// of the list of clusters.
func ParseClusterListVersion(version string) error {
	if !clusterListVersionPattern.MatchString(version) {
		return fmt.Errorf("must be a resourceVersion from the list of clusters or a Cluster event, got %s", quote(version))
	}
	return nil
}

// opaqueVersion returns the version of a cursor for callers that may not see all clusters. It has
// the same form as other versions.
func (l *ClusterListLog) opaqueVersion(c Cursor) string {
	mac := hmac.New(sha256.New, l.secret[:])
	_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, uint64(c)))
	return fmt.Sprintf("%s-%d", l.id, binary.BigEndian.Uint64(mac.Sum(nil)))
}

func (l *ClusterListLog) versionAt(c ClusterListCursor) string {
	if c.partial {
		return l.opaqueVersion(c.lastVisible)
	}
	return l.version(c.next)
}

// Version returns the current version, for callers that may see all clusters.
func (l *ClusterListLog) Version() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.version(l.changes.next)
}

// Versions computes the versions of sets of clusters at one point in time.
type Versions struct {
	log     *ClusterListLog
	changed map[string]Cursor
}

// Versions returns the current Versions.
func (l *ClusterListLog) Versions() *Versions {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &Versions{l, maps.Clone(l.lastChanges)}
}

// Of returns the version for a caller that may see only these clusters. It changes only when one of
// them does.
func (v *Versions) Of(visible map[string]bool) string {
	return v.log.opaqueVersion(lastChange(v.changed, visible))
}

// lastChange returns the cursor after the last change of the given clusters.
func lastChange(changed map[string]Cursor, visible map[string]bool) (last Cursor) {
	for name := range visible {
		last = max(last, changed[name])
	}
	return last
}

// currentLocked returns the current cursor. l.mu must be held.
func (l *ClusterListLog) currentLocked(filter ClusterFilter) ClusterListCursor {
	return ClusterListCursor{l.changes.next, lastChange(l.lastChanges, filter.Visible), filter.Visible != nil}
}

// Current returns the current cursor for a filter.
func (l *ClusterListLog) Current(filter ClusterFilter) ClusterListCursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.currentLocked(filter)
}

// Resume returns the cursor after a version, or ErrExpired. A caller that may not see all clusters
// cannot resume from a version that counts all changes: by trying such versions it could find out
// how many changes there are.
func (l *ClusterListLog) Resume(version string, filter ClusterFilter) (ClusterListCursor, error) {
	l.mu.Lock()
	now, first := l.currentLocked(filter), l.changes.first()
	l.mu.Unlock()
	if version == l.versionAt(now) {
		// This holds even if the changes since then have been evicted: none of them concerns a visible
		// cluster.
		return now, nil
	}
	for c := first; c <= now.next; c++ {
		if at := (ClusterListCursor{c, c, now.partial}); l.versionAt(at) == version {
			return at, nil
		}
	}
	return ClusterListCursor{}, ErrExpired
}
