package informer

import (
	"context"
	"log/slog"
	"sync"

	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

// Config configures Run.
type Config struct {
	// REST connects to the API server. Run sets content type and rate limits itself.
	REST *rest.Config
	Sink Sink
	// Log receives sections that become stale or fresh, and client-go's messages at debug
	// level.
	Log *slog.Logger
}

// Sink receives changes of the cluster. Its functions are called on several goroutines.
type Sink struct {
	// Apply calls a function with the Tracker and applies the returned changes. It must
	// serialize calls. Watches wait while it blocks.
	Apply func(func(*facts.Tracker) state.Changes)
	// Section receives the status of a section: once at the start, and at each change. It is
	// called after Apply with the data that the status is about.
	Section func(state.SectionName, state.SectionStatus)
}

// Run watches the cluster until ctx is done, and returns when all watches have ended. It
// returns an error only if no client can be created from cfg.REST.
func Run(ctx context.Context, cfg Config) error {
	c, err := clientsFor(cfg.REST)
	if err != nil {
		return err
	}
	defer c.close()
	run(ctx, cfg, kindsOf(c))
	return nil
}

// run starts the watches of kinds and their monitor, and waits until they have ended.
func run(ctx context.Context, cfg Config, kinds []kind) {
	m := newMonitor(cfg)
	var running sync.WaitGroup
	for _, k := range kinds {
		reflect := k.start(cfg, m.watch(k.section, k.resource))
		running.Go(func() { reflect(ctx) })
	}
	running.Go(func() { m.run(ctx) })
	running.Wait()
}
