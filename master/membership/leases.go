package membership

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// LeasePrefix is the start of the names of all Leases of masters, which is followed by the name of the master.
	LeasePrefix = "rollcall-master-"
	// leaseLabel selects these Leases.
	leaseLabel, leaseLabelValue = "app.kubernetes.io/component", "master-membership"
	// staleAfter is how long a Lease is unchanged until another master deletes it.
	staleAfter = 10 * time.Minute
	// leaseSeconds is ttl in the Lease, for people.
	leaseSeconds = int32(ttl / time.Second)
)

// LeaseClient is what this package needs of the client for the Leases in the namespace of the masters.
type LeaseClient interface {
	Get(ctx context.Context, name string, o metav1.GetOptions) (*coordinationv1.Lease, error)
	List(ctx context.Context, o metav1.ListOptions) (*coordinationv1.LeaseList, error)
	Create(ctx context.Context, lease *coordinationv1.Lease, o metav1.CreateOptions) (*coordinationv1.Lease, error)
	Update(ctx context.Context, lease *coordinationv1.Lease, o metav1.UpdateOptions) (*coordinationv1.Lease, error)
	Delete(ctx context.Context, name string, o metav1.DeleteOptions) error
}

// errReplaced means that another process has taken the Lease.
var errReplaced = errors.New("another process has the Lease")

// leaseKeeper keeps the Lease of this master, and observes those of the others.
type leaseKeeper struct {
	client LeaseClient
	config *Config

	// Used by the goroutine that calls renew:
	failed bool // the last request
	seen   map[string]seenLease

	mu sync.Mutex
	// own is the Lease as it was last written or read, nil if that is unknown. held reports whether this process
	// has written it.
	own     *coordinationv1.Lease
	held    bool
	deleted bool
}

// seenLease is a version of another master's Lease, and when it was first seen.
type seenLease struct {
	version string
	since   time.Time
}

// renew renews the Lease of this master, and lists those of all.
func (m *Members) renew(ctx context.Context) {
	timed, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	start := time.Now()
	err := m.lease.renew(timed)
	switch {
	case errors.Is(err, errReplaced):
		m.locked(func(v *view, _ time.Time) {
			if !v.replaced {
				v.replaced = true
				v.changes++
			}
		})
		err = nil
	case err == nil:
		m.locked(func(v *view, _ time.Time) { v.renew(start) })
	}
	listErr := m.list(timed)
	if err = errors.Join(err, listErr); ctx.Err() != nil {
		return
	}
	switch {
	case err != nil && !m.lease.failed:
		m.cfg.Log.Warn("cannot renew or list the Leases of the masters; masters see each other only by Redis meanwhile", "error", err)
	case err == nil && m.lease.failed:
		m.cfg.Log.Info("the Leases of the masters can be renewed and listed again")
	}
	m.lease.failed = err != nil
}

// list observes the Leases of the other masters, and deletes those that are no longer renewed.
func (m *Members) list(ctx context.Context) error {
	start := time.Now()
	list, err := m.cfg.Leases.List(ctx, metav1.ListOptions{LabelSelector: leaseLabel + "=" + leaseLabelValue, Limit: maxMembers})
	if err != nil {
		return fmt.Errorf("list the Leases of the masters: %w", err)
	}
	var stale []coordinationv1.Lease
	m.locked(func(v *view, now time.Time) {
		v.readAt(start)
		if !v.readLeases {
			v.readLeases = true
			v.changes++
		}
		stale = m.lease.observe(v, list.Items, now)
	})
	for _, l := range stale {
		// Another master may have deleted it.
		_ = m.cfg.Leases.Delete(ctx, l.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &l.UID, ResourceVersion: &l.ResourceVersion}})
	}
	return nil
}

// observe records which Leases have changed, and returns those that have not changed for long.
func (k *leaseKeeper) observe(v *view, leases []coordinationv1.Lease, now time.Time) (stale []coordinationv1.Lease) {
	seen := map[string]seenLease{}
	for _, l := range leases {
		name, ok := strings.CutPrefix(l.Name, LeasePrefix)
		if !ok || name == v.self.Name || l.Spec.HolderIdentity == nil || *l.Spec.HolderIdentity == "" || len(*l.Spec.HolderIdentity) > maxIncarnationLen {
			continue
		}
		last, known := k.seen[l.Name]
		if known && last.version == l.ResourceVersion {
			seen[l.Name] = last
			if now.Sub(last.since) >= staleAfter {
				stale = append(stale, l)
			}
			continue
		}
		seen[l.Name] = seenLease{l.ResourceVersion, now}
		// A Lease that is seen for the first time may be that of a dead incarnation.
		if known || v.others[name] == nil {
			v.observe(Member{name, *l.Spec.HolderIdentity}, now)
		}
	}
	for lease := range k.seen {
		if _, ok := seen[lease]; !ok {
			v.left(strings.TrimPrefix(lease, LeasePrefix), now)
		}
	}
	k.seen = seen
	return stale
}

// left records that the Lease of a master was deleted: it stops, unless it sends heartbeats.
func (v *view) left(name string, now time.Time) {
	m := v.others[name]
	if m == nil {
		return
	}
	if at, ok := v.heard[m.Incarnation]; ok && now.Sub(at) < ttl {
		return
	}
	delete(v.others, name)
	v.changes++
}

// renew renews the Lease. The error is errReplaced if another process has taken it since.
func (k *leaseKeeper) renew(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.deleted {
		return nil
	}
	for range 3 { // a conflict or a deletion is followed by a read, then by another attempt
		err := k.write(ctx)
		switch {
		case err == nil:
			k.held = true
			return nil
		case apierrors.IsNotFound(err) && k.own != nil:
			k.own = nil
			continue
		case !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err):
			return fmt.Errorf("renew the Lease of this master: %w", err)
		}
		if err := k.read(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("renew the Lease of this master: it changes all the time")
}

// read reads the Lease before another attempt to write it.
func (k *leaseKeeper) read(ctx context.Context) error {
	lease, err := k.client.Get(ctx, LeasePrefix+k.config.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		k.own = nil
		return nil
	case err != nil:
		return fmt.Errorf("read the Lease of this master: %w", err)
	}
	if holder := lease.Spec.HolderIdentity; k.held && holder != nil && *holder != k.config.Incarnation {
		return errReplaced
	}
	k.own = lease
	return nil
}

// write creates or updates the Lease.
func (k *leaseKeeper) write(ctx context.Context) (err error) {
	var written *coordinationv1.Lease
	if k.own == nil {
		written, err = k.client.Create(ctx, k.next(&coordinationv1.Lease{}), metav1.CreateOptions{})
	} else {
		written, err = k.client.Update(ctx, k.next(k.own.DeepCopy()), metav1.UpdateOptions{})
	}
	if err == nil {
		k.own = written
	}
	return err
}

// next returns the Lease as renewed now.
func (k *leaseKeeper) next(l *coordinationv1.Lease) *coordinationv1.Lease {
	now := metav1.NowMicro()
	l.Name = LeasePrefix + k.config.Name
	l.Labels = map[string]string{leaseLabel: leaseLabelValue, "app.kubernetes.io/part-of": "rollcall"}
	l.OwnerReferences = nil
	if k.config.PodName != "" && k.config.PodUID != "" {
		l.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: k.config.PodName, UID: k.config.PodUID}}
	}
	if l.Spec.HolderIdentity == nil || *l.Spec.HolderIdentity != k.config.Incarnation {
		l.Spec.AcquireTime = &now
	}
	l.Spec.HolderIdentity, l.Spec.RenewTime, l.Spec.LeaseDurationSeconds = new(k.config.Incarnation), &now, new(leaseSeconds)
	return l
}

// delete deletes the Lease, and does not create it again.
func (k *leaseKeeper) delete(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.deleted = true
	if !k.held || k.own == nil {
		return nil
	}
	o := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &k.own.UID, ResourceVersion: &k.own.ResourceVersion}}
	if err := k.client.Delete(ctx, k.own.Name, o); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("delete the Lease of this master: %w", err)
	}
	return nil
}
