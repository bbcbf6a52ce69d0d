package main

import (
	"context"
	"errors"
	"time"
)

// shared is the agent and session that stream, flip and resident measure one after the other,
// since a session needs ten minutes to reach its steady state.
type shared struct {
	agent     *agent
	forwarder *forwarder
	session   *session
	// began is when the session did; its agent started a moment before.
	began time.Time
}

func (w *world) sharedSession(ctx context.Context) (*played, *shared, error) {
	p, err := w.regular(ctx)
	if err != nil || w.shared != nil {
		return p, w.shared, err
	}
	s, err := w.openSession(ctx, p, "watched", "--usage-period", w.sizes.sample.String())
	w.shared = s
	return p, s, err
}

// endShared ends that session and its agent, so that the next scenario has the machine for
// itself.
func (w *world) endShared(ctx context.Context) error {
	if w.shared == nil {
		return nil
	}
	s := w.shared
	w.shared = nil
	return s.end(ctx)
}

// openSession starts an agent for the simulated cluster and a session with it, and waits for
// the first usage reading.
func (w *world) openSession(ctx context.Context, p *played, name string, flags ...string) (*shared, error) {
	s := &shared{}
	var err error
	if s.agent, err = w.startAgent(ctx, p.Cluster, name, append(flags, "--min-request-period", "500ms")...); err != nil {
		return nil, err
	}
	if s.forwarder, err = forward(s.agent.address); err != nil {
		return nil, errors.Join(err, s.agent.end(ctx))
	}
	s.began = time.Now()
	if s.session, err = dial(ctx, s.agent, s.forwarder, w.sizes.period, nil); err != nil {
		s.forwarder.close()
		return nil, errors.Join(err, s.agent.end(ctx))
	}
	if _, err := s.session.await(ctx, 0, usageFlush); err != nil {
		return nil, errors.Join(err, s.end(ctx))
	}
	return s, nil
}

// end stops the agent too.
func (s *shared) end(ctx context.Context) error {
	s.close()
	return s.agent.end(ctx)
}

func (s *shared) close() {
	s.session.close()
	s.forwarder.close()
}
