package master

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

const (
	// leaseDuration is how long a Lease is valid after it was renewed, as in controller-runtime.
	leaseDuration = 15 * time.Second
	// renewDeadline is how long a master tries to renew a Lease that another one has taken.
	renewDeadline = 10 * time.Second
	// leaseTimeout limits one request, so that a request that hangs does not lose the leadership.
	leaseTimeout = renewDeadline / 2
)

// lease is the Lease of the leader election. It remembers the result of the last request. It
// writes no Events, as a master has no permission for them in the namespace of the Lease.
//
// A master that cannot renew its Lease, because the hub's API server does not answer, keeps leading: sessions and
// clients do not need the hub, and no other master can take the Lease from a hub that does not answer. If only this
// master cannot reach the hub, another one takes the Lease. Then both serve until this one reads the Lease again.
// Until then it writes no status, see mayWrite. To the leader election, each request that the hub did not answer has
// therefore succeeded as long as this master is the last known holder.
type lease struct {
	resourcelock.Interface
	namespace string
	log       *slog.Logger
	// stop ends when the master stops.
	stop context.Context //nolint:containedctx // requests have contexts of their own

	mu sync.Mutex
	// holder is the last known holder. requested is set after the first request.
	holder    string
	requested bool
	// err is the error of the last request.
	err error
	// last is the last Lease that the hub returned, with its encoding.
	last    resourcelock.LeaderElectionRecord
	lastRaw []byte
	// renewed is when this master last took or renewed the Lease.
	renewed time.Time
}

// newLease returns the Lease in a namespace of the hub. ctx ends when the master stops.
func newLease(ctx context.Context, hub *rest.Config, namespace string, log *slog.Logger) (*lease, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("get the host name for the Lease: %w", err)
	}
	config := rest.AddUserAgent(hub, "leader-election")
	config.Timeout = leaseTimeout
	client, err := coordinationv1.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("create the client for the Lease: %w", err)
	}
	return &lease{stop: ctx, namespace: namespace, log: log, Interface: &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: leaseName},
		Client:     client,
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + rand.Text()},
	}}, nil
}

// Get implements resourcelock.Interface. A missing Lease is not recorded as an error, as it is
// created next.
func (l *lease) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	switch {
	case err == nil:
		l.record(record.HolderIdentity, nil)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.last, l.lastRaw = *record, raw
	case !apierrors.IsNotFound(err):
		l.record("", err)
		if l.keeps() {
			l.mu.Lock()
			defer l.mu.Unlock()
			return new(l.last), l.lastRaw, nil
		}
	}
	return record, raw, err
}

// Create implements resourcelock.Interface.
func (l *lease) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	err := l.Interface.Create(ctx, record)
	if !apierrors.IsAlreadyExists(err) { // otherwise another replica was faster
		l.recordWrite(record.HolderIdentity, err)
	}
	return err
}

// Update implements resourcelock.Interface.
func (l *lease) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	err := l.Interface.Update(ctx, record)
	if apierrors.IsConflict(err) {
		return err
	}
	l.recordWrite(record.HolderIdentity, err)
	if err != nil && l.keeps() {
		return nil
	}
	return err
}

// keeps reports whether this master keeps leading after a request failed. A master that stops does not wait for the
// hub.
func (l *lease) keeps() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stop.Err() == nil && !l.renewed.IsZero() && l.holder == l.Identity()
}

// recordWrite stores the result of a request that makes holder the holder.
func (l *lease) recordWrite(holder string, err error) {
	l.record(holder, err)
	if err == nil && holder == l.Identity() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.renewed = time.Now()
	}
}

// mayWrite reports whether this master may write status. It is false if another master may have the Lease. Without
// leader election l is nil, and every master may write.
func (l *lease) mayWrite(string) bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holder == l.Identity() && time.Since(l.renewed) < leaseDuration
}

// record stores the result of a request. It logs the first of consecutive errors, and
// which other replica leads.
func (l *lease) record(holder string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && l.err == nil && !errors.Is(err, context.Canceled) {
		l.log.Warn("cannot read or write the Lease for leader election", "lease", l.Describe(), "error", err)
	}
	l.requested, l.err = true, err
	if err != nil {
		return
	}
	if holder != l.holder && holder != "" && holder != l.Identity() {
		l.log.Info("another master leads; this one takes over if it stops", "holder", holder, "lease", l.Describe())
	}
	l.holder = holder
}

// notLeading returns why this replica does not lead. Any client can read the error, so it does not
// contain errors of the hub.
func (l *lease) notLeading() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := l.Describe()
	switch {
	case apierrors.IsNotFound(l.err):
		return fmt.Errorf("no replica can lead: the Lease %s cannot be created, as the hub has no namespace %s: create it, or set --leader-elect-namespace to another one", name, l.namespace)
	case apierrors.IsForbidden(l.err):
		return fmt.Errorf("this replica cannot lead: it is not allowed to use the Lease %s: grant it get, create and update on leases of coordination.k8s.io in the namespace %s", name, l.namespace)
	case apierrors.IsUnauthorized(l.err):
		return fmt.Errorf("this replica cannot lead: the hub does not accept its credentials for the Lease %s: check its service account or kubeconfig", name)
	case l.err != nil:
		return fmt.Errorf("this replica cannot lead: the Lease %s cannot be read or written: check whether the hub's API server responds; the log of this master has the error", name)
	case !l.requested:
		return fmt.Errorf("this replica is starting and has not requested the Lease %s yet", name)
	case l.holder == l.Identity():
		return fmt.Errorf("this replica holds the Lease %s and is starting", name)
	case l.holder == "":
		return fmt.Errorf("no replica leads: the Lease %s has no holder", name)
	}
	return fmt.Errorf("another replica leads: %s holds the Lease %s; if it stops, this replica takes over within 30 s", l.holder, name)
}

// leaderCheck returns the readiness check for the leadership of this replica. l is nil without leader
// election.
func leaderCheck(hub manager.Manager, l *lease) func() error {
	return func() error {
		select {
		case <-hub.Elected():
			return nil
		default:
		}
		if l == nil {
			return errors.New("this master is starting and does not dial agents yet; leader election is disabled (--leader-elect=false)")
		}
		return l.notLeading()
	}
}
