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

// hubLease is a Lease on a hub that answers as a test says.
type hubLease struct {
	resourcelock.LeaseLock
	holder           string
	get, create, put error
}

func (h *hubLease) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	return &resourcelock.LeaderElectionRecord{HolderIdentity: h.holder}, nil, h.get
}

func (h *hubLease) Create(context.Context, resourcelock.LeaderElectionRecord) error { return h.create }
func (h *hubLease) Update(context.Context, resourcelock.LeaderElectionRecord) error { return h.put }

func newHubLease() *hubLease {
	return &hubLease{LeaseLock: resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: "rollcall-system", Name: leaseName},
		LockConfig: resourcelock.ResourceLockConfig{Identity: "m-1"},
	}}
}

// electing is a manager that has elected nobody.
type notElected struct{ manager.Manager }

func (notElected) Elected() <-chan struct{} { return nil }

func TestLeaseReadiness(t *testing.T) {
	leases := schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}
	none := apierrors.NewNotFound(leases, leaseName)
	noNamespace := apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "rollcall-system")
	secret := errors.New("secret words of the hub")
	for name, tc := range map[string]struct {
		hub  func(*hubLease)
		want string
	}{
		"another leads":           {func(h *hubLease) { h.holder = "m-2" }, "another replica leads, and is ready: m-2 has the Lease rollcall-system/rollcall-master"},
		"nobody leads":            {func(*hubLease) {}, "no replica leads: the Lease rollcall-system/rollcall-master is nobody's"},
		"it leads in a moment":    {func(h *hubLease) { h.get = none }, "this replica has the Lease rollcall-system/rollcall-master, and is starting"},
		"no namespace":            {func(h *hubLease) { h.get, h.create = none, noNamespace }, "no replica can lead: the Lease rollcall-system/rollcall-master cannot be made, as the hub has no namespace rollcall-system: create it, or name another by --leader-elect-namespace"},
		"it may not make one":     {func(h *hubLease) { h.get, h.create = none, apierrors.NewForbidden(leases, leaseName, secret) }, "this replica cannot lead: it may not have the Lease rollcall-system/rollcall-master: grant it get, create and update on leases"},
		"it may not read it":      {func(h *hubLease) { h.get = apierrors.NewForbidden(leases, leaseName, secret) }, "it may not have the Lease"},
		"nobody knows it":         {func(h *hubLease) { h.get = apierrors.NewUnauthorized("secret words") }, "the hub does not accept its credentials"},
		"the hub does not answer": {func(h *hubLease) { h.get = secret }, "the Lease rollcall-system/rollcall-master cannot be read or written: see whether the hub's API server answers"},
		"another was faster":      {func(h *hubLease) { h.get, h.create = none, apierrors.NewAlreadyExists(leases, leaseName) }, "has not asked for the Lease"},
	} {
		t.Run(name, func(t *testing.T) {
			h, log := newHubLease(), &bytes.Buffer{}
			tc.hub(h)
			l := &lease{Interface: h, namespace: "rollcall-system", log: slog.New(slog.NewTextHandler(log, nil))}
			check := leads(notElected{}, l)
			if got := check().Error(); got != "this replica is starting, and has not asked for the Lease rollcall-system/rollcall-master yet" {
				t.Errorf("before it asked: %s", got)
			}
			for range 3 { // as an elector does
				if _, _, err := l.Get(t.Context()); apierrors.IsNotFound(err) {
					_ = l.Create(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: l.Identity()})
				}
			}
			got := check().Error()
			if !strings.Contains(got, tc.want) || strings.Contains(got, "secret") {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
			wantLines := 0
			if h.create != nil && !apierrors.IsAlreadyExists(h.create) || h.get != nil && !errors.Is(h.get, error(none)) {
				wantLines = 1
			}
			if n := strings.Count(log.String(), "\n"); n != wantLines {
				t.Errorf("logged %d lines, want %d:\n%s", n, wantLines, log)
			}
		})
	}
}

func TestLeaseTakeover(t *testing.T) {
	h := newHubLease()
	h.holder, h.put = "m-2", apierrors.NewConflict(schema.GroupResource{}, leaseName, nil)
	l := &lease{Interface: h, log: slog.New(slog.DiscardHandler)}
	take := func() string {
		_, _, _ = l.Get(t.Context())
		_ = l.Update(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: l.Identity()})
		return l.leads().Error()
	}
	if got := take(); !strings.Contains(got, "m-2 has the Lease") {
		t.Errorf("another was faster: %s", got)
	}
	h.put = nil
	if got := take(); !strings.Contains(got, "this replica has the Lease") {
		t.Errorf("it was taken: %s", got)
	}
}

func TestReadinessWithoutLeaderElection(t *testing.T) {
	got := leads(notElected{}, nil)().Error()
	if !strings.Contains(got, "is starting") || !strings.Contains(got, "--leader-elect=false") || strings.Contains(got, "another") {
		t.Errorf("it says %s", got)
	}
}
