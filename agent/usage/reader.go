package usage

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/api/state"
)

const (
	// defaultPeriod is the time between readings. metrics-server samples every 15 s at
	// its fastest.
	defaultPeriod = 15 * time.Second
	// readTimeout limits one reading. nodesTimeout limits ReadNodes, whose caller waits.
	readTimeout  = 10 * time.Second
	nodesTimeout = 2 * time.Second
)

// Config configures a Reader.
type Config struct {
	// REST connects to the API server.
	REST *rest.Config
	// Period is the time between readings. 0 means 15 s.
	Period time.Duration
	// SetReading is called with each reading, and then SetStatus with the status of the usage
	// section. Both are called on Run's goroutine.
	SetReading func(state.Reading)
	SetStatus  func(state.SectionStatus)
	Log        *slog.Logger
}

// Reader reads usage from metrics.k8s.io while it has subscribers.
type Reader struct {
	cfg       Config
	list      lister
	closeIdle func()
	// wake notifies Run that there is a first subscriber.
	wake chan struct{}

	mu          sync.Mutex
	subscribers int

	// The fields below belong to Run: the start of the last reading, the last reported status, and
	// the part that was missing then.
	lastReadAt  time.Time
	lastStatus  state.SectionStatus
	lastMissing missing
}

// New returns a Reader that is idle until Run is called. It returns an error if no client can be
// created from cfg.REST.
func New(cfg Config) (*Reader, error) {
	if cfg.Period == 0 {
		cfg.Period = defaultPeriod
	}
	r := &Reader{cfg: cfg, wake: make(chan struct{}, 1)}
	var err error
	r.list, r.closeIdle, err = listerFor(cfg.REST)
	return r, err
}

// Subscribe makes Run read usage once per period until release is called. The first reading starts
// immediately, unless the last one is younger than a period. Calling release again has no effect.
func (r *Reader) Subscribe() (release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subscribers++
	if r.subscribers == 1 {
		select {
		case r.wake <- struct{}{}:
		default: // a notification is pending already
		}
	}
	return sync.OnceFunc(r.unsubscribe)
}

func (r *Reader) unsubscribe() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subscribers--
}

// subscribed reports whether there is a subscriber.
func (r *Reader) subscribed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.subscribers > 0
}

// Run reads usage until ctx is done.
func (r *Reader) Run(ctx context.Context) error {
	defer r.closeIdle()
	r.setStatus(state.SectionStatus{Error: pending})
	for ctx.Err() == nil {
		if r.subscribed() && time.Since(r.lastReadAt) >= r.cfg.Period {
			r.read(ctx)
		}
		r.sleep(ctx)
	}
	return nil
}

// sleep waits until the next reading is due, there is a first subscriber, or ctx is done.
func (r *Reader) sleep(ctx context.Context) {
	var due <-chan time.Time
	if r.subscribed() {
		due = time.After(time.Until(r.lastReadAt.Add(r.cfg.Period)))
	}
	select {
	case <-ctx.Done():
	case <-r.wake:
	case <-due:
	}
}

// read reads once. A failed reading does not change usage: the last one is kept and its age grows. If
// the API server refuses either nodes or pods, the other is used, and the section's error names the
// missing part.
func (r *Reader) read(ctx context.Context) {
	r.lastReadAt = time.Now()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	reading, refused, err := r.readParts(ctx)
	if errors.Is(err, context.Canceled) {
		return // Run ends
	}
	if err != nil {
		r.setReadError(err)
		return
	}
	r.cfg.SetReading(reading)
	r.setStatus(state.SectionStatus{ObservedAt: r.lastReadAt, Error: r.partialError(refused)})
}

// readParts reads nodes and containers. If the API server refuses one of them only, it returns
// the other and the refusal.
func (r *Reader) readParts(ctx context.Context) (reading state.Reading, refused *refusal, err error) {
	nodes, err := readNodes(ctx, r.list)
	noNodes := refusalOf(resourceNodes, err)
	if err != nil && noNodes == nil {
		return nil, nil, err
	}
	containers, err := readContainers(ctx, r.list)
	noPods := refusalOf(resourcePods, err)
	switch {
	case err == nil && noNodes == nil:
		maps.Copy(nodes, containers)
		return nodes, nil, nil
	case err == nil:
		return containers, noNodes, nil
	case noPods != nil && noNodes == nil:
		return nodes, noPods, nil
	case noPods != nil:
		return nil, nil, noNodes.err
	}
	return nil, nil, err
}

// partialError returns the section's error for a reading without one part, or no error if refused is
// nil. The first message is kept while the part and reason are the same, because later ones differ only
// in details.
func (r *Reader) partialError(refused *refusal) state.SectionError {
	if refused == nil {
		r.lastMissing = missing{}
		return state.SectionError{}
	}
	if r.lastStatus.Error.Reason == state.ReasonPartial && r.lastMissing == refused.missing {
		return r.lastStatus.Error
	}
	r.lastMissing = refused.missing
	return refused.sectionError()
}

// ReadNodes reads the usage of nodes once, within 2 s. It is safe for concurrent use and does not need
// Run.
func (r *Reader) ReadNodes(ctx context.Context) (state.Reading, error) {
	ctx, cancel := context.WithTimeout(ctx, nodesTimeout)
	defer cancel()
	return readNodes(ctx, r.list)
}

// setReadError sets the section's error for a failed reading. The first message is kept while the reason is
// the same, because later ones differ only in details such as a port number.
func (r *Reader) setReadError(err error) {
	sectionErr := sectionError(err)
	if sectionErr.Reason == r.lastStatus.Error.Reason {
		sectionErr = r.lastStatus.Error
	}
	r.setStatus(state.SectionStatus{ObservedAt: r.lastStatus.ObservedAt, Error: sectionErr})
}

// setStatus logs a change of the section's error and calls Config.SetStatus.
func (r *Reader) setStatus(status state.SectionStatus) {
	switch before := r.lastStatus.Error.Reason; {
	case status.Error.Reason == before:
	case status.Error.Reason == "" && before != state.ReasonPending:
		r.cfg.Log.Info("usage can be read again")
	case status.Error.Reason == state.ReasonPartial:
		r.cfg.Log.Warn("cannot read a part of usage", "message", status.Error.Message)
	case status.Error.Reason != "" && status.Error != pending:
		r.cfg.Log.Warn("cannot read usage", "reason", status.Error.Reason, "message", status.Error.Message)
	}
	r.lastStatus = status
	r.cfg.SetStatus(status)
}
