package main

import (
	"context"
	"errors"
	"time"
)

// agentSession is an agent with a session. The scenarios stream, flip and resident measure the same one, one after
// the other, since a session needs ten minutes to reach its steady state.
type agentSession struct {
	agent     *agent
	forwarder *forwarder
	session   *session
	// startedAt is the start of the session. The agent started a moment before.
	startedAt time.Time
}

// sharedSession returns the regular cluster and the session that several scenarios share.
func (env *environment) sharedSession(ctx context.Context) (*kwokCluster, *agentSession, error) {
	p, err := env.regular(ctx)
	if err != nil || env.sharedAgent != nil {
		return p, env.sharedAgent, err
	}
	s, err := env.openSession(ctx, p, "watched", "--usage-period", env.sizes.sample.String())
	env.sharedAgent = s
	return p, s, err
}

// endShared ends the shared session and its agent, so that the next scenario has the whole machine.
func (env *environment) endShared(ctx context.Context) error {
	if env.sharedAgent == nil {
		return nil
	}
	s := env.sharedAgent
	env.sharedAgent = nil
	return s.closeAll(ctx)
}

// openSession starts an agent for the simulated cluster and a session with it, and waits for
// the first usage reading.
func (env *environment) openSession(ctx context.Context, p *kwokCluster, name string, flags ...string) (*agentSession, error) {
	s := &agentSession{}
	var err error
	if s.agent, err = env.startAgent(ctx, p.Cluster, name, append(flags, "--min-request-period", "500ms")...); err != nil {
		return nil, err
	}
	if s.forwarder, err = newForwarder(s.agent.address); err != nil {
		return nil, errors.Join(err, s.agent.close(ctx))
	}
	s.startedAt = time.Now()
	if s.session, err = dial(ctx, s.agent, s.forwarder, env.sizes.period, nil); err != nil {
		s.forwarder.close()
		return nil, errors.Join(err, s.agent.close(ctx))
	}
	if _, err := s.session.waitFlush(ctx, 0, usageFlush); err != nil {
		return nil, errors.Join(err, s.closeAll(ctx))
	}
	return s, nil
}

// closeAll ends the session and stops the agent.
func (s *agentSession) closeAll(ctx context.Context) error {
	s.close()
	return s.agent.close(ctx)
}

// close ends the session. The agent keeps running.
func (s *agentSession) close() {
	s.session.close()
	s.forwarder.close()
}
