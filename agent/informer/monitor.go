package informer

import (
	"context"
	"log/slog"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// monitor knows how all feeds stand and reports the sections when that changes.
type monitor struct {
	report   func(state.SectionName, state.SectionReport)
	log      *slog.Logger
	events   chan func()
	done     chan struct{}
	sections []*section
}

func newMonitor(cfg Config) *monitor {
	return &monitor{report: cfg.Sink.Section, log: cfg.Log, events: make(chan func()), done: make(chan struct{})}
}

// feed adds a feed to a section. All are added before run.
func (m *monitor) feed(name state.SectionName, resource string) *feed {
	f := &feed{resource: resource, tell: m.tell}
	for _, s := range m.sections {
		if s.name == name {
			s.feeds = append(s.feeds, f)
			return f
		}
	}
	m.sections = append(m.sections, &section{name: name, feeds: []*feed{f}})
	return f
}

// tell has the monitor's goroutine take in an event; none once it has ended.
func (m *monitor) tell(event func()) {
	select {
	case m.events <- event:
	case <-m.done:
	}
}

// run owns all feeds and sections until ctx is done:
//
//	an event of a feed    changes how the feed stands
//	the timer             a grace is over, or a watch has settled
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
		if next := m.review(now); !next.IsZero() {
			timer.Reset(next.Sub(now))
		}
	}
}

// review reports what changed, and says when time alone may change something.
func (m *monitor) review(now time.Time) time.Time {
	var next time.Time
	for _, s := range m.sections {
		if r := s.report(now); r != s.last {
			m.say(s.name, s.last, r)
			s.last = r
			m.report(s.name, r)
		}
		if at := s.changesAt(now); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// say logs what a person should know: sections that turn stale, and that come back.
func (m *monitor) say(name state.SectionName, before, after state.SectionReport) {
	switch {
	case after.Error.Reason != before.Error.Reason && after.Error.Reason != "" && after.Error.Reason != ReasonPending:
		m.log.Warn("section is not fresh", "section", name, "reason", after.Error.Reason, "message", after.Error.Message)
	case after.Live && before.Error.Reason != "" && before.Error.Reason != ReasonPending:
		m.log.Info("section is fresh again", "section", name)
	}
}
