package client

import (
	"maps"
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// intake is what has come in and is not in the cache yet.
type intake struct {
	// next is the present state while it is coming in.
	next *contents
	// held are the events of a change that is not complete.
	held []Event
	// version is that of what is in the cache.
	version string
}

// take takes an event in, and all that it completes into the cache.
func (c *Cache) take(e Event) {
	in := &c.intake
	switch {
	case e.Type == Restarted:
		*in = intake{}
		return
	case e.Type == Bookmark:
		c.bookmark(e)
		return
	case e.Initial:
		c.begin(e)
		return
	case e.Type != Added && e.Type != Modified && e.Type != Deleted:
		return
	}
	if s, ok := e.Object.(*SessionStatus); ok {
		c.session(s)
	}
	in.held = append(in.held, e)
	if in.incomplete(e) {
		return
	}
	c.apply(in.held)
	in.held, in.version = nil, e.ResourceVersion
	c.judge(func(f *Freshness) { f.Connected, f.Err, f.ResourceVersion = true, nil, e.ResourceVersion })
}

// incomplete says that more of a change is to come: all but its last event carry the
// version before it. A change of nothing but the summary or the session has the
// version that was there before.
func (in *intake) incomplete(e Event) bool {
	if e.ResourceVersion != in.version {
		return false
	}
	return len(in.held) > 1 || e.Kind != KindSummary && e.Kind != KindSession
}

// begin takes in an event of the present state.
func (c *Cache) begin(e Event) {
	in := &c.intake
	if in.next == nil {
		next := newContents()
		in.next, in.held = &next, nil
	}
	switch row := e.Object.(type) {
	case *state.NodeView:
		in.next.nodes.put(row)
	case *state.PodView:
		in.next.pods.put(row)
	case *state.ContainerView:
		in.next.containers.put(row)
	case *state.PortView:
		in.next.ports.put(row)
	case *state.Summary:
		in.next.summary = row
	case *SessionStatus:
		c.session(row)
	}
}

// bookmark completes the present state, or tells that it is still true.
func (c *Cache) bookmark(e Event) {
	b := e.Object.(*BookmarkStatus)
	if e.InitialEnd {
		c.replace()
	}
	c.intake.version = e.ResourceVersion
	c.judge(func(f *Freshness) {
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

func (c *Cache) session(s *SessionStatus) {
	c.judge(func(f *Freshness) {
		f.Session, f.Suspended, f.Stale, f.Sections = s.Session, s.Suspended, s.Stale, s.Sections
	})
}

// replace makes the contents those that came in, and tells the difference.
func (c *Cache) replace() {
	next := newContents()
	if c.intake.next != nil {
		next = *c.intake.next
	}
	c.intake = intake{}
	initial := !c.HasSynced()
	c.mu.Lock()
	nodes, pods := c.nodes.take(next.nodes), c.pods.take(next.pods)
	containers, ports := c.containers.take(next.containers), c.ports.take(next.ports)
	c.summary = next.summary
	c.mu.Unlock()
	for _, h := range c.options.Handlers {
		tellAll(h.Node, nodes, initial)
		tellAll(h.Pod, pods, initial)
		tellAll(h.Container, containers, initial)
		tellAll(h.Port, ports, initial)
		if h.Summary != nil && next.summary != nil {
			h.Summary(next.summary)
		}
	}
}

// apply puts one change into the cache, and tells of it.
func (c *Cache) apply(events []Event) {
	var tell []func(Handlers)
	c.mu.Lock()
	for _, e := range events {
		if t := c.enter(e); t != nil {
			tell = append(tell, t)
		}
	}
	c.mu.Unlock()
	for _, h := range c.options.Handlers {
		for _, t := range tell {
			t(h)
		}
	}
}

// enter takes in one event, and gives what tells of it.
func (c *contents) enter(e Event) func(Handlers) {
	switch row := e.Object.(type) {
	case *state.NodeView:
		return enterRow(c.nodes, e.Type, row, func(h Handlers) Handler[state.NodeView] { return h.Node })
	case *state.PodView:
		return enterRow(c.pods, e.Type, row, func(h Handlers) Handler[state.PodView] { return h.Pod })
	case *state.ContainerView:
		return enterRow(c.containers, e.Type, row, func(h Handlers) Handler[state.ContainerView] { return h.Container })
	case *state.PortView:
		return enterRow(c.ports, e.Type, row, func(h Handlers) Handler[state.PortView] { return h.Port })
	case *Usage:
		c.use(row)
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

func enterRow[T any](t *table[T], is EventType, row *T, of func(Handlers) Handler[T]) func(Handlers) {
	change := change[T]{row: row}
	if is == Deleted {
		change.row = nil
		if change.old = t.remove(t.key(row)); change.old == nil {
			return nil // it is gone already: a change that came twice
		}
	} else {
		change.old = t.put(row)
	}
	return func(h Handlers) { change.tell(of(h), false) }
}

func tellAll[T any](h Handler[T], changes []change[T], initial bool) {
	for _, c := range changes {
		c.tell(h, initial)
	}
}

func (c change[T]) tell(h Handler[T], initial bool) {
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

// use puts a reading of usage into the rows. A row that is not in it uses nobody knows
// how much.
func (c *contents) use(u *Usage) {
	for _, row := range slices.Collect(maps.Values(c.nodes.rows)) {
		next := *row
		next.Used = used(u, u.Nodes, row.Name)
		c.nodes.put(&next)
	}
	for _, row := range slices.Collect(maps.Values(c.containers.rows)) {
		next := *row
		next.Used = used(u, u.Containers, row.Namespace+"/"+row.Pod+"/"+row.Name)
		c.containers.put(&next)
	}
}

func used(u *Usage, by map[string][2]int64, name string) *state.Used {
	sample, ok := by[name]
	if !ok {
		return nil
	}
	return &state.Used{CPUMillis: sample[0], MemoryBytes: sample[1], SampledAt: u.SampledAt}
}
