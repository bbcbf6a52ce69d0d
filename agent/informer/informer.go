package informer

import (
	"context"
	"log/slog"
	"sync"

	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

// Config is what Run needs.
type Config struct {
	// REST leads to the cluster. Content types and rate limits are set here.
	REST *rest.Config
	Sink Sink
	// Log hears of sections that turn stale and come back, and at debug level of
	// what client-go does meanwhile.
	Log *slog.Logger
}

// Sink takes what is seen of the cluster. Both are called from several goroutines.
type Sink struct {
	// Apply lets a function change the one Tracker there is and takes the changes
	// in; it never runs two at once. While it blocks, watches wait.
	Apply func(func(*facts.Tracker) state.Changes)
	// Section takes how fresh a section is: at once after the start, and whenever
	// that changes. The first report of a section with data comes after the data.
	Section func(state.SectionName, state.SectionReport)
}

// Run keeps the watches until ctx is done, and returns when all of them have
// ended. An error means that the client's configuration is of no use.
func Run(ctx context.Context, cfg Config) error {
	c, err := clientsFor(cfg.REST)
	if err != nil {
		return err
	}
	defer c.close()
	run(ctx, cfg, kindsOf(c))
	return nil
}

func run(ctx context.Context, cfg Config, kinds []kind) {
	m := newMonitor(cfg)
	var running sync.WaitGroup
	for _, k := range kinds {
		reflect := k.start(cfg, m.feed(k.section, k.resource))
		running.Go(func() { reflect(ctx) })
	}
	running.Go(func() { m.run(ctx) })
	running.Wait()
}
