package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
)

// clusterIPField is the cache's index of ClusterAgents by the addresses they claim.
const clusterIPField = "spec.clusterIPs"

// Registry is the registered clusters: what the ClusterAgents in the informers'
// cache say. It keeps nothing of its own and makes no API call. While the cache is
// not filled (Ready) it knows no cluster.
type Registry struct {
	reader client.Reader
	// informers of all that is read must have synced, or a read would wait for them.
	informers []cache.Informer
	// hidden are names that are known to nobody for a moment: see without.
	hidden sync.Map
}

var _ session.Registry = (*Registry)(nil)

// NewRegistry is a Registry on a manager's cache. It has to be made before the
// manager starts.
func NewRegistry(ctx context.Context, mgr manager.Manager) (*Registry, error) {
	if err := v1alpha1.AddToScheme(mgr.GetScheme()); err != nil {
		return nil, fmt.Errorf("register %s: %w", v1alpha1.GroupVersion, err)
	}
	if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.ClusterAgent{}, clusterIPField, claimed); err != nil {
		return nil, fmt.Errorf("index ClusterAgents by cluster IP: %w", err)
	}
	r := &Registry{reader: mgr.GetCache()}
	for _, object := range []client.Object{&v1alpha1.ClusterAgent{}, &v1alpha1.ClusterStatus{}} {
		informer, err := mgr.GetCache().GetInformer(ctx, object, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, fmt.Errorf("watch %T: %w", object, err)
		}
		r.informers = append(r.informers, informer)
	}
	return r, nil
}

// Ready is nil once all ClusterAgents and ClusterStatuses have been read.
func (r *Registry) Ready() error {
	if !r.synced() {
		return errors.New("the ClusterAgents have not been read yet: see whether the hub's API server answers and has the custom resources")
	}
	return nil
}

func (r *Registry) synced() bool {
	return !slices.ContainsFunc(r.informers, func(i cache.Informer) bool { return !i.HasSynced() })
}

// Resolve is the name of the cluster that a client calls by a cluster IP, in any
// form of it, or by its name. What reads as an address is one: no cluster is named so.
func (r *Registry) Resolve(nameOrIP string) (name string, ok bool) {
	if ip, ok := canonical(nameOrIP); ok {
		name, ok := owners(r.agents(client.MatchingFields{clusterIPField: ip}))[ip]
		return name, ok
	}
	_, ok = r.agent(nameOrIP)
	return nameOrIP, ok
}

// Cluster is what its ClusterAgent says of a cluster.
func (r *Registry) Cluster(name string) (session.Cluster, bool) {
	agent, ok := r.agent(name)
	if !ok {
		return session.Cluster{}, false
	}
	return clusterOf(agent), true
}

// Registered is one registered cluster.
type Registered struct {
	Name string
	// ClusterIPs are the addresses by which it is reached: those of spec.clusterIPs
	// that no older one has.
	ClusterIPs []string
	Suspended  bool
}

// List is all registered clusters, by name.
func (r *Registry) List() []Registered {
	agents := r.agents()
	owners := owners(agents)
	list := make([]Registered, 0, len(agents))
	for _, agent := range agents {
		ips := slices.DeleteFunc(claimed(agent), func(ip string) bool { return owners[ip] != agent.Name })
		list = append(list, Registered{Name: agent.Name, ClusterIPs: ips, Suspended: agent.Spec.Suspend})
	}
	slices.SortFunc(list, func(a, b Registered) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// LastKnown is what a ClusterStatus keeps of a cluster.
type LastKnown struct {
	Summary           state.Summary
	ObservedAt        time.Time
	KubernetesVersion string
}

// LastKnown is what was known of a cluster when its ClusterStatus was last written,
// maybe by another master; false where there never was a summary.
func (r *Registry) LastKnown(name string) (LastKnown, bool) {
	var status v1alpha1.ClusterStatus
	if !r.synced() || r.reader.Get(context.Background(), client.ObjectKey{Name: name}, &status) != nil {
		return LastKnown{}, false
	}
	if status.Status.Summary == nil || status.Status.ObservedAt == nil {
		return LastKnown{}, false
	}
	summary, err := summaryFrom(status.Status.Summary)
	if err != nil {
		return LastKnown{}, false
	}
	return LastKnown{Summary: summary, ObservedAt: status.Status.ObservedAt.Time, KubernetesVersion: status.Status.KubernetesVersion}, true
}

// agent is a registered ClusterAgent of the cache, not copied: read only.
func (r *Registry) agent(name string) (*v1alpha1.ClusterAgent, bool) {
	var agent v1alpha1.ClusterAgent
	if !r.synced() || r.reader.Get(context.Background(), client.ObjectKey{Name: name}, &agent, client.UnsafeDisableDeepCopy) != nil {
		return nil, false
	}
	_, hidden := r.hidden.Load(name)
	return &agent, !hidden && registered(&agent)
}

// without calls f while there is no cluster of that name: as it was for a moment, too
// short for the cache, before another ClusterAgent took the name.
func (r *Registry) without(name string, f func()) {
	r.hidden.Store(name, true)
	defer r.hidden.Delete(name)
	f()
}

// agents are the registered ClusterAgents of the cache, not copied: read only.
func (r *Registry) agents(which ...client.ListOption) []*v1alpha1.ClusterAgent {
	var list v1alpha1.ClusterAgentList
	if !r.synced() || r.reader.List(context.Background(), &list, append(which, client.UnsafeDisableDeepCopy)...) != nil {
		return nil
	}
	var agents []*v1alpha1.ClusterAgent
	for i := range list.Items {
		if registered(&list.Items[i]) {
			agents = append(agents, &list.Items[i])
		}
	}
	return agents
}

// losses are the addresses that a ClusterAgent claims and others have.
func (r *Registry) losses(agent *v1alpha1.ClusterAgent) []loss {
	var lost []loss
	for _, ip := range claimed(agent) {
		owner := owners(r.agents(client.MatchingFields{clusterIPField: ip}))[ip]
		if owner != "" && owner != agent.Name {
			lost = append(lost, loss{ip, owner})
		}
	}
	return lost
}

// rivals are the other ClusterAgents that claim an address of this one's, which may
// be gone.
func (r *Registry) rivals(agent *v1alpha1.ClusterAgent) []string {
	var names []string
	for _, text := range agent.Spec.ClusterIPs {
		ip, ok := canonical(text)
		if !ok {
			continue
		}
		for _, other := range r.agents(client.MatchingFields{clusterIPField: ip}) {
			if other.Name != agent.Name {
				names = append(names, other.Name)
			}
		}
	}
	return names
}
