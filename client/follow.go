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
)

// Streams are renewed now and then, scattered, so that after a master's restart its
// clients do not stay together for ever, and that one which silently leads nowhere is
// noticed.
const (
	shortestStream = 5 * time.Minute
	// streamGrace is how long a stream may go on after it should have ended.
	streamGrace = 30 * time.Second
	// briefStream is how long a stream has to last for its end to be in good order.
	briefStream = time.Second
	// keptLine is how long a line may be whose room is kept for the next.
	keptLine = 1 << 20
)

// follower is one watch, over all its streams. It is used by one goroutine.
type follower struct {
	client   *Client
	path     string
	query    func() url.Values
	retrying func(error, time.Duration)

	// own is the stream's own scope, details are those of clusters on the fleet's.
	own     *scope
	details map[string]*scope

	backoff backoff
	// told says that the present stream has told something.
	told bool
}

// scope is where the events of a cluster, or of the fleet, were cut.
type scope struct {
	// version is where to resume; empty: begin anew.
	version string
	// known says that the reader knows something already; initial that the present
	// state is being told.
	known, initial bool
}

// errStopped says that the reader wants no more.
var errStopped = errors.New("the reader has stopped")

func newFollower(c *Client, path, version string, retrying func(error, time.Duration)) *follower {
	if retrying == nil {
		retrying = func(error, time.Duration) {}
	}
	if version == beginning {
		version = ""
	}
	return &follower{client: c, path: path, retrying: retrying, own: &scope{version: version, known: version != ""}, details: map[string]*scope{}}
}

type yieldEvent = func(Event, error) bool

// run streams until the reader stops or there is no use in coming again.
func (f *follower) run(ctx context.Context, yield yieldEvent) {
	for {
		begin := time.Now()
		err := f.stream(ctx, yield)
		if errors.Is(err, errStopped) {
			return
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if ctx.Err() != nil || f.final(err) {
			yield(Event{}, err)
			return
		}
		if f.told {
			f.backoff.reset()
		}
		if err == nil && time.Since(begin) >= briefStream {
			continue
		}
		if f.expired(err) {
			continue
		}
		in := f.backoff.next(askedPause(err))
		if err != nil {
			f.retrying(err, in)
		}
		if !pause(ctx, in) {
			yield(Event{}, context.Cause(ctx))
			return
		}
	}
}

// final says that to come again is of no use. A token that expires during a watch is
// no reason, as there may be a new one: only who is refused at once stays refused.
func (f *follower) final(err error) bool {
	var p *Problem
	switch {
	case errors.Is(err, ErrTooLarge), errors.Is(err, errUnreadable):
		return true
	case !errors.As(err, &p) || !p.final():
		return false
	}
	return p.Status != http.StatusUnauthorized || !f.told
}

// expired has the watch begin anew where it cannot be resumed, at once the first time.
func (f *follower) expired(err error) bool {
	var p *Problem
	if !errors.As(err, &p) || p.Status != http.StatusGone {
		return false
	}
	resumed := f.own.version != ""
	f.own.version = ""
	return resumed
}

func askedPause(err error) time.Duration {
	var p *Problem
	if errors.As(err, &p) {
		return p.RetryAfter
	}
	return 0
}

// errNoAnswer says that a master takes a watch and says nothing.
var errNoAnswer = fmt.Errorf("the master has not answered within %s", headerTimeout)

// errUnreadable says that the events are not those of this API.
var errUnreadable = errors.New("the watch cannot be read")

// stream reads one answer to its end; nil is an end in good order.
func (f *follower) stream(ctx context.Context, yield yieldEvent) error {
	f.told = false
	f.own.initial = false
	for _, d := range f.details {
		d.initial = false
	}
	lasts := shortestStream + rand.N(shortestStream) //nolint:gosec // jitter
	ctx, stop := context.WithTimeout(ctx, lasts+streamGrace)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	query := f.query()
	query.Set("watch", "true")
	query.Set("allowWatchBookmarks", "true")
	query.Set("timeoutSeconds", strconv.Itoa(int(lasts/time.Second)))
	response, err := f.open(ctx, cancel, query)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return f.read(response.Body, yield)
}

// read tells the events of a stream, to its end.
func (f *follower) read(body io.Reader, yield yieldEvent) error {
	in := newLines(body, f.client.config.MaxEvent)
	for {
		line, err := in.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the watch: %w", err)
		}
		e, err := decodeEvent(line)
		if err != nil {
			return fmt.Errorf("%w: %w", errUnreadable, err)
		}
		if err := f.tell(e, yield); err != nil {
			return err
		}
		in.keep(keptLine)
	}
}

// open waits for the answer to begin, and not for ever.
func (f *follower) open(ctx context.Context, cancel context.CancelCauseFunc, query url.Values) (*http.Response, error) {
	timer := time.AfterFunc(headerTimeout, func() { cancel(errNoAnswer) })
	defer timer.Stop()
	// A packed stream would be held back until a block of it is full.
	response, err := f.client.open(ctx, f.path, query, http.Header{"Accept-Encoding": {"identity"}})
	if errors.Is(context.Cause(ctx), errNoAnswer) {
		return nil, errNoAnswer
	}
	return response, err
}

// tell gives an event to the reader, and notes where to resume.
func (f *follower) tell(e Event, yield yieldEvent) error {
	if e.Type == Failed && e.Cluster == "" {
		return e.Object.(*Problem)
	}
	f.told = true
	s := f.own
	if e.Cluster != "" {
		if s = f.details[e.Cluster]; s == nil {
			return nil // it failed before
		}
	}
	if e.Type == Failed {
		return f.fail(e, yield)
	}
	if (e.Initial || e.InitialEnd) && !s.initial {
		s.initial, s.version = true, ""
		if s.known && !yield(Event{Type: Restarted, Cluster: e.Cluster}, nil) {
			return errStopped
		}
	}
	s.known = true
	if e.InitialEnd {
		s.initial = false
	}
	if !e.Initial && e.ResourceVersion != "" {
		s.version = e.ResourceVersion
	}
	if !yield(e, nil) {
		return errStopped
	}
	return nil
}

// fail ends the events of one cluster. If that may pass, the whole stream comes again.
func (f *follower) fail(e Event, yield yieldEvent) error {
	p := e.Object.(*Problem)
	if !p.final() {
		return p
	}
	delete(f.details, e.Cluster)
	if !yield(e, nil) {
		return errStopped
	}
	return nil
}
