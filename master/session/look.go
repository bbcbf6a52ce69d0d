package session

// Glance is what there is to see of a cluster now, without demand.
type Glance struct {
	// Value is the last one, which may have expired, or been let go; nil: none yet.
	Value       *Value
	Observation Observation
	// Suspended says that the cluster must not be called for now.
	Suspended bool
	// News is closed when it is time to look again: a report came, a session ended, or
	// the Registry's entry changed.
	News <-chan struct{}
}

// Look is how a cluster stands, false where the Registry has none of that name.
func (s *Sessions) Look(name string) (Glance, bool) {
	m := s.member(name)
	if m == nil {
		m = s.lookUp(name)
	}
	if m == nil {
		return Glance{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return Glance{Value: m.value, Observation: m.told, Suspended: m.spec.Suspended, News: m.news}, !m.gone
}
