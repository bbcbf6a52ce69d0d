package sessiontest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"rollcall.dev/rollcall/master/session"
)

// Sessions is a fake of session.Sessions together with its registry. Its exported fields are set before it is used, or
// by Change.
type Sessions struct {
	// Registered has the registered clusters, in the order of List.
	Registered []session.Registered
	// RegistryCause makes each read of the registry fail, unless it is nil.
	RegistryCause error
	// Reports has the last report of each cluster, Statuses the status, and Stored what another master has stored.
	Reports  map[string]*session.Report
	Statuses map[string]session.Status
	Stored   map[string]session.StoredStatus
	// Failures has the clusters for which Await returns an error.
	Failures map[string]error
	// AwaitFunc replaces Await, unless it is nil.
	AwaitFunc func(ctx context.Context, cluster string) (*session.Report, error)
	// WatchFunc is called by Watch, unless it is nil.
	WatchFunc func(ctx context.Context, cluster string)
	// ListFunc is called before the registered clusters are listed, unless it is nil.
	ListFunc func()

	// Demanded has the cluster of each call of Await and RegisterDemand, Looked that of Current.
	Demanded, Looked []string

	mu      sync.Mutex
	changed chan struct{}
	watches map[string]int
	// watched has the clusters for which Watch was called.
	watched map[string]bool
}

// Change calls f, which may change the exported fields, and wakes all watchers.
func (s *Sessions) Change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// Await returns the report of a cluster, or its error of Failures. Without any it waits until ctx ends.
func (s *Sessions) Await(ctx context.Context, cluster string) (*session.Report, error) {
	s.mu.Lock()
	s.Demanded = append(s.Demanded, cluster)
	report, err := s.Reports[cluster], s.Failures[cluster]
	s.mu.Unlock()
	switch {
	case s.AwaitFunc != nil:
		return s.AwaitFunc(ctx, cluster)
	case err != nil:
		return nil, err
	case report != nil:
		return report, nil
	}
	<-ctx.Done()
	return nil, &session.NoReportError{Phase: session.Connecting, Err: ctx.Err()}
}

// RegisterDemand records the cluster in Demanded.
func (s *Sessions) RegisterDemand(_ context.Context, cluster string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Demanded = append(s.Demanded, cluster)
	_, err := s.find(cluster)
	return err
}

// Watch counts a watch of a cluster until release is called.
func (s *Sessions) Watch(ctx context.Context, cluster string) (release func(), err error) {
	if s.WatchFunc != nil {
		s.WatchFunc(ctx, cluster)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(cluster); err != nil {
		return nil, err
	}
	if s.watches == nil {
		s.watches, s.watched = map[string]int{}, map[string]bool{}
	}
	s.watches[cluster]++
	s.watched[cluster] = true
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.watches[cluster]--
	}), nil
}

// Watching returns the number of open watches of a cluster.
func (s *Sessions) Watching(cluster string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watches[cluster]
}

// Touched returns the clusters of all calls of Await, RegisterDemand, Current and Watch, sorted.
func (s *Sessions) Touched() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.AppendSeq(slices.Concat(s.Demanded, s.Looked), maps.Keys(s.watched))
	slices.Sort(all)
	return slices.Compact(all)
}

// Current returns the report and status of a registered cluster.
func (s *Sessions) Current(cluster string) (session.Current, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Looked = append(s.Looked, cluster)
	registered, err := s.find(cluster)
	if err != nil {
		return session.Current{}, err
	}
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return session.Current{Report: s.Reports[cluster], Status: s.Statuses[cluster], Suspended: registered.Suspended, Changed: s.changed}, nil
}

// LastReport returns the report of a cluster.
func (s *Sessions) LastReport(cluster string) (*session.Report, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.Reports[cluster]
	return r, ok
}

// Status returns the status of a cluster.
func (s *Sessions) Status(cluster string) session.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Statuses[cluster]
}

// StatusOf returns the status of a cluster that has sent a report.
func StatusOf(r *session.Report) session.Status {
	return session.Status{Cluster: r.Cluster, Session: r.Session, UID: r.UID, KubernetesVersion: r.KubernetesVersion, AgentVersion: r.AgentVersion, ReceivedAt: r.ReceivedAt}
}

// Resolve returns the name of the cluster with a name or cluster IP.
func (s *Sessions) Resolve(nameOrIP string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.find(nameOrIP)
	return c.Name, err
}

// List returns the registered clusters.
func (s *Sessions) List() ([]session.Registered, error) {
	if s.ListFunc != nil {
		s.ListFunc()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.Registered), s.registryErr()
}

// Names returns the names of the registered clusters.
func (s *Sessions) Names() ([]string, error) {
	list, err := s.List()
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.Name
	}
	return names, err
}

// StoredStatus returns what another master has stored about a cluster.
func (s *Sessions) StoredStatus(cluster string) (session.StoredStatus, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	status, ok := s.Stored[cluster]
	if err := s.registryErr(); err != nil || ok {
		return status, err
	}
	return status, session.ErrNotFound
}

// find returns the registered cluster with a name or cluster IP. s.mu must be held.
func (s *Sessions) find(nameOrIP string) (session.Registered, error) {
	if err := s.registryErr(); err != nil {
		return session.Registered{}, err
	}
	for _, c := range s.Registered {
		if c.Name == nameOrIP || slices.Contains(c.ClusterIPs, nameOrIP) {
			return c, nil
		}
	}
	return session.Registered{}, session.ErrNotFound
}

// registryErr returns the error of reads of the registry. s.mu must be held.
func (s *Sessions) registryErr() error {
	if s.RegistryCause == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", session.ErrRegistryUnavailable, s.RegistryCause)
}
