package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/agent/usage"
	"rollcall.dev/rollcall/api/state"
)

// NewInformer returns a function that watches the cluster until its context is done. It passes each change to the
// facts.Tracker, and the facts that change to the store, in the same order. limits has the resources of which not
// everything may be read; see informer.Config.
func NewInformer(cluster *rest.Config, limits map[string]informer.Limit, store *snapshot.Store, log *slog.Logger) func(context.Context) error {
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
		return informer.Run(ctx, informer.Config{REST: cluster, Handler: handler, Limits: limits, Log: log})
	}
}

// usageSource reads the usage of nodes and containers and writes it to the store. usage.Reader and usage.None
// implement it.
type usageSource interface {
	// Run reads usage while there is a subscriber, until ctx is done. It reports errors as those of the usage section.
	Run(ctx context.Context) error
	// Subscribe makes Run read usage periodically until release is called.
	Subscribe() (release func())
	// ReadNodes reads the usage of nodes once, for a summary without a subscription.
	ReadNodes(ctx context.Context) (state.Reading, error)
}

// newUsageSource returns the source that cfg.UsageSource names. For each source, config/rbac/agent has a file with its
// permissions.
func newUsageSource(cfg Config, cluster *rest.Config, store *snapshot.Store) (usageSource, error) {
	setStatus := func(s state.SectionStatus) { store.SetSection(state.SectionUsage, s) }
	if cfg.UsageSource == UsageNone {
		return usage.None{SetStatus: setStatus}, nil
	}
	return usage.New(usage.Config{REST: cluster, Period: cfg.UsagePeriod, SetReading: store.SetUsage, SetStatus: setStatus, Log: cfg.Log})
}
