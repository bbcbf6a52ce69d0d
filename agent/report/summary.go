package report

import (
	"context"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// Reasons of the section usage that matter here.
const (
	reasonPending     = "Pending"
	reasonUnavailable = "Unavailable"
)

// summarize answers a Report that asks for one summary only. Problems and resources that
// the master has are not sent again: they seldom change, and take more than all the rest.
func (h *Handler) summarize(ctx context.Context, p *peer, asked *wire.SubscribeRequest, identity *wire.Identity) error {
	m := h.summary(ctx, asked.Ignore)
	m.Identity = identity
	m.SameProblems = asked.ProblemsHash != 0 && asked.ProblemsHash == wire.HashProblems(m.Summary.Problems)
	m.SameResources = asked.ResourcesHash != 0 && asked.ResourcesHash == wire.HashResources(identity, &m.Summary)
	if err := p.send(ctx, m); err != nil {
		return err
	}
	return errDone
}

// summary is the present state in numbers, with the nodes' usage of now if it can be
// read in time.
func (h *Handler) summary(ctx context.Context, ignore []state.Ignore) *wire.Summary {
	v := h.cfg.Store.Current()
	s := v.State
	sample, usageErr := h.readNodes(ctx)
	if sample != nil {
		s = v.WithUsage(sample)
	}
	now := time.Now()
	m := &wire.Summary{Summary: state.Summarize(s, now, ignore...), Ages: v.Ages(now), Errors: v.Errors()}
	age, problem := &m.Ages[state.SectionUsage], &m.Errors[state.SectionUsage]
	switch {
	case sample != nil:
		*age, *problem = 0, state.SectionError{}
	case usageErr != nil && (problem.Reason == "" || problem.Reason == reasonPending):
		*problem = state.SectionError{Reason: reasonUnavailable, Message: usageErr.Error()}
	}
	return m
}

// readNodes is nil without an error where there is no usage.
func (h *Handler) readNodes(ctx context.Context) (state.Sample, error) {
	if h.cfg.ReadNodes == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, summaryTimeout)
	defer cancel()
	return h.cfg.ReadNodes(ctx)
}
