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

// clusterIPField and keyField are the names of the cache indexes of ClusterAgents by cluster IP and by pinned key.
const (
	clusterIPField = "spec.clusterIPs"
	keyField       = "spec.tls.pinnedSHA256"
)

// Registry provides the registered clusters from the ClusterAgents in the informer cache. It has
// no state of its own and makes no API calls. It has no clusters before the cache has synced
// (Ready).
type Registry struct {
	reader client.Reader
	// informers of all objects read here. A read before they have synced would block.
	informers []cache.Informer
	// hidden has the names of clusters that are treated as deleted for a moment: see hideWhile.
	hidden sync.Map
}

var _ session.Registry = (*Registry)(nil)

// NewRegistry returns a Registry that reads from a manager's cache. Call it before the manager
// starts.
func NewRegistry(ctx context.Context, mgr manager.Manager) (*Registry, error) {
	if err := v1alpha1.AddToScheme(mgr.GetScheme()); err != nil {
		return nil, fmt.Errorf("register %s: %w", v1alpha1.GroupVersion, err)
	}
	if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.ClusterAgent{}, clusterIPField, claimedIPs); err != nil {
		return nil, fmt.Errorf("index ClusterAgents by cluster IP: %w", err)
	}
	if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.ClusterAgent{}, keyField, pinnedKeys); err != nil {
		return nil, fmt.Errorf("index ClusterAgents by pinned key: %w", err)
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

// Ready returns nil once all ClusterAgents and ClusterStatuses have been read, else an error that
// says what to check.
func (r *Registry) Ready() error {
	if !r.synced() {
		return errors.New("the ClusterAgents have not been read yet: check that the hub's API server is available and has the custom resources")
	}
	return nil
}

func (r *Registry) synced() bool {
	return !slices.ContainsFunc(r.informers, func(i cache.Informer) bool { return !i.HasSynced() })
}

// Resolve returns the name of the cluster with a name or cluster IP. Anything that parses as an IP
// address is treated as one, since no cluster has such a name.
func (r *Registry) Resolve(nameOrIP string) (name string, ok bool) {
	if ip, ok := canonical(nameOrIP); ok {
		name, ok := owners(r.agents(client.MatchingFields{clusterIPField: ip}))[ip]
		return name, ok
	}
	_, ok = r.agent(nameOrIP)
	return nameOrIP, ok
}

// Cluster returns the settings of a cluster, and whether it is registered.
func (r *Registry) Cluster(name string) (session.Cluster, bool) {
	agent, ok := r.agent(name)
	if !ok {
		return session.Cluster{}, false
	}
	return clusterOf(agent), true
}

// ClusterOfKey returns the name of the cluster that accepts an agent's key, and whether there is one. If there are
// several, it returns the first by name.
func (r *Registry) ClusterOfKey(key string) (name string, ok bool) {
	for _, agent := range r.agents(client.MatchingFields{keyField: key}) {
		if !ok || agent.Name < name {
			name, ok = agent.Name, true
		}
	}
	return name, ok
}

// pinnedKeys returns the values of the index keyField.
func pinnedKeys(object client.Object) []string {
	return object.(*v1alpha1.ClusterAgent).Spec.TLS.PinnedSHA256
}

// Registered describes one registered cluster.
type Registered struct {
	Name string
	// ClusterIPs has the addresses that identify the cluster: those of spec.clusterIPs that no
	// older ClusterAgent owns.
	ClusterIPs []string
	Suspended  bool
}

// List returns all registered clusters, sorted by name.
func (r *Registry) List() []Registered {
	agents := r.agents()
	owners := owners(agents)
	list := make([]Registered, 0, len(agents))
	for _, agent := range agents {
		ips := slices.DeleteFunc(claimedIPs(agent), func(ip string) bool { return owners[ip] != agent.Name })
		list = append(list, Registered{Name: agent.Name, ClusterIPs: ips, Suspended: agent.Spec.Suspend})
	}
	slices.SortFunc(list, func(a, b Registered) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// LastKnown is the stored status of a cluster.
type LastKnown struct {
	Summary           state.Summary
	ObservedAt        time.Time
	KubernetesVersion string
}

// LastKnown returns the summary in a cluster's ClusterStatus, which another master may have
// written. It returns false if there is none.
func (r *Registry) LastKnown(name string) (LastKnown, bool) {
	var status v1alpha1.ClusterStatus
	if !r.synced() || r.reader.Get(context.Background(), client.ObjectKey{Name: name}, &status) != nil {
		return LastKnown{}, false
	}
	if status.Status.Summary == nil || status.Status.ObservedAt == nil {
		return LastKnown{}, false
	}
	return LastKnown{Summary: summaryFrom(status.Status.Summary), ObservedAt: status.Status.ObservedAt.Time, KubernetesVersion: status.Status.KubernetesVersion}, true
}

// agent returns a registered ClusterAgent from the cache. It is not copied, so do not modify it.
func (r *Registry) agent(name string) (*v1alpha1.ClusterAgent, bool) {
	var agent v1alpha1.ClusterAgent
	if !r.synced() || r.reader.Get(context.Background(), client.ObjectKey{Name: name}, &agent, client.UnsafeDisableDeepCopy) != nil {
		return nil, false
	}
	_, hidden := r.hidden.Load(name)
	return &agent, !hidden && registered(&agent)
}

// hideWhile calls f while the cluster is not registered for callers of the Registry. Sessions thus
// see the deletion of a ClusterAgent that was recreated, even if the cache has only the new one.
func (r *Registry) hideWhile(name string, f func()) {
	r.hidden.Store(name, true)
	defer r.hidden.Delete(name)
	f()
}

// agents returns the registered ClusterAgents from the cache. They are not copied, so do not
// modify them.
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

// ipConflicts returns the cluster IPs of a ClusterAgent that others own.
func (r *Registry) ipConflicts(agent *v1alpha1.ClusterAgent) []ipConflict {
	var ipConflicts []ipConflict
	for _, ip := range claimedIPs(agent) {
		owner := owners(r.agents(client.MatchingFields{clusterIPField: ip}))[ip]
		if owner != "" && owner != agent.Name {
			ipConflicts = append(ipConflicts, ipConflict{ip, owner})
		}
	}
	return ipConflicts
}

// conflicting returns the names of other ClusterAgents with one of agent's cluster IPs. agent may
// be deleted already.
func (r *Registry) conflicting(agent *v1alpha1.ClusterAgent) []string {
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
