package httpapi

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"reflect"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

const (
	// recheckInterval is about how often the client's access is reviewed again.
	recheckInterval = 30 * time.Second
	// authorizerOutageTimeout is how long a stream continues while the authorizer is unavailable.
	authorizerOutageTimeout = time.Minute
	// recheckTimeout is the timeout of one review, and the interval of retries.
	recheckTimeout = 10 * time.Second
)

// errStreamTimeout ends a stream normally, after timeoutSeconds.
var errStreamTimeout = errors.New("the stream has reached its timeout")

// stream is one client that watches one cluster, or the list of clusters. Only the goroutine of its
// request uses it.
type stream struct {
	api     *API
	request *http.Request
	writer  streamWriter
	// problem ends the stream as soon as it starts; nil for most.
	problem error

	details []*clusterWatch
	// list is nil in a stream of one cluster.
	list *listWatch

	deadline            time.Time // zero: never
	nextRecheck         time.Time // when access is reviewed next
	authorizerDownSince time.Time // since when the authorizer is unavailable; zero: it is available
	nextHeartbeat       time.Time // when the next heartbeat is due
	timer               *time.Timer
}

// start writes the header of the response and prepares the stream for run.
func (s *stream) start(w http.ResponseWriter, f view.Framing, p *params) (err error) {
	if s.writer, err = newStreamWriter(w, s.request, f, p.bookmarks); err != nil {
		return err
	}
	s.api.streams.Add(1)
	now := time.Now()
	s.timer = time.NewTimer(heartbeatInterval)
	s.nextRecheck, s.nextHeartbeat = now.Add(nextRecheckIn()), now.Add(heartbeatInterval)
	if p.streamTimeout > 0 {
		s.deadline = now.Add(p.streamTimeout)
	}
	return nil
}

// nextRecheckIn returns a randomized interval, so that streams that started together are not
// reviewed together.
func nextRecheckIn() time.Duration {
	return recheckInterval - time.Duration(rand.Int64N(int64(recheckInterval/4))) //nolint:gosec // jitter
}

// run serves the client until it disconnects or the stream ends.
func (s *stream) run() {
	defer s.api.streams.Done()
	defer s.close()
	defer s.timer.Stop()
	s.api.metrics.watches.Inc()
	defer s.api.metrics.watches.Dec()
	auditOf(s.request.Context()).startWatch()
	err := s.problem
	for err == nil {
		var wake time.Time
		if wake, err = s.step(time.Now()); err != nil {
			break
		}
		if err = s.writer.flush(); err != nil {
			break
		}
		s.timer.Reset(time.Until(wake))
		err = s.wait()
	}
	s.end(err)
}

// end records why the stream ends, and tells the client if possible.
func (s *stream) end(err error) {
	var p *httpv1.Problem
	var reason string
	var code int
	switch {
	case errors.Is(err, errClientGone):
		reason = "client"
	case errors.Is(err, errSlowClient):
		reason = "slow"
	case errors.Is(err, errStreamTimeout):
		reason = "timeout"
	default:
		p = s.api.problem(s.request, err)
		reason, code = p.Reason, p.Status
	}
	s.api.metrics.streamEnded(reason, code)
	auditOf(s.request.Context()).endWatch(reason, code)
	s.writer.close(p)
}

// step does everything that is due, and returns when something is due next.
func (s *stream) step(now time.Time) (wake time.Time, err error) {
	if !s.deadline.IsZero() && !now.Before(s.deadline) {
		return now, errStreamTimeout
	}
	if !now.Before(s.nextRecheck) {
		if err := s.recheckAccess(now); err != nil {
			return now, err
		}
	}
	if err := s.sendPending(now); err != nil {
		return now, err
	}
	if !now.Before(s.nextHeartbeat) {
		if err := s.writer.heartbeat(s.bookmark); err != nil {
			return now, err
		}
		s.nextHeartbeat = now.Add(heartbeatInterval)
	}
	return s.nextWake(), nil
}

// sendPending writes the events that the client does not have yet.
func (s *stream) sendPending(now time.Time) error {
	if s.list != nil {
		if err := s.list.sendPending(s, now); err != nil {
			return err
		}
	}
	for i := 0; i < len(s.details); i++ {
		d := s.details[i]
		err := d.sendPending(now, s.write)
		var p *httpv1.Problem
		switch {
		case s.list == nil || !errors.As(err, &p):
		case p.Reason == httpv1.ReasonExpired:
			d.started = false
			err = d.sendPending(now, s.write)
		default: // the other watches continue
			err = s.write(errorLine(p, d.framing, d.cluster))
			s.removeDetail(i)
			i--
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) removeDetail(i int) {
	s.details[i].close()
	s.details = append(s.details[:i:i], s.details[i+1:]...)
}

func (s *stream) write(events []byte) error {
	if len(events) == 0 {
		return nil
	}
	s.nextHeartbeat = time.Now().Add(heartbeatInterval)
	return s.writer.write(events)
}

func (s *stream) bookmark() ([]byte, error) {
	if s.list != nil {
		return s.list.bookmark()
	}
	return s.details[0].heartbeat()
}

// nextWake returns when something is due even if no cluster changes.
func (s *stream) nextWake() time.Time {
	wake := s.nextRecheck
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(wake) {
			wake = t
		}
	}
	sooner(s.deadline)
	sooner(s.nextHeartbeat)
	for _, d := range s.details {
		sooner(d.refreshAt)
	}
	if s.list != nil {
		sooner(s.list.nextRefresh)
	}
	return wake
}

// recheckAccess reviews whether the client may still watch. If the authorizer or the registry is unavailable, the
// stream continues for authorizerOutageTimeout.
func (s *stream) recheckAccess(now time.Time) error {
	ctx, cancel := context.WithTimeout(s.request.Context(), recheckTimeout)
	defer cancel()
	err := s.reviewAccess(ctx)
	s.nextRecheck = now.Add(nextRecheckIn())
	switch {
	case !isTransient(err):
		s.authorizerDownSince = time.Time{}
	case s.authorizerDownSince.IsZero():
		s.authorizerDownSince, err = now, nil
		s.nextRecheck = now.Add(recheckTimeout)
	case now.Sub(s.authorizerDownSince) < authorizerOutageTimeout:
		s.nextRecheck, err = now.Add(recheckTimeout), nil
	}
	return err
}

// isTransient reports whether it is not known for the moment what a client may see.
func isTransient(err error) bool {
	return errors.Is(err, ErrAuthorizerUnavailable) || errors.Is(err, ErrTooManyRequests) || errors.Is(err, session.ErrRegistryUnavailable)
}

// reviewAccess returns an error if the client may not watch any more.
func (s *stream) reviewAccess(ctx context.Context) error {
	if s.list != nil {
		return s.list.recheckAccess(ctx, s)
	}
	d := s.details[0]
	return s.api.authorizeWatch(ctx, s.request, d.cluster, d.scope.Part != view.Summary)
}

// wait waits for a change, the timer, a message of the client, or the end. The common case of one
// cluster avoids the slower reflect.Select.
func (s *stream) wait() error {
	if s.list != nil {
		return s.waitList()
	}
	select {
	case <-s.details[0].changed:
	case <-s.timer.C:
	case <-s.writer.done():
		return errClientGone
	case <-s.api.draining.Done():
		return errDraining
	case <-s.writer.messages():
		return badRequest("this stream accepts no messages; only the stream of the list of clusters does")
	}
	return nil
}

func (s *stream) waitList() error {
	channels := []any{s.writer.done(), s.api.draining.Done(), s.writer.messages(), s.timer.C, s.list.changed}
	for _, d := range s.details {
		channels = append(channels, d.changed)
	}
	cases := make([]reflect.SelectCase, len(channels))
	for i, c := range channels {
		cases[i] = reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c)}
	}
	chosen, message, _ := reflect.Select(cases)
	switch chosen {
	case 0:
		return errClientGone
	case 1:
		return errDraining
	case 2:
		return s.list.handleMessage(s, message.Bytes())
	}
	return nil
}

// close ends all watches of the stream.
func (s *stream) close() {
	for _, d := range s.details {
		d.close()
	}
	if s.list != nil {
		s.list.close()
	}
}
