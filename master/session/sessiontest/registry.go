package sessiontest

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"rollcall.dev/rollcall/master/session"
)

// Registry is a registry of clusters in memory.
type Registry struct {
	mu       sync.Mutex
	clusters map[string]session.Cluster
	cause    error
}

// NewRegistry returns a Registry of clusters.
func NewRegistry(clusters ...session.Cluster) *Registry {
	r := &Registry{clusters: map[string]session.Cluster{}}
	for _, c := range clusters {
		r.clusters[c.Name] = c
	}
	return r
}

// Set adds or replaces a cluster.
func (r *Registry) Set(c session.Cluster) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clusters[c.Name] = c
}

// Remove removes a cluster.
func (r *Registry) Remove(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.clusters, name)
}

// Fail makes every read fail with an error that wraps session.ErrRegistryUnavailable and cause, until Fail(nil).
func (r *Registry) Fail(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cause = cause
}

// read calls f with the lock held, unless reads fail.
func (r *Registry) read(f func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cause != nil {
		return fmt.Errorf("%w: %w", session.ErrRegistryUnavailable, r.cause)
	}
	return f()
}

// Cluster implements session.Registry.
func (r *Registry) Cluster(name string) (c session.Cluster, err error) {
	err = r.read(func() error {
		var ok bool
		if c, ok = r.clusters[name]; !ok {
			return session.ErrNotFound
		}
		return nil
	})
	return c, err
}

// ClusterOfKey returns the name of a cluster that accepts an agent's key: see session.Config.
func (r *Registry) ClusterOfKey(key string) (name string, err error) {
	err = r.read(func() error {
		for _, c := range r.clusters {
			if slices.Contains(c.TLS.PinnedSHA256, key) {
				name = c.Name
				return nil
			}
		}
		return session.ErrNotFound
	})
	return name, err
}

// Resolve implements httpapi.Registry. The clusters have no addresses.
func (r *Registry) Resolve(name string) (string, error) {
	_, err := r.Cluster(name)
	return name, err
}

// List implements httpapi.Registry.
func (r *Registry) List() (list []session.Registered, err error) {
	names, err := r.Names()
	for _, name := range names {
		list = append(list, session.Registered{Name: name})
	}
	return list, err
}

// Names implements prom.Registry.
func (r *Registry) Names() (names []string, err error) {
	err = r.read(func() error {
		names = slices.Sorted(maps.Keys(r.clusters))
		return nil
	})
	return names, err
}

// StoredStatus implements httpapi.Registry. No cluster has a stored status.
func (r *Registry) StoredStatus(string) (session.StoredStatus, error) {
	return session.StoredStatus{}, r.read(func() error { return session.ErrNotFound })
}
