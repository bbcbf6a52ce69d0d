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
	// renewDeadline is how long a leader tries to renew its Lease, as in controller-runtime.
	renewDeadline = 10 * time.Second
	// leaseTimeout limits one request, so that a request that hangs does not lose the leadership.
	leaseTimeout = renewDeadline / 2
)

// lease is the Lease of the leader election. It remembers the result of the last request. It
// writes no Events, as a master has no permission for them in the namespace of the Lease.
type lease struct {
	resourcelock.Interface
	namespace string
	log       *slog.Logger

	mu sync.Mutex
	// holder is the last known holder. requested is set after the first request.
	holder    string
	requested bool
	// err is the error of the last request.
	err error
}

// newLease returns the Lease in a namespace of the hub.
func newLease(hub *rest.Config, namespace string, log *slog.Logger) (*lease, error) {
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
	return &lease{namespace: namespace, log: log, Interface: &resourcelock.LeaseLock{
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
	case !apierrors.IsNotFound(err):
		l.record("", err)
	}
	return record, raw, err
}

// Create implements resourcelock.Interface.
func (l *lease) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	err := l.Interface.Create(ctx, record)
	if !apierrors.IsAlreadyExists(err) { // otherwise another replica was faster
		l.record(record.HolderIdentity, err)
	}
	return err
}

// Update implements resourcelock.Interface.
func (l *lease) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	err := l.Interface.Update(ctx, record)
	if !apierrors.IsConflict(err) {
		l.record(record.HolderIdentity, err)
	}
	return err
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
