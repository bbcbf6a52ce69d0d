package session

// Current is the current report and status of a cluster. Reading it does not create demand.
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

// Current returns the current report and status of a cluster, and ErrNotFound if the Registry has no
// cluster of that name. It reads the Registry only for a cluster that this master does not know yet: the error wraps
// ErrRegistryUnavailable if it cannot be read.
func (s *Sessions) Current(name string) (Current, error) {
	c := s.cluster(name)
	if c == nil {
		var err error
		if c, err = s.demandCluster(name); err != nil {
			return Current{}, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deleted {
		return Current{}, ErrNotFound
	}
	return Current{Report: c.report, Status: c.status, Suspended: c.spec.Suspended, Changed: c.changed}, nil
}
