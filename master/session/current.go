package session

// Current is the present report and status of a cluster. Reading it does not create demand.
type Current struct {
	// Report is the last report, or nil if there was none yet. It may have expired, and its State may
	// have been dropped.
	Report *Report
	Status Status
	// Suspended reports whether the ClusterAgent is suspended: the cluster must not be dialed.
	Suspended bool
	// Changed is closed at the next report, end of a session, or change of the Registry's entry.
	Changed <-chan struct{}
}

// Current returns the present report and status of a cluster, and false if the Registry has no
// cluster of that name.
func (s *Sessions) Current(name string) (Current, bool) {
	m := s.member(name)
	if m == nil {
		m = s.lookUp(name)
	}
	if m == nil {
		return Current{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return Current{Report: m.value, Status: m.told, Suspended: m.spec.Suspended, Changed: m.news}, !m.gone
}
