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
	// REST connects to the API server; nil means that usage is off (--usage-source none).
	REST *rest.Config
	// Period is the time between readings; 0 means 15 s.
	Period time.Duration
	// Sink receives each reading, then Report the status of the usage section. Both are
	// called on Run's goroutine.
	Sink   func(state.Sample)
	Report func(state.SectionStatus)
	Log    *slog.Logger
}

// Reader reads usage while it has subscribers.
type Reader struct {
	cfg Config
	// list is nil if usage is off.
	list      lister
	closeIdle func()
	// wake notifies Run of a first subscriber.
	wake chan struct{}

	mu          sync.Mutex
	subscribers int

	// Owned by Run: the start of the last reading, the last reported status, and the part
	// that was missing then.
	readAt  time.Time
	last    state.SectionStatus
	missing missing
}

// New returns a Reader that is idle until Run is called. It fails if no client can be made
// of cfg.REST.
func New(cfg Config) (*Reader, error) {
	if cfg.Period == 0 {
		cfg.Period = defaultPeriod
	}
	r := &Reader{cfg: cfg, wake: make(chan struct{}, 1)}
	if cfg.REST == nil {
		return r, nil
	}
	var err error
	r.list, r.closeIdle, err = listerFor(cfg.REST)
	return r, err
}

// Subscribe keeps usage being read once a period until release is called. The first
// reading starts at once, unless the last one is younger than a period. Calling release
// again has no effect.
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
	if r.list == nil {
		r.setStatus(state.SectionStatus{Error: disabled})
		<-ctx.Done()
		return nil
	}
	defer r.closeIdle()
	r.setStatus(state.SectionStatus{Error: pending})
	for ctx.Err() == nil {
		if r.subscribed() && time.Since(r.readAt) >= r.cfg.Period {
			r.read(ctx)
		}
		r.sleep(ctx)
	}
	return nil
}

// sleep waits until the next reading is due, a subscriber comes, or ctx is done.
func (r *Reader) sleep(ctx context.Context) {
	var due <-chan time.Time
	if r.subscribed() {
		due = time.After(time.Until(r.readAt.Add(r.cfg.Period)))
	}
	select {
	case <-ctx.Done():
	case <-r.wake:
	case <-due:
	}
}

// read reads once. A reading that fails changes no usage: the last one stays and its age
// grows. If the API server refuses one of nodes and pods, the other is used, and the
// section's error tells which is missing.
func (r *Reader) read(ctx context.Context) {
	r.readAt = time.Now()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	sample, refused, err := r.sample(ctx)
	if errors.Is(err, context.Canceled) {
		return // Run ends
	}
	if err != nil {
		r.fail(err)
		return
	}
	r.cfg.Sink(sample)
	r.setStatus(state.SectionStatus{ObservedAt: r.readAt, Error: r.partialError(refused)})
}

// sample reads nodes and containers. If the API server refuses one of them only, sample
// returns the other and the refusal.
func (r *Reader) sample(ctx context.Context) (sample state.Sample, refused *refusal, err error) {
	nodes, err := nodeSample(ctx, r.list)
	noNodes := refusalOf(resourceNodes, err)
	if err != nil && noNodes == nil {
		return nil, nil, err
	}
	containers, err := containerSample(ctx, r.list)
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

// partialError returns the section's error for a reading without one part, and none for a
// full one. The message of the first such reading is kept, as later ones differ in details
// only.
func (r *Reader) partialError(refused *refusal) state.SectionError {
	if refused == nil {
		r.missing = missing{}
		return state.SectionError{}
	}
	if r.last.Error.Reason == reasonPartial && r.missing == refused.missing {
		return r.last.Error
	}
	r.missing = refused.missing
	return refused.sectionError()
}

// ReadNodes reads the usage of nodes once, within 2 s. It is safe for concurrent use, also
// without Run.
func (r *Reader) ReadNodes(ctx context.Context) (state.Sample, error) {
	if r.list == nil {
		return nil, errors.New(disabled.Message)
	}
	ctx, cancel := context.WithTimeout(ctx, nodesTimeout)
	defer cancel()
	return nodeSample(ctx, r.list)
}

// fail sets the section's error for a failed reading. While the reason stays, so does the
// first message: later ones differ in a port number only.
func (r *Reader) fail(err error) {
	failed := sectionError(err)
	if failed.Reason == r.last.Error.Reason {
		failed = r.last.Error
	}
	r.setStatus(state.SectionStatus{ObservedAt: r.last.ObservedAt, Error: failed})
}

// setStatus logs a change of the section's status and passes it to Config.Report.
func (r *Reader) setStatus(report state.SectionStatus) {
	switch before := r.last.Error.Reason; {
	case report.Error.Reason == before:
	case report.Error.Reason == "" && before != reasonPending:
		r.cfg.Log.Info("usage is read again")
	case report.Error.Reason == reasonPartial:
		r.cfg.Log.Warn("a part of usage cannot be read", "message", report.Error.Message)
	case report.Error.Reason != "" && report.Error != pending && report.Error != disabled:
		r.cfg.Log.Warn("usage cannot be read", "reason", report.Error.Reason, "message", report.Error.Message)
	}
	r.last = report
	r.cfg.Report(report)
}
