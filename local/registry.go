package local

import (
	"context"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
)

// What sessions ask of agents. In one process a session costs nothing, so every cluster has one all the time.
const (
	requestPeriod   = 2 * time.Second
	cacheTTL        = 10 * time.Second
	sessionDuration = 30 * time.Minute
)

// dialAgent opens a connection to the agent of a cluster. If there is none, it returns a *dial.Failure.
type dialAgent func(ctx context.Context) (net.Conn, error)

// registry has the clusters that are shown. It implements the Registry of session, httpapi and prom.
type registry struct {
	// changed is called when an entry was added, changed or removed.
	changed func(name string)

	mu      sync.RWMutex
	entries map[string]registered
}

// registered is a cluster and how its agent is reached.
type registered struct {
	session.Cluster
	dial dialAgent
}

func newRegistry() *registry {
	return &registry{entries: map[string]registered{}, changed: func(string) {}}
}

// add adds a cluster.
func (r *registry) add(name string, dial dialAgent) {
	r.mu.Lock()
	r.entries[name] = registered{dial: dial, Cluster: session.Cluster{
		Name: name, Generation: 1, Endpoint: "ws://" + name, Continuous: true,
		RequestPeriod: requestPeriod, CacheTTL: cacheTTL, SessionDuration: sessionDuration,
	}}
	r.mu.Unlock()
	r.changed(name)
}

// retry makes the master dial a cluster at once, since the reason why it could not be reached may be gone.
func (r *registry) retry(name string) {
	r.mu.Lock()
	entry, ok := r.entries[name]
	if ok {
		entry.Generation++
		r.entries[name] = entry
	}
	r.mu.Unlock()
	r.changed(name)
}

// remove removes a cluster.
func (r *registry) remove(name string) {
	r.mu.Lock()
	delete(r.entries, name)
	r.mu.Unlock()
	r.changed(name)
}

// Resolve implements httpapi.Registry. Clusters have no addresses.
func (r *registry) Resolve(name string) (string, error) {
	_, err := r.Cluster(name)
	return name, err
}

// Cluster implements session.Registry.
func (r *registry) Cluster(name string) (session.Cluster, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	entry, ok := r.entries[name]
	if !ok {
		return session.Cluster{}, session.ErrNotFound
	}
	return entry.Cluster, nil
}

// Names implements prom.Registry.
func (r *registry) Names() ([]string, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(r.entries)), nil
}

// List implements httpapi.Registry.
func (r *registry) List() ([]session.Registered, error) {
	names, err := r.Names()
	list := make([]session.Registered, len(names))
	for i, name := range names {
		list[i].Name = name
	}
	return list, err
}

// StoredStatus implements httpapi.Registry. There is no other master.
func (r *registry) StoredStatus(string) (session.StoredStatus, error) {
	return session.StoredStatus{}, session.ErrNotFound
}

// dial connects the master to the agent at an address, which is the cluster's name with a port.
func (r *registry) dial(ctx context.Context, _, address string) (net.Conn, error) {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	r.mu.RLock()
	entry, ok := r.entries[name]
	r.mu.RUnlock()
	if !ok {
		return nil, dial.Failf(dial.DialFailed, "the cluster %s is not shown any more", name)
	}
	return entry.dial(ctx)
}
