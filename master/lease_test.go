package master

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// fakeLease is a Lease with a set holder and set errors of requests.
type fakeLease struct {
	resourcelock.LeaseLock
	holder                       string
	getErr, createErr, updateErr error
}

func (h *fakeLease) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	return &resourcelock.LeaderElectionRecord{HolderIdentity: h.holder}, nil, h.getErr
}

func (h *fakeLease) Create(context.Context, resourcelock.LeaderElectionRecord) error {
	return h.createErr
}

func (h *fakeLease) Update(context.Context, resourcelock.LeaderElectionRecord) error {
	return h.updateErr
}

func newFakeLease() *fakeLease {
	return &fakeLease{LeaseLock: resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: "rollcall-system", Name: leaseName},
		LockConfig: resourcelock.ResourceLockConfig{Identity: "m-1"},
	}}
}

// notElected is a manager that is not the leader.
type notElected struct{ manager.Manager }

func (notElected) Elected() <-chan struct{} { return nil }

func TestLeaseReadiness(t *testing.T) {
	leases := schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}
	notFound := apierrors.NewNotFound(leases, leaseName)
	noNamespace := apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "rollcall-system")
	secret := errors.New("secret error of the hub")
	for name, tc := range map[string]struct {
		hub  func(*fakeLease)
		want string
	}{
		"another replica leads": {func(h *fakeLease) { h.holder = "m-2" }, "another replica leads: m-2 holds the Lease rollcall-system/rollcall-master"},
		"no holder":             {func(*fakeLease) {}, "no replica leads: the Lease rollcall-system/rollcall-master has no holder"},
		"starting":              {func(h *fakeLease) { h.getErr = notFound }, "this replica holds the Lease rollcall-system/rollcall-master and is starting"},
		"no namespace":          {func(h *fakeLease) { h.getErr, h.createErr = notFound, noNamespace }, "no replica can lead: the Lease rollcall-system/rollcall-master cannot be created, as the hub has no namespace rollcall-system: create it, or set --leader-elect-namespace"},
		"create forbidden": {func(h *fakeLease) {
			h.getErr, h.createErr = notFound, apierrors.NewForbidden(leases, leaseName, secret)
		}, "this replica cannot lead: it is not allowed to use the Lease rollcall-system/rollcall-master: grant it get, create and update on leases"},
		"get forbidden":             {func(h *fakeLease) { h.getErr = apierrors.NewForbidden(leases, leaseName, secret) }, "it is not allowed to use the Lease"},
		"unauthorized":              {func(h *fakeLease) { h.getErr = apierrors.NewUnauthorized("secret error") }, "the hub does not accept its credentials"},
		"other error":               {func(h *fakeLease) { h.getErr = secret }, "the Lease rollcall-system/rollcall-master cannot be read or written: check whether the hub's API server responds"},
		"another replica is faster": {func(h *fakeLease) { h.getErr, h.createErr = notFound, apierrors.NewAlreadyExists(leases, leaseName) }, "has not requested the Lease"},
	} {
		t.Run(name, func(t *testing.T) {
			h, log := newFakeLease(), &bytes.Buffer{}
			tc.hub(h)
			l := &lease{stop: t.Context(), Interface: h, namespace: "rollcall-system", log: slog.New(slog.NewTextHandler(log, nil))}
			check := leaderCheck(notElected{}, l)
			if got := check().Error(); got != "this replica is starting and has not requested the Lease rollcall-system/rollcall-master yet" {
				t.Errorf("before the first request: got %s, want that the Lease has not been requested", got)
			}
			for range 3 { // like the leader elector
				if _, _, err := l.Get(t.Context()); apierrors.IsNotFound(err) {
					_ = l.Create(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: l.Identity()})
				}
			}
			got := check().Error()
			if !strings.Contains(got, tc.want) || strings.Contains(got, "secret") {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
			wantLines := 0
			if h.createErr != nil && !apierrors.IsAlreadyExists(h.createErr) || h.getErr != nil && !errors.Is(h.getErr, error(notFound)) {
				wantLines = 1
			}
			if h.holder == "m-2" { // which other master leads
				wantLines = 1
			}
			if n := strings.Count(log.String(), "\n"); n != wantLines {
				t.Errorf("got %d log lines, want %d:\n%s", n, wantLines, log)
			}
		})
	}
}

func TestLeaseTakeover(t *testing.T) {
	h := newFakeLease()
	h.holder, h.updateErr = "m-2", apierrors.NewConflict(schema.GroupResource{}, leaseName, nil)
	l := &lease{stop: t.Context(), Interface: h, log: slog.New(slog.DiscardHandler)}
	takeOver := func() string {
		_, _, _ = l.Get(t.Context())
		_ = l.Update(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: l.Identity()})
		return l.notLeading().Error()
	}
	if got := takeOver(); !strings.Contains(got, "m-2 holds the Lease") {
		t.Errorf("after a conflict: got %s, want the other holder", got)
	}
	h.updateErr = nil
	if got := takeOver(); !strings.Contains(got, "this replica holds the Lease") {
		t.Errorf("after an update: got %s, want this replica", got)
	}
}

func TestReadinessWithoutLeaderElection(t *testing.T) {
	got := leaderCheck(notElected{}, nil)().Error()
	if !strings.Contains(got, "is starting") || !strings.Contains(got, "--leader-elect=false") || strings.Contains(got, "another") {
		t.Errorf("got %s, want that it is starting without leader election", got)
	}
}
