package session

// giveWay makes the goroutine release the cluster's memory, because it exceeds its share and
// others need theirs.
func (m *member) giveWay(why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mustRelease = why
	m.stirLocked()
}

// hold notes what the State takes that the open session has brought.
func (w *worker) hold(size int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.account.Hold(size)
}

// settle notes what the value takes that readers get, and that nothing is to come.
func (w *worker) settle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	var size int64
	if w.value != nil {
		size = w.value.size
	}
	w.account.Hold(size)
}

// release releases all memory of the cluster and starts back-off.
func (w *worker) release() {
	if w.attempt != nil {
		w.giveUp()
	}
	w.mu.Lock()
	e, blockedReason := refusedFor(w.mustRelease), w.blockedReason() != ""
	w.mustRelease = nil
	if w.value != nil {
		w.value = w.value.evict()
	}
	w.mu.Unlock()
	switch {
	case w.live != nil:
		w.end(e)
	case blockedReason:
		w.settle()
	default:
		w.settle()
		w.follow(e)
	}
}
