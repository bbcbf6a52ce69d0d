package membership

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"rollcall.dev/rollcall/master/membership/membershiptest"
)

// hub has Leases as an API server does.
type hub struct {
	mu     sync.Mutex
	leases map[string]coordinationv1.Lease
	writes int
}

// hubClient is the connection of a master to a hub.
type hubClient struct {
	*hub
	cut bool
	// ahead is how far the clock of the master is ahead.
	ahead time.Duration
}

var (
	leaseResource = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}
	errHub        = errors.New("the hub does not answer")
)

func (c *hubClient) setCut(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
}

func (c *hubClient) Get(_ context.Context, name string, _ metav1.GetOptions) (*coordinationv1.Lease, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.leases[name]
	switch {
	case c.cut:
		return nil, errHub
	case !ok:
		return nil, apierrors.NewNotFound(leaseResource, name)
	}
	return l.DeepCopy(), nil
}

func (c *hubClient) List(context.Context, metav1.ListOptions) (*coordinationv1.LeaseList, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return nil, errHub
	}
	list := &coordinationv1.LeaseList{}
	for _, l := range c.leases {
		list.Items = append(list.Items, *l.DeepCopy())
	}
	return list, nil
}

func (c *hubClient) Create(_ context.Context, l *coordinationv1.Lease, _ metav1.CreateOptions) (*coordinationv1.Lease, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.leases[l.Name]; ok && !c.cut {
		return nil, apierrors.NewAlreadyExists(leaseResource, l.Name)
	}
	return c.store(l, types.UID("uid-"+strconv.Itoa(c.writes)))
}

func (c *hubClient) Update(_ context.Context, l *coordinationv1.Lease, _ metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, ok := c.leases[l.Name]
	switch {
	case c.cut:
	case !ok:
		return nil, apierrors.NewNotFound(leaseResource, l.Name)
	case old.ResourceVersion != l.ResourceVersion:
		return nil, apierrors.NewConflict(leaseResource, l.Name, errors.New("the object has been modified"))
	}
	return c.store(l, old.UID)
}

// store is called with the lock held.
func (c *hubClient) store(l *coordinationv1.Lease, uid types.UID) (*coordinationv1.Lease, error) {
	if c.cut {
		return nil, errHub
	}
	stored := l.DeepCopy()
	c.writes++
	stored.ResourceVersion, stored.UID = strconv.Itoa(c.writes), uid
	stored.Spec.RenewTime.Time = stored.Spec.RenewTime.Add(c.ahead)
	c.leases[l.Name] = *stored
	return stored.DeepCopy(), nil
}

func (c *hubClient) Delete(_ context.Context, name string, o metav1.DeleteOptions) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, ok := c.leases[name]
	switch {
	case c.cut:
		return errHub
	case !ok:
		return apierrors.NewNotFound(leaseResource, name)
	case *o.Preconditions.ResourceVersion != old.ResourceVersion || *o.Preconditions.UID != old.UID:
		return apierrors.NewConflict(leaseResource, name, errors.New("the precondition fails"))
	}
	delete(c.leases, name)
	return nil
}

// masters has the masters of a test, which share a network and a hub.
type masters struct {
	*testing.T
	network membershiptest.Network
	hub     hub
	cut     bool // the next master does not reach the hub
}

// testMaster is a running master.
type testMaster struct {
	*Members
	channel *membershiptest.Channel
	hub     *hubClient
	log     *bytes.Buffer
	changes func() int
	kill    context.CancelFunc
}

// run calls f in virtual time with masters of these names.
func run(t *testing.T, f func(t *masters, all []*testMaster), names ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ms := &masters{T: t, hub: hub{leases: map[string]coordinationv1.Lease{}}}
		var all []*testMaster
		for _, name := range names {
			all = append(all, ms.start(name, name+"-1"))
		}
		synctest.Wait()
		ms.after(settleTime)
		f(ms, all)
	})
}

// start starts a master that runs until the test ends.
func (t *masters) start(name, incarnation string) *testMaster {
	log := &bytes.Buffer{}
	var mu sync.Mutex
	changes := 0
	m := &testMaster{channel: t.network.Channel(incarnation), hub: &hubClient{hub: &t.hub, cut: t.cut}, log: log, changes: func() int {
		mu.Lock()
		defer mu.Unlock()
		return changes
	}}
	m.Members = New(Config{
		Name: name, Incarnation: incarnation, Channel: m.channel, Leases: m.hub, Log: slog.New(slog.NewTextHandler(log, nil)),
		OnChange: func() {
			mu.Lock()
			defer mu.Unlock()
			changes++
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := m.Run(ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}()
	m.kill = func() { cancel(); <-done }
	t.Cleanup(m.kill)
	return m
}

// lease returns the Lease of a master, and whether it exists.
func (h *hub) lease(name string) (coordinationv1.Lease, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l, ok := h.leases[LeasePrefix+name]
	return l, ok
}

// count returns the number of Leases.
func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.leases)
}

// change changes the Leases as someone else does.
func (h *hub) change(f func(leases map[string]coordinationv1.Lease)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(h.leases)
}

// after waits for d and then for all that follows from it.
func (t *masters) after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

const clusters = 100

// owners returns the index of the owner of each cluster, and fails the test unless each has exactly one.
func (t *masters) owners(all ...*testMaster) (owners [clusters]int) {
	t.Helper()
	for c := range clusters {
		owners[c] = t.ownerOf(cluster(c), all...)
	}
	return owners
}

func cluster(i int) string { return fmt.Sprintf("cluster-%d", i) }

// ownerOf returns the index of the owner of a cluster, and fails the test unless all agree on it.
func (t *masters) ownerOf(cluster string, all ...*testMaster) int {
	t.Helper()
	owner := -1
	for i, m := range all {
		if m.Owns(cluster) {
			if owner >= 0 {
				t.Fatalf("%s is owned by the masters %d and %d", cluster, owner, i)
			}
			owner = i
		}
		if got, want := m.Owner(cluster), all[0].Owner(cluster); got != want {
			t.Fatalf("%s: master %d sees the owner %v, master 0 sees %v", cluster, i, got, want)
		}
	}
	if owner < 0 {
		t.Fatalf("%s has no owner; master 0 sees %v", cluster, all[0].Owner(cluster))
	}
	return owner
}

// noneOwned fails the test if a master owns a cluster.
func (t *masters) noneOwned(m *testMaster) {
	t.Helper()
	for c := range clusters {
		if m.Owns(cluster(c)) {
			t.Fatalf("%s owns %s, want that it owns nothing", m.cfg.Name, cluster(c))
		}
	}
}
