package informer

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// monitor owns the health of all watches and reports sections when their status changes.
type monitor struct {
	setStatus func(state.SectionName, state.SectionStatus)
	log       *slog.Logger
	events    chan func()
	done      chan struct{}
	sections  []*section
}

// newMonitor returns a monitor that is idle until run is called.
func newMonitor(cfg Config) *monitor {
	m := &monitor{setStatus: cfg.Handler.Section, log: cfg.Log, events: make(chan func()), done: make(chan struct{})}
	for _, resource := range slices.Sorted(maps.Keys(cfg.Limits)) {
		s := m.section(sectionOf[resource])
		s.limits = append(s.limits, cfg.Limits[resource].Message)
	}
	return m
}

// section returns the section of a name.
func (m *monitor) section(name state.SectionName) *section {
	for _, s := range m.sections {
		if s.name == name {
			return s
		}
	}
	s := &section{name: name}
	m.sections = append(m.sections, s)
	return s
}

// watch adds the watch of a resource, in a namespace or in all, to a section. It must not be called after run.
func (m *monitor) watch(name state.SectionName, resource, namespace string) *watchHealth {
	h := &watchHealth{resource: resource, namespace: namespace, enqueue: m.enqueue}
	s := m.section(name)
	s.watches = append(s.watches, h)
	return h
}

// enqueue runs event on the monitor's goroutine. It is dropped after run has ended.
func (m *monitor) enqueue(event func()) {
	select {
	case m.events <- event:
	case <-m.done:
	}
}

// run owns all watches and sections until ctx is done. Its select has these cases:
//   - an event of a watch
//   - the timer: reconnectGrace or stableTime of a watch has passed
//   - ctx is done
func (m *monitor) run(ctx context.Context) {
	defer close(m.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-m.events:
			event()
		case <-timer.C:
		}
		now := time.Now()
		if next := m.update(now); !next.IsZero() {
			timer.Reset(next.Sub(now))
		}
	}
}

// update reports changed sections. It returns the time of the next change without an event, or the
// zero time if there is none.
func (m *monitor) update(now time.Time) time.Time {
	var next time.Time
	for _, s := range m.sections {
		if status := s.status(now); status != s.last {
			m.logChange(s.name, s.last, status)
			s.last = status
			m.setStatus(s.name, status)
		}
		if at := s.nextChange(now); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// logChange logs that a section becomes stale or fresh.
func (m *monitor) logChange(name state.SectionName, before, after state.SectionStatus) {
	switch {
	case after.Error.Reason != before.Error.Reason && after.Error.Reason != "" && after.Error.Reason != state.ReasonPending:
		m.log.Warn("section is stale", "section", name, "reason", after.Error.Reason, "message", after.Error.Message)
	case after.Live && before.Error.Reason != "" && before.Error.Reason != state.ReasonPending:
		m.log.Info("section is fresh again", "section", name)
	}
}
