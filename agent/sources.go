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

// newInformer returns a function that watches the cluster until its context is done. It passes each change to the
// facts.Tracker, and the facts that change to the store, in the same order.
func newInformer(cfg Config, cluster *rest.Config, store *snapshot.Store) func(context.Context) error {
	var mu sync.Mutex
	tracker := facts.NewTracker(func() state.Time { return state.TimeOf(time.Now()) })
	handler := informer.Handler{
		Apply: func(change func(*facts.Tracker) state.Changes) {
			mu.Lock()
			defer mu.Unlock()
			store.Update(change(tracker))
		},
		Section: store.SetSection,
	}
	return func(ctx context.Context) error {
		return informer.Run(ctx, informer.Config{REST: cluster, Handler: handler, Log: cfg.Log})
	}
}

// newUsageReader returns the Reader that writes usage to the store. With UsageNone it only sets the section's error to
// Disabled.
func newUsageReader(cfg Config, cluster *rest.Config, store *snapshot.Store) (*usage.Reader, error) {
	if cfg.UsageSource == UsageNone {
		cluster = nil
	}
	setStatus := func(s state.SectionStatus) { store.SetSection(state.SectionUsage, s) }
	return usage.New(usage.Config{REST: cluster, Period: cfg.UsagePeriod, SetReading: store.SetUsage, SetStatus: setStatus, Log: cfg.Log})
}
