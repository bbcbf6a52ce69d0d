package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"rollcall.dev/rollcall/api/backoff"
	httpv1 "rollcall.dev/rollcall/api/http/v1"
)

const (
	// minStreamDuration is the shortest time after which a stream is renewed. The time is
	// random, so that clients that reconnected together after a restart of the master spread
	// out. Renewal also detects lost connections.
	minStreamDuration = 5 * time.Minute
	// streamGrace is how long the master may keep a stream open after timeoutSeconds.
	streamGrace = 30 * time.Second
	// minNormalDuration is the shortest duration of a stream after whose end, without an
	// error, the watch reconnects without a delay.
	minNormalDuration = time.Second
	// maxRetryAfter limits the delay that a server requests by Retry-After.
	maxRetryAfter = 5 * time.Minute
	// maxKeptBuffer is the largest line buffer that is kept for the next line, in bytes.
	maxKeptBuffer = 1 << 20
)

// reconnect is the delay before a watch reconnects. Its upper half is random.
var reconnect = backoff.Backoff{Min: 500 * time.Millisecond, Max: 30 * time.Second, Jitter: 0.5}

// resumingWatcher is one watch over a sequence of streams. It is used by one goroutine.
type resumingWatcher struct {
	client  *Client
	path    string
	query   func() url.Values
	onRetry func(error, time.Duration)

	// own is the resume point of the stream itself. clusters has those of the clusters in
	// WatchClustersOptions.Detail.
	own      *resumePoint
	clusters map[string]*resumePoint

	// failures is the number of consecutive failures.
	failures int
	// received is true if an event of the current stream was received.
	received bool
}

// resumePoint is where to resume the events of a cluster, or of the stream itself.
type resumePoint struct {
	// version is the version to resume after; empty to start with the current state.
	version string
	// atLeast is the version that the state must have when the watch starts with the current state: the reader has had
	// that version, possibly from another master.
	atLeast string
	// known is true if the reader has had an event or started at a version. initial is true
	// while the initial state is being received.
	known, initial bool
}

// errStopped is returned after the reader has ended the iteration.
var errStopped = errors.New("the reader has stopped")

func newResumingWatcher(c *Client, path, version string, onRetry func(error, time.Duration)) *resumingWatcher {
	if onRetry == nil {
		onRetry = func(error, time.Duration) {}
	}
	if version == httpv1.InitialVersion {
		version = ""
	}
	return &resumingWatcher{client: c, path: path, onRetry: onRetry, own: &resumePoint{version: version, known: version != ""}, clusters: map[string]*resumePoint{}}
}

type yieldEvent = func(Event, error) bool

// run reads streams until the reader stops or an error is permanent.
func (w *resumingWatcher) run(ctx context.Context, yield yieldEvent) {
	for {
		begin := time.Now()
		err := w.stream(ctx, yield)
		if errors.Is(err, errStopped) {
			return
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if ctx.Err() != nil || w.permanent(err) {
			yield(Event{}, err)
			return
		}
		if w.received {
			w.failures = 0
		}
		if err == nil && time.Since(begin) >= minNormalDuration {
			continue
		}
		if w.expired(err) {
			continue
		}
		w.failures++
		w.own.atLeast = "" // the version may not exist anymore
		delay := w.delay(retryAfterOf(err))
		if err != nil {
			w.onRetry(err, delay)
		}
		if !backoff.Sleep(ctx, delay) {
			yield(Event{}, context.Cause(ctx))
			return
		}
	}
}

// delay returns the time until the watch reconnects: at least retryAfter, with jitter, so that
// clients that lost their connections together do not reconnect together.
func (w *resumingWatcher) delay(retryAfter time.Duration) time.Duration {
	delay := reconnect.Delay(w.failures, rand.Float64()) //nolint:gosec // jitter
	if retryAfter = min(retryAfter, maxRetryAfter); delay < retryAfter {
		delay = retryAfter + rand.N(max(retryAfter/8, time.Second)) //nolint:gosec // jitter
	}
	return delay
}

// permanent reports whether the watch must end. A 401 is permanent only if the stream has
// had no event: a token that has expired during a stream may have been renewed.
func (w *resumingWatcher) permanent(err error) bool {
	var p *Problem
	switch {
	case errors.Is(err, ErrTooLarge), errors.Is(err, errInvalidEvent):
		return true
	case !errors.As(err, &p) || !permanent(p):
		return false
	}
	return p.Status != http.StatusUnauthorized || !w.received
}

// expired resets the resume point after a 410. It reports whether there was one to reset:
// the watch then restarts without a delay.
func (w *resumingWatcher) expired(err error) bool {
	var p *Problem
	if !errors.As(err, &p) || p.Status != http.StatusGone {
		return false
	}
	resumed := w.own.version != ""
	w.own.version, w.own.atLeast = "", w.own.version
	return resumed
}

// retryAfterOf returns the Retry-After of a *Problem, zero for other errors.
func retryAfterOf(err error) time.Duration {
	var p *Problem
	if errors.As(err, &p) {
		return p.RetryAfter
	}
	return 0
}

// errNoResponse is returned if the master accepts a watch but sends no response header.
var errNoResponse = fmt.Errorf("no response from the master within %s", headerTimeout)

// errInvalidEvent is returned if a line is not an event of this API.
var errInvalidEvent = errors.New("invalid event")

// stream reads one stream to its end. It returns nil if the master has ended it.
func (w *resumingWatcher) stream(ctx context.Context, yield yieldEvent) error {
	w.received = false
	w.own.initial = false
	for _, point := range w.clusters {
		point.initial = false
	}
	duration := minStreamDuration + rand.N(minStreamDuration) //nolint:gosec // jitter
	ctx, stop := context.WithTimeout(ctx, duration+streamGrace)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	query := w.query()
	query.Set("watch", "true")
	query.Set("allowWatchBookmarks", "true")
	query.Set("timeoutSeconds", strconv.Itoa(int(duration/time.Second)))
	response, err := w.open(ctx, cancel, query)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return w.read(response.Body, yield)
}

// read yields the events of a stream.
func (w *resumingWatcher) read(body io.Reader, yield yieldEvent) error {
	lines := newLineReader(body, w.client.config.MaxEvent)
	for {
		line, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read watch: %w", err)
		}
		e, err := decodeEvent(line)
		if err != nil {
			return fmt.Errorf("%w: %w", errInvalidEvent, err)
		}
		if err := w.handle(e, yield); err != nil {
			return err
		}
		lines.shrink(maxKeptBuffer)
	}
}

// open sends the request, and waits for the response header for at most headerTimeout.
func (w *resumingWatcher) open(ctx context.Context, cancel context.CancelCauseFunc, query url.Values) (*http.Response, error) {
	timer := time.AfterFunc(headerTimeout, func() { cancel(errNoResponse) })
	defer timer.Stop()
	// Compression would delay events until a block is full.
	response, err := w.client.open(ctx, w.path, query, http.Header{"Accept-Encoding": {"identity"}})
	if errors.Is(context.Cause(ctx), errNoResponse) {
		return nil, errNoResponse
	}
	return response, err
}

// handle yields an event, and updates the resume point.
func (w *resumingWatcher) handle(e Event, yield yieldEvent) error {
	if e.Type == Failed && e.Cluster == "" {
		return e.Object.(*Problem)
	}
	w.received = true
	point := w.own
	if e.Cluster != "" {
		if point = w.clusters[e.Cluster]; point == nil {
			return nil // it has failed before
		}
	}
	if e.Type == Failed {
		return w.fail(e, yield)
	}
	if (e.Initial || e.InitialEnd) && !point.initial {
		point.initial, point.version = true, ""
		if point.known && !yield(Event{Type: Restarted, Cluster: e.Cluster}, nil) {
			return errStopped
		}
	}
	point.known = true
	if e.InitialEnd {
		point.initial = false
	}
	if !e.Initial && e.ResourceVersion != "" {
		point.version = e.ResourceVersion
	}
	if !yield(e, nil) {
		return errStopped
	}
	return nil
}

// fail ends the events of one cluster. If the error is not permanent, it ends the stream
// instead, so that the watch reconnects.
func (w *resumingWatcher) fail(e Event, yield yieldEvent) error {
	p := e.Object.(*Problem)
	if !permanent(p) {
		return p
	}
	delete(w.clusters, e.Cluster)
	if !yield(e, nil) {
		return errStopped
	}
	return nil
}
