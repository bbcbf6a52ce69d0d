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
	// defaultPeriod is how often usage is read; metrics-server itself samples every
	// 15 s at its fastest.
	defaultPeriod = 15 * time.Second
	// readTimeout bounds one reading, nodesTimeout one of nodes alone, for which
	// somebody waits.
	readTimeout  = 10 * time.Second
	nodesTimeout = 2 * time.Second
)

// Config is what New needs.
type Config struct {
	// REST leads to the cluster; nil: usage is switched off (--usage-source none).
	REST *rest.Config
	// Period is the time from one reading to the next; 0: 15 s.
	Period time.Duration
	// Sink takes each reading, Report how fresh usage is. Both are called from Run's
	// goroutine, the reading first.
	Sink   func(state.Sample)
	Report func(state.SectionReport)
	Log    *slog.Logger
}

// Reader reads usage while anyone subscribes.
type Reader struct {
	cfg Config
	// list is nil where usage is switched off.
	list   lister
	hangUp func()
	// wake tells Run that there is a first subscriber.
	wake chan struct{}

	mu          sync.Mutex
	subscribers int

	// Owned by Run: when the last reading began, what was reported last, and which part was
	// missing then.
	readAt  time.Time
	last    state.SectionReport
	missing missing
}

// New makes a Reader that does nothing until Run. An error means that the client's
// configuration is of no use.
func New(cfg Config) (*Reader, error) {
	if cfg.Period == 0 {
		cfg.Period = defaultPeriod
	}
	r := &Reader{cfg: cfg, wake: make(chan struct{}, 1)}
	if cfg.REST == nil {
		return r, nil
	}
	var err error
	r.list, r.hangUp, err = listerFor(cfg.REST)
	return r, err
}

// Subscribe has usage read once a period until release is called, and at once
// unless the last reading is younger than that. A second release does nothing.
func (r *Reader) Subscribe() (release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subscribers++
	if r.subscribers == 1 {
		select {
		case r.wake <- struct{}{}:
		default: // Run is awake, or will be
		}
	}
	return sync.OnceFunc(r.unsubscribe)
}

func (r *Reader) unsubscribe() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subscribers--
}

func (r *Reader) wanted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.subscribers > 0
}

// Run reads until ctx is done.
func (r *Reader) Run(ctx context.Context) error {
	if r.list == nil {
		r.report(state.SectionReport{Error: disabled})
		<-ctx.Done()
		return nil
	}
	defer r.hangUp()
	r.report(state.SectionReport{Error: pending})
	for ctx.Err() == nil {
		if r.wanted() && time.Since(r.readAt) >= r.cfg.Period {
			r.read(ctx)
		}
		r.sleep(ctx)
	}
	return nil
}

// sleep waits for the next reading that anyone wants.
func (r *Reader) sleep(ctx context.Context) {
	var due <-chan time.Time
	if r.wanted() {
		due = time.After(time.Until(r.readAt.Add(r.cfg.Period)))
	}
	select {
	case <-ctx.Done():
	case <-r.wake:
	case <-due:
	}
}

// read reads once. A reading that breaks off is none: what is known stays, and its age
// shows. One of which the API server refuses a part is what there is, and an error says
// which part is missing.
func (r *Reader) read(ctx context.Context) {
	r.readAt = time.Now()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	sample, refused, err := r.sample(ctx)
	if errors.Is(err, context.Canceled) {
		return // Run is being ended
	}
	if err != nil {
		r.fail(err)
		return
	}
	r.cfg.Sink(sample)
	r.report(state.SectionReport{ObservedAt: r.readAt, Error: r.troubleOfPart(refused)})
}

// sample reads all there is; refused is the part that the API server does not give, if it
// gives the other.
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

// troubleOfPart is what is missing of a reading, in the words of the first time: the next
// ones differ in nothing of weight.
func (r *Reader) troubleOfPart(refused *refusal) state.SectionError {
	if refused == nil {
		r.missing = missing{}
		return state.SectionError{}
	}
	if r.last.Error.Reason == reasonPartial && r.missing == refused.missing {
		return r.last.Error
	}
	r.missing = refused.missing
	return refused.trouble()
}

// ReadNodes reads the usage of nodes alone, once, for at most 2 s. It may be called
// at any time by anyone.
func (r *Reader) ReadNodes(ctx context.Context) (state.Sample, error) {
	if r.list == nil {
		return nil, errors.New(disabled.Message)
	}
	ctx, cancel := context.WithTimeout(ctx, nodesTimeout)
	defer cancel()
	return nodeSample(ctx, r.list)
}

// fail reports that a reading failed. Of errors with one reason the first is kept:
// the next ones differ in nothing but a port number.
func (r *Reader) fail(err error) {
	trouble := troubleOf(err)
	if trouble.Reason == r.last.Error.Reason {
		trouble = r.last.Error
	}
	r.report(state.SectionReport{ObservedAt: r.last.ObservedAt, Error: trouble})
}

func (r *Reader) report(report state.SectionReport) {
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
