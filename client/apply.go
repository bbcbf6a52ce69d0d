package client

import (
	"maps"
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// pendingEvents has the received events that are not in the cache yet.
type pendingEvents struct {
	// initial is the part of an initial state that has been received, nil if there is none.
	initial *contents
	// events are the events of an incomplete change.
	events []Event
	// version is the version of the cache.
	version string
}

// handle handles an event. It applies a change to the cache once it is complete.
func (c *Cache) handle(e Event) {
	pending := &c.pending
	switch {
	case e.Type == Restarted:
		*pending = pendingEvents{}
		return
	case e.Type == Bookmark:
		c.bookmark(e)
		return
	case e.Initial:
		c.addInitial(e)
		return
	case e.Type != Added && e.Type != Modified && e.Type != Deleted:
		return
	}
	if s, ok := e.Object.(*SessionStatus); ok {
		c.session(s)
	}
	pending.events = append(pending.events, e)
	if pending.incomplete(e) {
		return
	}
	c.apply(pending.events)
	pending.events, pending.version = nil, e.ResourceVersion
	c.updateFreshness(func(f *Freshness) { f.Connected, f.Err, f.ResourceVersion = true, nil, e.ResourceVersion })
}

// incomplete reports whether more events of the change will follow: all events of a change
// but the last have the version before it. A change of only the summary or the session does
// not change the version.
func (p *pendingEvents) incomplete(e Event) bool {
	if e.ResourceVersion != p.version {
		return false
	}
	return len(p.events) > 1 || e.Kind != KindSummary && e.Kind != KindSession
}

// addInitial adds an event of the initial state.
func (c *Cache) addInitial(e Event) {
	pending := &c.pending
	if pending.initial == nil {
		next := newContents()
		pending.initial, pending.events = &next, nil
	}
	switch row := e.Object.(type) {
	case *state.NodeView:
		pending.initial.nodes.put(row)
	case *state.PodView:
		pending.initial.pods.put(row)
	case *state.ContainerView:
		pending.initial.containers.put(row)
	case *state.PortView:
		pending.initial.ports.put(row)
	case *state.Summary:
		pending.initial.summary = row
	case *SessionStatus:
		c.session(row)
	}
}

// bookmark handles a Bookmark, which ends the initial state or confirms that the contents are
// current.
func (c *Cache) bookmark(e Event) {
	b := e.Object.(*BookmarkStatus)
	if e.InitialEnd {
		c.replace()
	}
	c.pending.version = e.ResourceVersion
	c.updateFreshness(func(f *Freshness) {
		f.Synced = f.Synced || e.InitialEnd
		f.Connected, f.Err, f.ResourceVersion = true, nil, e.ResourceVersion
		f.Stale, f.Session, f.ObservedAt, f.ReceivedAt = b.Stale, b.Session, b.ObservedAt, b.ReceivedAt
	})
	if e.InitialEnd && !c.HasSynced() {
		for _, h := range c.options.Handlers {
			if h.Synced != nil {
				h.Synced()
			}
		}
		close(c.synced)
	}
}

// session handles a change of the session.
func (c *Cache) session(s *SessionStatus) {
	c.updateFreshness(func(f *Freshness) {
		f.Session, f.Suspended, f.Stale, f.Sections = s.Session, s.Suspended, s.Stale, s.Sections
	})
}

// replace replaces the contents by the initial state, and calls the handlers with the
// differences.
func (c *Cache) replace() {
	next := newContents()
	if c.pending.initial != nil {
		next = *c.pending.initial
	}
	c.pending = pendingEvents{}
	initial := !c.HasSynced()
	c.mu.Lock()
	nodes, pods := c.nodes.replace(next.nodes), c.pods.replace(next.pods)
	containers, ports := c.containers.replace(next.containers), c.ports.replace(next.ports)
	c.summary = next.summary
	c.mu.Unlock()
	for _, h := range c.options.Handlers {
		notifyAll(h.Node, nodes, initial)
		notifyAll(h.Pod, pods, initial)
		notifyAll(h.Container, containers, initial)
		notifyAll(h.Port, ports, initial)
		if h.Summary != nil && next.summary != nil {
			h.Summary(next.summary)
		}
	}
}

// apply applies a change to the cache, and calls the handlers.
func (c *Cache) apply(events []Event) {
	var notify []func(Handlers)
	c.mu.Lock()
	for _, e := range events {
		if n := c.contents.apply(e); n != nil {
			notify = append(notify, n)
		}
	}
	c.mu.Unlock()
	for _, h := range c.options.Handlers {
		for _, n := range notify {
			n(h)
		}
	}
}

// apply applies an event, and returns a function that calls a handler with it.
func (c *contents) apply(e Event) func(Handlers) {
	switch row := e.Object.(type) {
	case *state.NodeView:
		return applyRow(c.nodes, e.Type, row, func(h Handlers) Handler[state.NodeView] { return h.Node })
	case *state.PodView:
		return applyRow(c.pods, e.Type, row, func(h Handlers) Handler[state.PodView] { return h.Pod })
	case *state.ContainerView:
		return applyRow(c.containers, e.Type, row, func(h Handlers) Handler[state.ContainerView] { return h.Container })
	case *state.PortView:
		return applyRow(c.ports, e.Type, row, func(h Handlers) Handler[state.PortView] { return h.Port })
	case *Usage:
		c.updateUsage(row)
		return func(h Handlers) {
			if h.Usage != nil {
				h.Usage(row)
			}
		}
	case *state.Summary:
		c.summary = row
		return func(h Handlers) {
			if h.Summary != nil {
				h.Summary(row)
			}
		}
	}
	return nil
}

func applyRow[T any](t *table[T], eventType EventType, row *T, of func(Handlers) Handler[T]) func(Handlers) {
	change := change[T]{row: row}
	if eventType == Deleted {
		change.row = nil
		if change.old = t.remove(t.key(row)); change.old == nil {
			return nil // deleted already: the change was repeated
		}
	} else {
		change.old = t.put(row)
	}
	return func(h Handlers) { change.notify(of(h), false) }
}

func notifyAll[T any](h Handler[T], changes []change[T], initial bool) {
	for _, c := range changes {
		c.notify(h, initial)
	}
}

func (c change[T]) notify(h Handler[T], initial bool) {
	switch {
	case c.row == nil:
		if h.Delete != nil {
			h.Delete(c.old)
		}
	case c.old == nil:
		if h.Add != nil {
			h.Add(c.row, initial)
		}
	case h.Update != nil:
		h.Update(c.old, c.row)
	}
}

// updateUsage sets the usage of all rows from a reading. Rows that are not in the reading
// have no usage then.
func (c *contents) updateUsage(u *Usage) {
	for _, row := range slices.Collect(maps.Values(c.nodes.rows)) {
		next := *row
		next.Used = usageOf(u, u.Nodes, row.Name)
		c.nodes.put(&next)
	}
	for _, row := range slices.Collect(maps.Values(c.containers.rows)) {
		next := *row
		next.Used = usageOf(u, u.Containers, row.Namespace+"/"+row.Pod+"/"+row.Name)
		c.containers.put(&next)
	}
}

func usageOf(u *Usage, by map[string][2]int64, name string) *state.Used {
	sample, ok := by[name]
	if !ok {
		return nil
	}
	return &state.Used{CPUMillis: sample[0], MemoryBytes: sample[1], SampledAt: u.SampledAt}
}
