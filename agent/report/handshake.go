package report

import (
	"context"
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/wire"
)

// awaitSubscribe waits for the first message of the master, which must be a SubscribeRequest, and returns it.
func awaitSubscribe(ctx context.Context, p *peer, c *conn) (*wire.SubscribeRequest, error) {
	timer := time.NewTimer(subscribeTimeout)
	defer timer.Stop()
	select {
	case m := <-p.messages:
		if req, ok := m.(*wire.SubscribeRequest); ok {
			if req.Protocol < wire.ProtocolTerms {
				req.Owner, req.Term = false, 0
			}
			return req, nil
		}
		return nil, protocolViolation("the first message is a %T, want a SubscribeRequest", m)
	case end := <-c.terminated:
		return nil, end
	case <-timer.C:
		return nil, &violationError{wire.CloseSilent, fmt.Sprintf("no SubscribeRequest within %s", subscribeTimeout)}
	case <-p.closed:
		return nil, p.readErr
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// validateSubscribe checks the protocol version, the IDs and the term of a request. If the master authenticated with a token,
// the request must have the master ID for which the token was signed. A request for a summary has no IDs.
func validateSubscribe(req *wire.SubscribeRequest, tokenMasterID string) error {
	switch {
	case req.Protocol < wire.ProtocolMin || req.Protocol > wire.ProtocolMax:
		return &unsupportedError{wire.Unsupported{
			ProtocolMin: wire.ProtocolMin, ProtocolMax: wire.ProtocolMax,
			Message: fmt.Sprintf("the agent supports protocol versions %d to %d, got %d", wire.ProtocolMin, wire.ProtocolMax, req.Protocol),
		}}
	case req.SummaryOnly:
		return nil
	case req.Session == "" || req.MasterID == "":
		return protocolViolation("the SubscribeRequest has no session or no master ID")
	case req.Owner && req.Term == 0:
		return protocolViolation("the SubscribeRequest of an owner has no term")
	case tokenMasterID != "" && req.MasterID != tokenMasterID:
		return protocolViolation("the SubscribeRequest has a different master ID than the token")
	}
	return nil
}

// grant returns the response to a request for a session. The granted period is at least minPeriod, and the granted
// duration is at most maxSession.
func grant(req *wire.SubscribeRequest, minPeriod, maxSession time.Duration) (wire.SubscribeResponse, error) {
	granted := wire.SubscribeResponse{Session: req.Session, Period: max(req.Period, minPeriod)}
	var err error
	granted.Duration, err = grantDuration(req.Duration, granted.Period, maxSession)
	return granted, err
}

// grantDuration returns the duration to grant for a SubscribeRequest or a Renew. It returns an error if the
// duration does not exceed the period, because the session would end before its first tick.
func grantDuration(requested, period, maxSession time.Duration) (time.Duration, error) {
	if duration := min(requested, maxSession); duration > period {
		return duration, nil
	}
	return 0, &endError{wire.EndError, fmt.Sprintf(
		"no report fits into a session of %s with a period of %s (requested: %s; the agent's --max-session: %s); request a longer session or a shorter period",
		min(requested, maxSession), period, requested, maxSession)}
}
