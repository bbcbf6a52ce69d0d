package controllers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/api/v1alpha1"
)

const (
	// enrolAttempts is how often a status is written that others write at the same time.
	enrolAttempts = 5
	// cachePoll is the time between two looks whether the cache has a write.
	cachePoll = 20 * time.Millisecond
)

// TokenVerifier verifies that a service account token is one of an account, for an audience.
type TokenVerifier func(ctx context.Context, token string, account v1alpha1.ServiceAccountIdentity) error

// Enroller stores the keys of agents in the status of their ClusterAgents. Several masters may do that at the same time:
// each writes only if the status is the one that it has decided on.
type Enroller struct {
	registry *Registry
	// live reads from the API server.
	live   client.Reader
	client client.Client
	verify TokenVerifier
	// audience returns the default audience of a cluster.
	audience func(cluster string) string
	notify   func(LinkEvent)
	log      *slog.Logger
}

// NewEnroller returns an Enroller. notify is called for each change of a key, and must not block.
func NewEnroller(mgr manager.Manager, registry *Registry, verify TokenVerifier, audience func(cluster string) string, notify func(LinkEvent), log *slog.Logger) (*Enroller, error) {
	c, err := newClient(mgr)
	if err != nil {
		return nil, fmt.Errorf("create the hub client for enrolment: %w", err)
	}
	return &Enroller{registry: registry, live: mgr.GetAPIReader(), client: c, verify: verify, audience: audience, notify: notify, log: log}, nil
}

// Enroll stores what an agent has proved, and returns nil when the Registry has it, or why it is refused. It writes nothing
// for an agent that has proved nothing, or nothing new. It implements session.Config.Enroll.
func (e *Enroller) Enroll(ctx context.Context, c link.Candidate) *link.Refused {
	cached, err := e.registry.agent(c.Cluster)
	if err != nil {
		return &link.Refused{Code: link.Unavailable, Message: fmt.Sprintf("read ClusterAgent %s: %v", c.Cluster, err)}
	}
	verified := false
	verify := func(account v1alpha1.ServiceAccountIdentity) error {
		if account.Audience == "" {
			account.Audience = e.audience(c.Cluster)
		}
		err := e.verify(ctx, c.ServiceAccountToken, account)
		verified = err == nil
		return err
	}
	d := decideEnrolment(cached, c, time.Now(), func() error { return verify(*cached.Spec.Identity.ServiceAccount) })
	if d.refused != nil || d.text == "" {
		return d.refused
	}
	account := cached.Spec.Identity.ServiceAccount
	if d, err := e.store(ctx, cached, c, func(now *v1alpha1.ServiceAccountIdentity) error {
		if verified && account != nil && *now == *account {
			return nil
		}
		return verify(*now)
	}); err != nil {
		e.log.Warn("cannot store the key of an agent", "cluster", c.Cluster, "key", c.Key, "error", err)
		return &link.Refused{Code: link.Unavailable, Message: fmt.Sprintf("store the key in status.identity of %s: %v", c.Cluster, err)}
	} else if d.refused != nil {
		return d.refused
	}
	return e.awaitCache(ctx, c)
}

// store writes the status of a ClusterAgent as the API server has it. It decides again after each conflict.
func (e *Enroller) store(ctx context.Context, cached *v1alpha1.ClusterAgent, c link.Candidate, verify func(*v1alpha1.ServiceAccountIdentity) error) (enrolment, error) {
	for attempt := 1; ; attempt++ {
		var agent v1alpha1.ClusterAgent
		if err := e.live.Get(ctx, client.ObjectKeyFromObject(cached), &agent); err != nil {
			return enrolment{}, fmt.Errorf("read ClusterAgent %s: %w", cached.Name, err)
		}
		if !registered(&agent) || agent.UID != cached.UID {
			return enrolment{}, errors.New("the ClusterAgent is being replaced")
		}
		d := decideEnrolment(&agent, c, time.Now(), func() error { return verify(agent.Spec.Identity.ServiceAccount) })
		if d.refused != nil || d.text == "" {
			return d, nil //nolint:nilerr // a refusal is a result
		}
		read := agent.DeepCopy()
		agent.Status.Identity = d.next
		err := e.client.Status().Patch(ctx, &agent, client.MergeFromWithOptions(read, client.MergeFromWithOptimisticLock{}))
		if apierrors.IsConflict(err) && attempt < enrolAttempts {
			continue
		}
		if err != nil {
			return d, fmt.Errorf("write the status of ClusterAgent %s: %w", c.Cluster, err)
		}
		e.log.Info("changed the keys of an agent", "cluster", c.Cluster, "change", d.text)
		e.notify(LinkEvent{Cluster: c.Cluster, Reason: v1alpha1.EventKeyEnrolled, Message: d.text})
		return d, nil
	}
}

// awaitCache waits until the Registry accepts the keys of an agent that was just enrolled, by this master or another one.
func (e *Enroller) awaitCache(ctx context.Context, c link.Candidate) *link.Refused {
	for {
		if agent, err := e.registry.agent(c.Cluster); err == nil {
			keys := acceptedKeys(agent)
			if slices.Contains(keys, c.Key) && (c.NextKey == "" || slices.Contains(keys, c.NextKey)) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return &link.Refused{Code: link.Unavailable, Message: "the key was stored, but this master has not read it back in time; the agent tries again"}
		case <-time.After(cachePoll):
		}
	}
}
