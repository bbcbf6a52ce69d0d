package facts

// Held returns how many records of all kinds a Tracker holds.
func (t *Tracker) Held() int {
	return len(t.nodes) + len(t.pods) + len(t.services) + len(t.slices) + len(t.claims) + len(t.backends) +
		len(t.volumes) + len(t.labels) + len(t.selectors)
}
