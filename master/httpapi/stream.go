package httpapi

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"reflect"
	"time"

	"rollcall.dev/rollcall/master/view"
)

const (
	// reviewPeriod is about how often it is asked anew whether a client may watch.
	reviewPeriod = 30 * time.Second
	// undecidedGrace is for how long a stream goes on that nobody can be asked about.
	undecidedGrace = time.Minute
	// reviewTimeout bounds one such question.
	reviewTimeout = 10 * time.Second
)

// errOver ends a stream in good order.
var errOver = errors.New("the stream is over")

// stream is one client that watches one cluster, or the fleet. All it does is done by
// the goroutine of its request.
type stream struct {
	api     *API
	request *http.Request
	outlet  outlet
	// problem is why the stream ends at once, nil for most.
	problem error

	details []*detail
	// fleet is nil on the stream of one cluster.
	fleet *fleetWatch

	ends      time.Time // zero: never
	reviewed  time.Time // when it is time for a review
	undecided time.Time // since when there was no answer; zero: there is one
	beat      time.Time // when silence has lasted long enough
	timer     *time.Timer
}

// start begins the answer, and readies the stream to run.
func (s *stream) start(w http.ResponseWriter, f view.Framing, p *params) (err error) {
	if s.outlet, err = newOutlet(w, s.request, f, p.bookmarks); err != nil {
		return err
	}
	s.api.streams.Add(1)
	now := time.Now()
	s.timer = time.NewTimer(heartbeat)
	s.reviewed, s.beat = now.Add(nextReview()), now.Add(heartbeat)
	if p.lasts > 0 {
		s.ends = now.Add(p.lasts)
	}
	return nil
}

// nextReview scatters reviews, so that all that came at once are not asked about at
// once.
func nextReview() time.Duration {
	return reviewPeriod - time.Duration(rand.Int64N(int64(reviewPeriod/4))) //nolint:gosec // jitter
}

// run serves the client until it goes, or the stream has to end.
func (s *stream) run() {
	defer s.api.streams.Done()
	defer s.shut()
	defer s.timer.Stop()
	s.api.metrics.watches.Inc()
	defer s.api.metrics.watches.Dec()
	err := s.problem
	for err == nil {
		var wake time.Time
		if wake, err = s.catchUp(time.Now()); err != nil {
			break
		}
		if err = s.outlet.flush(); err != nil {
			break
		}
		s.timer.Reset(time.Until(wake))
		err = s.wait()
	}
	s.end(err)
}

// end tells the client why, where it can still be told.
func (s *stream) end(err error) {
	switch {
	case errors.Is(err, errGone):
		s.api.metrics.ended("client", 0)
		s.outlet.close(nil)
	case errors.Is(err, errSlow):
		s.api.metrics.ended("slow", 0)
		s.outlet.close(nil)
	case errors.Is(err, errOver):
		s.api.metrics.ended("timeout", 0)
		s.outlet.close(nil)
	default:
		p := s.api.problem(s.request, err)
		s.api.metrics.ended(p.Reason, p.Status)
		s.outlet.close(p)
	}
}

// catchUp does what is due, and says when something is next.
func (s *stream) catchUp(now time.Time) (wake time.Time, err error) {
	if !s.ends.IsZero() && !now.Before(s.ends) {
		return now, errOver
	}
	if !now.Before(s.reviewed) {
		if err := s.ask(now); err != nil {
			return now, err
		}
	}
	if err := s.tell(now); err != nil {
		return now, err
	}
	if !now.Before(s.beat) {
		if err := s.outlet.beat(s.bookmark); err != nil {
			return now, err
		}
		s.beat = now.Add(heartbeat)
	}
	return s.next(), nil
}

// tell writes what the client lacks.
func (s *stream) tell(now time.Time) error {
	if s.fleet != nil {
		if err := s.fleet.catchUp(s, now); err != nil {
			return err
		}
	}
	for i := 0; i < len(s.details); i++ {
		d := s.details[i]
		err := d.catchUp(now, s.write)
		var p *Problem
		switch {
		case s.fleet == nil || !errors.As(err, &p):
		case p.Reason == ReasonExpired:
			d.begun = false
			err = d.catchUp(now, s.write)
		default: // the others go on
			err = s.write(errorLine(p, d.framing, d.cluster))
			s.drop(i)
			i--
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) drop(i int) {
	s.details[i].shut()
	s.details = append(s.details[:i:i], s.details[i+1:]...)
}

func (s *stream) write(events []byte) error {
	if len(events) == 0 {
		return nil
	}
	s.beat = time.Now().Add(heartbeat)
	return s.outlet.write(events)
}

func (s *stream) bookmark() ([]byte, error) {
	if s.fleet != nil {
		return s.fleet.bookmark()
	}
	return s.details[0].beat()
}

// next is when something is due though there is no news.
func (s *stream) next() time.Time {
	wake := s.reviewed
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(wake) {
			wake = t
		}
	}
	sooner(s.ends)
	sooner(s.beat)
	for _, d := range s.details {
		sooner(d.wake)
	}
	if s.fleet != nil {
		sooner(s.fleet.again)
	}
	return wake
}

// ask asks whether the client may still watch. While nobody answers, the stream goes
// on for some time only.
func (s *stream) ask(now time.Time) error {
	ctx, cancel := context.WithTimeout(s.request.Context(), reviewTimeout)
	defer cancel()
	err := s.review(ctx)
	s.reviewed = now.Add(nextReview())
	switch {
	case !errors.Is(err, ErrUndecided) && !errors.Is(err, ErrTooMany):
		s.undecided = time.Time{}
	case s.undecided.IsZero():
		s.undecided, err = now, nil
		s.reviewed = now.Add(reviewTimeout)
	case now.Sub(s.undecided) < undecidedGrace:
		s.reviewed, err = now.Add(reviewTimeout), nil
	}
	return err
}

// review asks whether the client may still watch.
func (s *stream) review(ctx context.Context) error {
	if s.fleet != nil {
		return s.fleet.review(ctx, s)
	}
	d := s.details[0]
	return s.api.mayWatch(ctx, s.request, d.cluster, d.scope.Part != view.Summary)
}

// wait waits for news, the timer, what the client says, and the end. The stream of one
// cluster waits for little enough for a plain select.
func (s *stream) wait() error {
	if s.fleet != nil {
		return s.waitForMany()
	}
	select {
	case <-s.details[0].news:
	case <-s.timer.C:
	case <-s.outlet.gone():
		return errGone
	case <-s.api.draining.Done():
		return errDraining
	case <-s.outlet.messages():
		return badQuery("this stream takes no messages; that of the fleet does")
	}
	return nil
}

func (s *stream) waitForMany() error {
	channels := []any{s.outlet.gone(), s.api.draining.Done(), s.outlet.messages(), s.timer.C, s.fleet.news}
	for _, d := range s.details {
		channels = append(channels, d.news)
	}
	cases := make([]reflect.SelectCase, len(channels))
	for i, c := range channels {
		cases[i] = reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c)}
	}
	chosen, said, _ := reflect.Select(cases)
	switch chosen {
	case 0:
		return errGone
	case 1:
		return errDraining
	case 2:
		return s.fleet.hear(s, said.Bytes())
	}
	return nil
}

// shut ends all watches of the stream.
func (s *stream) shut() {
	for _, d := range s.details {
		d.shut()
	}
	if s.fleet != nil {
		s.fleet.shut()
	}
}
