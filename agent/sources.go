package agent

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/agent/usage"
	"rollcall.dev/rollcall/api/state"
)

// watches keep the one Tracker up to date and hand what changes to the snapshot, in
// the order in which it changed.
func watches(cfg Config, cluster *rest.Config, to *snapshot.Store) func(context.Context) error {
	var mu sync.Mutex
	tracker := facts.NewTracker(func() state.Time { return state.TimeOf(time.Now()) })
	sink := informer.Sink{
		Apply: func(change func(*facts.Tracker) state.Changes) {
			mu.Lock()
			defer mu.Unlock()
			to.Update(change(tracker))
		},
		Section: to.SetSection,
	}
	return func(ctx context.Context) error {
		return informer.Run(ctx, informer.Config{REST: cluster, Sink: sink, Log: cfg.Log})
	}
}

// usageReader reads usage for the snapshot; where it is switched off it says so and
// reads nothing.
func usageReader(cfg Config, cluster *rest.Config, to *snapshot.Store) (*usage.Reader, error) {
	if cfg.UsageSource == UsageNone {
		cluster = nil
	}
	report := func(r state.SectionStatus) { to.SetSection(state.SectionUsage, r) }
	return usage.New(usage.Config{REST: cluster, Period: cfg.UsagePeriod, Sink: to.SetUsage, Report: report, Log: cfg.Log})
}
