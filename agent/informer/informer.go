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
	REST    *rest.Config
	Handler Handler
	// Limits has the resources of which not everything is read, by name. An agent of an installation has none.
	Limits map[string]Limit
	// Log receives sections that become stale or fresh, and client-go's messages at debug
	// level.
	Log *slog.Logger
}

// Limit is what is read of a resource of which not everything may be read.
type Limit struct {
	// Namespaces are the namespaces that are read. If there are none, the resource is not read at all.
	Namespaces []string
	// Message says what is missing, and which right is needed.
	Message string
}

// Handler has functions that are called with changes of the cluster, on several goroutines.
type Handler struct {
	// Apply must call its argument with the Tracker, one call at a time, and publish the
	// returned changes. Watches wait while it blocks.
	Apply func(func(*facts.Tracker) state.Changes)
	// Section is called with the status of a section, once at the start and at each change. Apply
	// was called before with the data that the status is about.
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
	run(ctx, cfg, kindsOf(c, cfg.Limits))
	return nil
}

// run starts the watches of kinds and their monitor, and waits until they have ended.
func run(ctx context.Context, cfg Config, kinds []kind) {
	m := newMonitor(cfg)
	var running sync.WaitGroup
	for _, k := range kinds {
		reflect := k.start(cfg, m.watch(k.section, k.resource, k.namespace))
		running.Go(func() { reflect(ctx) })
	}
	running.Go(func() { m.run(ctx) })
	running.Wait()
}
