package local

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/sync/errgroup"

	"rollcall.dev/rollcall/api/clustername"
)

// contexts has the clusters of a kubeconfig's contexts.
type contexts struct {
	kubeconfig kubeconfig
	selected   []string
	// names has the name of the cluster of each context.
	names map[string]string
	// namespaces are those of --namespaces.
	namespaces []string
	version    string
	console    *console
	log        *slog.Logger
	// turn has a value while no credential plugin that may ask for something runs.
	turn chan struct{}

	mu sync.Mutex
	// shown has the context that shows the cluster of a UID.
	shown map[string]string
}

// newContexts returns the contexts that c selects.
func newContexts(c *Config, console *console) (*contexts, error) {
	k := newKubeconfig(c.Kubeconfig)
	selected, err := k.selected(c)
	if err != nil {
		return nil, err
	}
	all := &contexts{
		kubeconfig: k, selected: selected, names: clustername.Of(selected), namespaces: c.Namespaces,
		version: c.Version, console: console, log: c.Log, turn: make(chan struct{}, 1), shown: map[string]string{},
	}
	all.turn <- struct{}{}
	return all, nil
}

func (c *contexts) title() string {
	return fmt.Sprintf("Rollcall shows %s of your kubeconfig, with your rights, read only.", plural(len(c.selected), "cluster"))
}

// run implements source.
func (c *contexts) run(ctx context.Context, clusters *registry) error {
	all, ctx := errgroup.WithContext(ctx)
	for _, selected := range c.selected {
		m := newMember(c, selected, clusters)
		if m.name != selected {
			c.console.printf("%s: the cluster of the context %s", m.name, selected)
		}
		clusters.add(m.name, m.dial)
		all.Go(func() error { m.run(ctx); return nil })
	}
	return all.Wait()
}

// show reports whether a context shows the cluster of a UID. If another one does, show returns that.
func (c *contexts) show(uid, context string) (shown string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other, taken := c.shown[uid]; taken && other != context {
		return other, false
	}
	c.shown[uid] = context
	return context, true
}
