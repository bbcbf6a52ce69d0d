package session

// requestRelease makes the worker release the cluster's memory, because the cluster exceeds its share and
// others need theirs.
func (c *clusterState) requestRelease(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.releaseErr = err
	c.wakeLocked()
}

// commitSize sets the reserved memory to the size of the session's State.
func (w *worker) commitSize(size int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.account.Commit(size)
}

// commitReportSize sets the reserved memory to the size of the present report, when no session is open.
func (w *worker) commitReportSize() {
	w.mu.Lock()
	defer w.mu.Unlock()
	var size int64
	if w.report != nil {
		size = w.report.size
	}
	w.account.Commit(size)
}

// releaseMemory releases all memory of the cluster and starts back-off.
func (w *worker) releaseMemory() {
	if w.dialing != nil {
		w.cancelDial()
	}
	w.mu.Lock()
	e, blocked := overBudgetEnd(w.releaseErr), w.blockedReason() != ""
	w.releaseErr = nil
	if w.report != nil {
		w.report = w.report.withoutState()
	}
	w.mu.Unlock()
	switch {
	case w.active != nil:
		w.endSession(e)
	case blocked:
		w.commitReportSize()
	default:
		w.commitReportSize()
		w.handleEnd(e)
	}
}
