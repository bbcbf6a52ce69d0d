package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall.dev/rollcall/agent/simulated"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session/dial"
)

const (
	// simulatedUsagePeriod is the time between two readings of usage of a simulated cluster.
	simulatedUsagePeriod = 5 * time.Second
	// staleFor is for how long a stale cluster has not been read at the start.
	staleFor = 12 * time.Minute
)

// simulation has simulated clusters. Some have trouble, one cannot be reached, and one is stale.
type simulation struct {
	clusters int
	seed     uint64
	version  string
}

func (s *simulation) title() string {
	return fmt.Sprintf("Rollcall shows %s, with trouble in some of them.", plural(s.clusters, "simulated cluster"))
}

// run implements source.
func (s *simulation) run(ctx context.Context, clusters *registry) error {
	all, ctx := errgroup.WithContext(ctx)
	for i, m := range simulated.Fleet(s.clusters, s.seed) {
		if m.Unreachable != "" {
			clusters.add(m.Name, func(context.Context) (net.Conn, error) {
				return nil, &dial.Failure{Reason: dial.DialFailed, Err: errors.New(m.Unreachable)}
			})
			continue
		}
		random := rand.New(rand.NewPCG(s.seed, uint64(i)+1)) //nolint:gosec // the clusters are made up
		now := time.Now()
		cluster := m.Build(random, state.TimeOf(now))
		a := simulated.NewAgent(simulated.AgentConfig{
			Name: m.Name, Version: s.version, Cluster: cluster, Usage: simulated.Waves(s.seed),
			UsagePeriod: simulatedUsagePeriod, UsagePhase: simulatedUsagePeriod * time.Duration(i%10+1) / 10,
		})
		if m.Stale {
			becomeStale(a, now.Add(-staleFor))
		}
		server := newAgentServer(a.Handler(), a.Ready(), a.Shutdown, slog.New(slog.DiscardHandler))
		all.Go(func() error { return server.serve(ctx) })
		all.Go(func() error { return a.Run(ctx) })
		if !m.Stale {
			all.Go(func() error { cluster.Live(ctx, random, a.Update); return nil })
		}
		clusters.add(m.Name, server.dial)
	}
	return all.Wait()
}

// becomeStale makes an agent report that it has lost its API server.
func becomeStale(a *simulated.Agent, at time.Time) {
	for section := range state.NumSections {
		a.SetSection(section, state.SectionStatus{ObservedAt: at, Error: state.SectionError{
			Reason: state.ReasonDisconnected, Message: "cannot watch " + section.String() + ": dial tcp 10.20.0.9:6443: i/o timeout",
		}})
	}
}
