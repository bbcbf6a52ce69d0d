package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
)

// clusterIPField and keyField are the names of the cache indexes of ClusterAgents by cluster IP, and by the keys of
// their agents and join tokens.
const (
	clusterIPField = "spec.clusterIPs"
	keyField       = "keys"
)

// Registry provides the registered clusters from the ClusterAgents in the informer cache. It has
// no state of its own and makes no API calls. It cannot be read before the cache has synced
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
	if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.ClusterAgent{}, keyField, func(object client.Object) []string { return indexedKeys(object.(*v1alpha1.ClusterAgent)) }); err != nil {
		return nil, fmt.Errorf("index ClusterAgents by key: %w", err)
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

// Resolve returns the name of the cluster with a name or cluster IP. The errors are those of Cluster. Anything that
// parses as an IP address is treated as one, since no cluster has such a name.
func (r *Registry) Resolve(nameOrIP string) (name string, err error) {
	if ip, ok := canonical(nameOrIP); ok {
		agents, err := r.agents(client.MatchingFields{clusterIPField: ip})
		if err != nil {
			return "", err
		}
		if name, ok := owners(agents)[ip]; ok {
			return name, nil
		}
		return "", session.ErrNotFound
	}
	_, err = r.agent(nameOrIP)
	return nameOrIP, err
}

// Cluster returns the settings of a cluster. The error is session.ErrNotFound if it is not registered. Any other error
// wraps session.ErrRegistryUnavailable.
func (r *Registry) Cluster(name string) (session.Cluster, error) {
	agent, err := r.agent(name)
	if err != nil {
		return session.Cluster{}, err
	}
	return clusterOf(agent), nil
}

// ClusterOfKey returns the name of the cluster that accepts an agent's key, or that has its join token. If there are several, it returns the first by
// name. The errors are those of Cluster.
func (r *Registry) ClusterOfKey(key string) (name string, err error) {
	agents, err := r.agents(client.MatchingFields{keyField: key})
	if err != nil {
		return "", err
	}
	if len(agents) == 0 {
		return "", session.ErrNotFound
	}
	first := slices.MinFunc(agents, func(a, b *v1alpha1.ClusterAgent) int { return cmp.Compare(a.Name, b.Name) })
	return first.Name, nil
}

// List returns all registered clusters, sorted by name. A cluster does not have the addresses of spec.clusterIPs that an
// older ClusterAgent owns.
func (r *Registry) List() ([]session.Registered, error) {
	agents, err := r.agents()
	if err != nil {
		return nil, err
	}
	owners := owners(agents)
	list := make([]session.Registered, 0, len(agents))
	for _, agent := range agents {
		ips := slices.DeleteFunc(claimedIPs(agent), func(ip string) bool { return owners[ip] != agent.Name })
		list = append(list, session.Registered{Name: agent.Name, ClusterIPs: ips, Suspended: agent.Spec.Suspend})
	}
	slices.SortFunc(list, func(a, b session.Registered) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// Names returns the names of all registered clusters, sorted.
func (r *Registry) Names() ([]string, error) {
	list, err := r.List()
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].Name
	}
	return names, err
}

// StoredStatus returns the summary in a cluster's ClusterStatus, which another master may have written. It returns
// session.ErrNotFound if there is none.
func (r *Registry) StoredStatus(name string) (session.StoredStatus, error) {
	var status v1alpha1.ClusterStatus
	if err := r.read(func() error { return r.reader.Get(context.Background(), client.ObjectKey{Name: name}, &status) }); err != nil {
		return session.StoredStatus{}, err
	}
	if status.Status.Summary == nil || status.Status.ObservedAt == nil {
		return session.StoredStatus{}, session.ErrNotFound
	}
	summary := summaryFrom(status.Status.Summary)
	return session.StoredStatus{
		LastKnown:         session.LastKnown{Summary: &summary, ObservedAt: status.Status.ObservedAt.Time},
		KubernetesVersion: status.Status.KubernetesVersion,
	}, nil
}

// read calls get, which reads from the cache, once the cache has synced. It translates the error: an object that does not
// exist is session.ErrNotFound.
func (r *Registry) read(get func() error) error {
	if err := r.Ready(); err != nil {
		return fmt.Errorf("%w: %w", session.ErrRegistryUnavailable, err)
	}
	switch err := get(); {
	case apierrors.IsNotFound(err):
		return session.ErrNotFound
	case err != nil:
		return fmt.Errorf("%w: read the cache of the hub's objects: %w", session.ErrRegistryUnavailable, err)
	}
	return nil
}

// agent returns a registered ClusterAgent from the cache. It is not copied, so do not modify it.
func (r *Registry) agent(name string) (*v1alpha1.ClusterAgent, error) {
	var agent v1alpha1.ClusterAgent
	err := r.read(func() error {
		return r.reader.Get(context.Background(), client.ObjectKey{Name: name}, &agent, client.UnsafeDisableDeepCopy)
	})
	if err != nil {
		return nil, err
	}
	if _, hidden := r.hidden.Load(name); hidden || !registered(&agent) {
		return nil, session.ErrNotFound
	}
	return &agent, nil
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
func (r *Registry) agents(which ...client.ListOption) ([]*v1alpha1.ClusterAgent, error) {
	var list v1alpha1.ClusterAgentList
	if err := r.read(func() error {
		return r.reader.List(context.Background(), &list, append(which, client.UnsafeDisableDeepCopy)...)
	}); err != nil {
		return nil, err
	}
	var agents []*v1alpha1.ClusterAgent
	for i := range list.Items {
		if registered(&list.Items[i]) {
			agents = append(agents, &list.Items[i])
		}
	}
	return agents, nil
}

// ipConflicts returns the cluster IPs of a ClusterAgent that others own.
func (r *Registry) ipConflicts(agent *v1alpha1.ClusterAgent) ([]ipConflict, error) {
	var ipConflicts []ipConflict
	for _, ip := range claimedIPs(agent) {
		agents, err := r.agents(client.MatchingFields{clusterIPField: ip})
		if err != nil {
			return nil, err
		}
		if owner := owners(agents)[ip]; owner != "" && owner != agent.Name {
			ipConflicts = append(ipConflicts, ipConflict{ip, owner})
		}
	}
	return ipConflicts, nil
}

// conflicting returns the names of other ClusterAgents with one of agent's cluster IPs. agent may
// be deleted already.
func (r *Registry) conflicting(agent *v1alpha1.ClusterAgent) ([]string, error) {
	var names []string
	for _, text := range agent.Spec.ClusterIPs {
		ip, ok := canonical(text)
		if !ok {
			continue
		}
		agents, err := r.agents(client.MatchingFields{clusterIPField: ip})
		if err != nil {
			return nil, err
		}
		for _, other := range agents {
			if other.Name != agent.Name {
				names = append(names, other.Name)
			}
		}
	}
	return names, nil
}
