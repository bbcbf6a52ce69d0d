package report

import (
	"context"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// sendSummary responds to a request for one summary. It leaves out problems and resources that the master has
// already. They rarely change and are larger than the rest of a summary.
func (h *Handler) sendSummary(ctx context.Context, p *peer, req *wire.SubscribeRequest, identity *wire.Identity) error {
	m := h.buildSummary(ctx, req.Ignore)
	m.Identity = identity
	m.SameProblems = req.ProblemsHash != 0 && req.ProblemsHash == wire.HashProblems(m.Summary.Problems)
	m.SameResources = req.ResourcesHash != 0 && req.ResourcesHash == wire.HashResources(identity, &m.Summary)
	if err := p.send(ctx, m); err != nil {
		return err
	}
	return errSummarySent
}

// buildSummary returns the summary of the current state. It contains the usage of nodes as read now if that succeeds
// within summaryTimeout.
func (h *Handler) buildSummary(ctx context.Context, ignore []state.Ignore) *wire.Summary {
	v := h.cfg.Store.Current()
	s := v.State
	reading, usageErr := h.readNodes(ctx)
	if reading != nil {
		s = v.WithUsage(reading)
	}
	now := time.Now()
	m := &wire.Summary{Summary: state.Summarize(s, now, ignore...), Ages: v.Ages(now), Errors: v.Errors()}
	age, sectionErr := &m.Ages[state.SectionUsage], &m.Errors[state.SectionUsage]
	switch {
	case reading != nil:
		*age, *sectionErr = 0, state.SectionError{}
	case usageErr != nil && (sectionErr.Reason == "" || sectionErr.Reason == state.ReasonPending):
		*sectionErr = state.SectionError{Reason: state.ReasonUnavailable, Message: usageErr.Error()}
	}
	return m
}

// readNodes reads the usage of nodes. It returns a nil Reading and no error if usage is switched off.
func (h *Handler) readNodes(ctx context.Context) (state.Reading, error) {
	if h.cfg.ReadNodes == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, summaryTimeout)
	defer cancel()
	return h.cfg.ReadNodes(ctx)
}
