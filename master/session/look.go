package session

// Glance is what there is to see of a cluster now, without demand.
type Current struct {
	// Value is the last one, which may have expired, or been let go; nil: none yet.
	Report *Report
	Status Status
	// Suspended says that the cluster must not be called for now.
	Suspended bool
	// News is closed when it is time to look again: a report came, a session ended, or
	// the Registry's entry changed.
	Changed <-chan struct{}
}

// Look is how a cluster stands, false where the Registry has none of that name.
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
