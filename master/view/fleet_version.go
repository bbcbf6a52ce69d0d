package view

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"regexp"
)

// FleetSight is which clusters a watch of the fleet is told of.
type FleetSight struct {
	// Visible are the clusters that the caller may see; nil: all.
	Visible map[string]bool
	// Words are found in each cluster that it is told of.
	Words string
}

// sees returns whether a cluster is in sight; nil: all are.
func (s FleetSight) sees() sees {
	if s.Visible == nil && s.Words == "" {
		return nil
	}
	return func(c *Cluster) bool { return s.visible(c.Name) && c.Found(s.Words) }
}

func (s FleetSight) visible(name string) bool { return s.Visible == nil || s.Visible[name] }

// FleetCursor is where a watch of the fleet is.
type FleetCursor struct {
	// next is the change to come.
	next Cursor
	// told is the place behind the last change of a cluster that the caller may see, where
	// that are not all.
	told Cursor
	some bool
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

// hidden returns the version of a place for who does not see all clusters. It has the form
// of the others.
func (f *Fleet) hidden(c Cursor) string {
	mac := hmac.New(sha256.New, f.secret[:])
	_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, uint64(c)))
	return fmt.Sprintf("%s-%d", f.id, binary.BigEndian.Uint64(mac.Sum(nil)))
}

func (f *Fleet) versionAt(c FleetCursor) string {
	if c.some {
		return f.hidden(c.told)
	}
	return f.version(c.next)
}

// Version is the present one, for who sees all clusters.
func (f *Fleet) Version() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.version(f.changes.next)
}

// Versions tells the version of some clusters, as they were at one time.
type Versions struct {
	fleet   *Fleet
	changed map[string]Cursor
}

// Versions returns those of now.
func (f *Fleet) Versions() *Versions {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &Versions{f, maps.Clone(f.changed)}
}

// Of returns the version for who sees these clusters and no others. It is another one only
// when one of them has changed.
func (v *Versions) Of(visible map[string]bool) string {
	return v.fleet.hidden(lastChange(v.changed, visible))
}

// lastChange returns the place behind the last change of some clusters.
func lastChange(changed map[string]Cursor, visible map[string]bool) (last Cursor) {
	for name := range visible {
		last = max(last, changed[name])
	}
	return last
}

// nowLocked is the present place.
func (f *Fleet) nowLocked(sight FleetSight) FleetCursor {
	return FleetCursor{f.changes.next, lastChange(f.changed, sight.Visible), sight.Visible != nil}
}

// Now is the present place.
func (f *Fleet) Now(sight FleetSight) FleetCursor {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.nowLocked(sight)
}

// Resume is the place behind a version, or ErrExpired. Who does not see all clusters can
// resume from no version that counts the changes of all: trying them would tell how many
// there are.
func (f *Fleet) Resume(version string, sight FleetSight) (FleetCursor, error) {
	f.mu.Lock()
	now, first := f.nowLocked(sight), f.changes.first()
	f.mu.Unlock()
	if version == f.versionAt(now) {
		// Also where the changes since are not kept any more: none of them is of a cluster in
		// sight.
		return now, nil
	}
	for c := first; c <= now.next; c++ {
		if at := (FleetCursor{c, c, now.some}); f.versionAt(at) == version {
			return at, nil
		}
	}
	return FleetCursor{}, ErrExpired
}
