package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// agentReconciler keeps the status of ClusterAgents up to date, and notifies Sessions about
// changed ClusterAgents.
type agentReconciler struct {
	client   client.Client
	registry *Registry
	sessions Sessions
	insecure bool
	writer   statusWriter
	limiter  *writeLimiter
	events   *eventRecorder
	synced   generations
}

// Reconcile updates the status of one ClusterAgent.
func (r *agentReconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	agent, err := r.register(ctx, request.Name)
	switch {
	case err != nil || agent == nil:
		return reconcile.Result{}, err
	case !r.writer.allowed(request.Name):
		return reconcile.Result{RequeueAfter: r.writer.retry}, nil
	}
	in, err := r.gather(agent)
	if err != nil {
		return reconcile.Result{}, err
	}
	return r.write(ctx, agent, decideAgent(in))
}

// Register notifies Sessions about one ClusterAgent and writes nothing. When a master starts,
// sessions need not wait for the status writes of other clusters.
func (r *agentReconciler) Register(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	_, err := r.register(ctx, request.Name)
	return reconcile.Result{}, err
}

// register reads a ClusterAgent and notifies Sessions. It returns nil if the ClusterAgent is gone.
func (r *agentReconciler) register(ctx context.Context, name string) (*v1alpha1.ClusterAgent, error) {
	agent, err := readAgent(ctx, r.client, name)
	switch {
	case err != nil:
		return nil, err
	case agent == nil:
		return nil, r.remove(name)
	}
	return agent, r.sync(agent)
}

// readAgent returns a ClusterAgent from the cache, nil if it does not exist or is being deleted.
func readAgent(ctx context.Context, c client.Client, name string) (*v1alpha1.ClusterAgent, error) {
	var agent v1alpha1.ClusterAgent
	if err := c.Get(ctx, client.ObjectKey{Name: name}, &agent); err != nil {
		if err := client.IgnoreNotFound(err); err != nil {
			return nil, fmt.Errorf("read ClusterAgent %s: %w", name, err)
		}
		return nil, nil
	}
	if !registered(&agent) {
		return nil, nil
	}
	return &agent, nil
}

// sync notifies Sessions about a new or changed ClusterAgent. If a ClusterAgent was recreated
// under the same name it is another cluster, so Sessions first sees it as deleted.
func (r *agentReconciler) sync(agent *v1alpha1.ClusterAgent) error {
	before, changed, replaced := r.synced.set(agent)
	var err error
	if replaced {
		r.registry.hideWhile(agent.Name, func() { err = r.sessions.Sync(agent.Name) })
	}
	if changed {
		err = errors.Join(err, r.sessions.Sync(agent.Name))
	}
	if err != nil {
		r.synced.restore(agent.Name, before) // the next reconcile notifies again
		return fmt.Errorf("notify the sessions of ClusterAgent %s: %w", agent.Name, err)
	}
	return nil
}

// remove notifies Sessions about a deleted ClusterAgent and forgets its state.
func (r *agentReconciler) remove(name string) error {
	if before, known := r.synced.forget(name); known {
		if err := r.sessions.Sync(name); err != nil {
			r.synced.restore(name, before)
			return fmt.Errorf("notify the sessions of the removal of ClusterAgent %s: %w", name, err)
		}
	}
	r.limiter.forget(name)
	r.events.forget(name)
	return nil
}

func (r *agentReconciler) gather(agent *v1alpha1.ClusterAgent) (agentInputs, error) {
	conflicts, err := r.registry.ipConflicts(agent)
	if err != nil {
		return agentInputs{}, fmt.Errorf("find the owners of the cluster IPs of %s: %w", agent.Name, err)
	}
	in := agentInputs{now: time.Now(), agent: agent, ipConflicts: conflicts, observed: r.sessions.Status(agent.Name)}
	errors.As(clusterOf(agent).Check(r.insecure), &in.fault)
	return in, nil
}

// write writes the status if it differs, and an Event if the change is worth one. A status for a changed spec is written immediately. Other
// changes wait for the rate limit, and are decided again then.
func (r *agentReconciler) write(ctx context.Context, agent *v1alpha1.ClusterAgent, next v1alpha1.ClusterAgentStatus) (reconcile.Result, error) {
	reason := agentChange(agent.Status, next)
	if reason == "" {
		r.limiter.cancel(agent.Name)
		return reconcile.Result{}, nil
	}
	if reason != reasonSpec {
		if wait := r.limiter.wait(agent.Name, time.Now()); wait > 0 {
			return reconcile.Result{RequeueAfter: wait}, nil
		}
	}
	before := agent.Status
	result, err := r.writer.patch(ctx, agent, reason, func() { agent.Status = next })
	if err == nil && result.IsZero() {
		r.events.statusChanged(agent, before)
	}
	return result, err
}

// generations has the generation of each ClusterAgent that Sessions was last notified about. It is
// safe for concurrent use.
type generations struct {
	mu sync.Mutex
	// Guarded by mu:
	byName map[string]generation
}

// generation identifies one spec of one ClusterAgent, with the enrolled keys. A recreated ClusterAgent has another UID.
type generation struct {
	uid        types.UID
	generation int64
	keys       string
}

// set records the generation of a ClusterAgent, and returns the recorded one, which is zero if there was none. changed
// reports whether they differ, replaced whether the ClusterAgent was recreated under the same name.
func (g *generations) set(agent *v1alpha1.ClusterAgent) (before generation, changed, replaced bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byName == nil {
		g.byName = map[string]generation{}
	}
	before, known := g.byName[agent.Name]
	g.byName[agent.Name] = generation{agent.UID, agent.Generation, strings.Join(acceptedKeys(agent), " ")}
	return before, before != g.byName[agent.Name], known && before.uid != agent.UID
}

// restore records what set or forget has replaced.
func (g *generations) restore(name string, before generation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if before == (generation{}) {
		delete(g.byName, name)
		return
	}
	g.byName[name] = before
}

// forget removes a ClusterAgent. It returns its generation, and whether it was recorded.
func (g *generations) forget(name string) (before generation, known bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before, known = g.byName[name]
	delete(g.byName, name)
	return before, known
}
