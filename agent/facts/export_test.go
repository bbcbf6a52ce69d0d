package facts

// RecordCount returns the number of records of all kinds in a Tracker.
func (t *Tracker) RecordCount() int {
	return len(t.nodes) + len(t.pods) + len(t.services) + len(t.slices) + len(t.claims) + len(t.servicesByPod) +
		len(t.volumes) + len(t.labels) + len(t.selectors)
}
