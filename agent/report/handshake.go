package report

import (
	"context"
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/wire"
)

// awaitReport waits for the first message of the master, which must be a SubscribeRequest, and returns it.
func awaitReport(ctx context.Context, p *peer, c *caller) (*wire.SubscribeRequest, error) {
	timer := time.NewTimer(reportTimeout)
	defer timer.Stop()
	select {
	case m := <-p.messages:
		if asked, ok := m.(*wire.SubscribeRequest); ok {
			return asked, nil
		}
		return nil, protocolError("the first message is a %T, not a Report", m)
	case end := <-c.orders:
		return nil, end
	case <-timer.C:
		return nil, &violation{wire.CloseSilent, fmt.Sprintf("no Report within %s", reportTimeout)}
	case <-p.gone:
		return nil, p.lost
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// admissible says whether a Report can be answered at all. Who dials with a token
// speaks for the holder in it, and for no other; who asks for a summary needs none.
func admissible(r *wire.SubscribeRequest, tokenHolder string) error {
	switch {
	case r.Protocol < wire.ProtocolMin || r.Protocol > wire.ProtocolMax:
		return &unsupported{wire.Unsupported{
			ProtocolMin: wire.ProtocolMin, ProtocolMax: wire.ProtocolMax,
			Message: fmt.Sprintf("the agent speaks protocol %d to %d, not %d", wire.ProtocolMin, wire.ProtocolMax, r.Protocol),
		}}
	case r.SummaryOnly:
		return nil
	case r.Session == "" || r.MasterID == "":
		return protocolError("a SubscribeRequest without session or master ID")
	case tokenHolder != "" && r.MasterID != tokenHolder:
		return protocolError("a SubscribeRequest with another master ID than the token")
	}
	return nil
}

// grant returns the response to a SubscribeRequest. The granted period is at least minPeriod, and the granted
// duration is at most maxSession.
func grant(r *wire.SubscribeRequest, minPeriod, maxSession time.Duration) (wire.SubscribeResponse, error) {
	g := wire.SubscribeResponse{Session: r.Session, Period: max(r.Period, minPeriod)}
	var err error
	g.Duration, err = grantDuration(r.Duration, g.Period, maxSession)
	return g, err
}

// grantDuration returns the duration to grant to a SubscribeRequest or a renewal. It returns an error if the
// duration does not exceed the period, because the session would end before its first tick.
func grantDuration(asked, period, longest time.Duration) (time.Duration, error) {
	if duration := min(asked, longest); duration > period {
		return duration, nil
	}
	return 0, &ended{wire.EndError, fmt.Sprintf("%s of at most %s leave no room for a report every %s", asked, longest, period)}
}
