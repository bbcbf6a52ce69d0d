package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// agentReconciler keeps the status of ClusterAgents true, and tells session which of
// them were made, changed or deleted.
type agentReconciler struct {
	client   client.Client
	registry *Registry
	sessions Sessions
	insecure bool
	writer   statusWriter
	pace     *pace
	told     told
}

// Reconcile makes the status of one ClusterAgent true.
func (r *agentReconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	agent, err := r.register(ctx, request.Name)
	if err != nil || agent == nil {
		return reconcile.Result{}, err
	}
	return r.write(ctx, agent, decideAgent(r.gather(agent)))
}

// Register tells session of one ClusterAgent, and writes nothing: at a master's start
// no cluster has to wait until the status of all those before it is written.
func (r *agentReconciler) Register(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	_, err := r.register(ctx, request.Name)
	return reconcile.Result{}, err
}

// register reads a ClusterAgent and tells session of it; nil: it is gone.
func (r *agentReconciler) register(ctx context.Context, name string) (*v1alpha1.ClusterAgent, error) {
	agent, err := readAgent(ctx, r.client, name)
	switch {
	case err != nil:
		return nil, err
	case agent == nil:
		r.leave(name)
	default:
		r.tell(agent)
	}
	return agent, nil
}

// readAgent is a ClusterAgent of the cache; nil where it is not registered, or no more.
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

// tell tells session of a ClusterAgent that is new or was changed. One that took the
// name of another is another cluster, and nothing of the former may be taken for it.
func (r *agentReconciler) tell(agent *v1alpha1.ClusterAgent) {
	news, another := r.told.note(agent)
	if another {
		r.registry.without(agent.Name, func() { r.sessions.Sync(agent.Name) })
	}
	if news {
		r.sessions.Sync(agent.Name)
	}
}

// leave ends what goes on for a ClusterAgent that is gone.
func (r *agentReconciler) leave(name string) {
	if r.told.forget(name) {
		r.sessions.Sync(name)
	}
	r.pace.forget(name)
}

func (r *agentReconciler) gather(agent *v1alpha1.ClusterAgent) agentFacts {
	f := agentFacts{now: time.Now(), agent: agent, lost: r.registry.losses(agent), seen: r.sessions.Observe(agent.Name)}
	errors.As(clusterOf(agent).Check(r.insecure), &f.fault)
	return f
}

// write writes a status that is another. What answers a person waits for nothing, and
// what follows from sessions for its turn: by then it may have changed again, so it
// is decided anew.
func (r *agentReconciler) write(ctx context.Context, agent *v1alpha1.ClusterAgent, next v1alpha1.ClusterAgentStatus) (reconcile.Result, error) {
	because := agentChange(agent.Status, next)
	if because == "" {
		r.pace.pass(agent.Name)
		return reconcile.Result{}, nil
	}
	if because != becauseSpec {
		if wait := r.pace.wait(agent.Name, time.Now()); wait > 0 {
			return reconcile.Result{RequeueAfter: wait}, nil
		}
	}
	return r.writer.patch(ctx, agent, because, func() { agent.Status = next })
}

// told is which edition of each ClusterAgent session was told of. It is safe for
// concurrent use.
type told struct {
	mu sync.Mutex
	// Under mu:
	editions map[string]edition
}

// edition is one spec of one ClusterAgent; another one may have its name later.
type edition struct {
	uid        types.UID
	generation int64
}

// note says whether this edition was not known, and whether one of another object of
// that name was, and notes it.
func (t *told) note(agent *v1alpha1.ClusterAgent) (news, another bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.editions == nil {
		t.editions = map[string]edition{}
	}
	before, known := t.editions[agent.Name]
	t.editions[agent.Name] = edition{agent.UID, agent.Generation}
	return before != t.editions[agent.Name], known && before.uid != agent.UID
}

// forget says whether the ClusterAgent was known.
func (t *told) forget(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, known := t.editions[name]
	delete(t.editions, name)
	return known
}
