package informer

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

// fakeCluster is a fake API server with a recorder of what the informer reports.
type fakeCluster struct {
	nodes, pods, slices, services, claims, volumes *fakeResource
	recorder                                       *recorder
}

func newFakeCluster() *fakeCluster {
	return &fakeCluster{
		nodes:    newFakeResource("nodes", &nodeObject{}, &nodeList{}),
		pods:     newFakeResource("pods", &podObject{}, &podList{}),
		slices:   newFakeResource("endpointslices", &sliceObject{}, &sliceList{}),
		services: newFakeResource("services", &serviceObject{}, &serviceList{}),
		claims:   newFakeResource("persistentvolumeclaims", &claimObject{}, &claimList{}),
		volumes:  newFakeResource("persistentvolumes", &volumeObject{}, &volumeList{}),
		recorder: newRecorder(),
	}
}

func (c *fakeCluster) all() []*fakeResource {
	return []*fakeResource{c.nodes, c.pods, c.slices, c.services, c.claims, c.volumes}
}

// disconnect closes all watches and refuses connections until reconnect is called.
func (c *fakeCluster) disconnect() {
	for _, r := range c.all() {
		r.setError(syscall.ECONNREFUSED)
		r.closeWatches()
	}
}

// reconnect makes requests succeed again.
func (c *fakeCluster) reconnect() {
	for _, r := range c.all() {
		r.setError(nil)
	}
}

// runInformer calls test with a fake cluster and a running informer in a synctest bubble. prepare is called before the
// informer starts.
func runInformer(t *testing.T, prepare func(*fakeCluster), test func(*fakeCluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster()
		prepare(c)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			run(ctx, Config{Handler: c.recorder.handler(), Log: slog.New(slog.DiscardHandler)}, c.kinds())
			close(done)
		}()
		synctest.Wait()
		test(c)
		cancel()
		<-done
	})
}

// kinds returns the watched kinds of the fake cluster, as kindsOf does.
func (c *fakeCluster) kinds() []kind {
	synced, interner := make(chan struct{}), newInterner()
	return []kind{
		nodeKind(c.nodes.listWatch(), interner), podKind(c.pods.listWatch(), interner), sliceKind(c.slices.listWatch(), interner, synced),
		serviceKind(c.services.listWatch(), interner, synced), claimKind(c.claims.listWatch(), interner), volumeKind(c.volumes.listWatch(), interner),
	}
}

// advance advances virtual time.
func advance(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// recorder has a Handler that records facts and section statuses.
type recorder struct {
	mu      sync.Mutex
	tracker *facts.Tracker
	facts   map[state.Key]state.Object
	history map[state.SectionName][]state.SectionStatus // statuses by section
	// changed has a value if the Handler was called since the last receive.
	changed chan struct{}
}

func newRecorder() *recorder {
	return &recorder{
		tracker: facts.NewTracker(func() state.Time { return state.TimeOf(time.Now()) }),
		facts:   map[state.Key]state.Object{},
		history: map[state.SectionName][]state.SectionStatus{},
		changed: make(chan struct{}, 1),
	}
}

func (r *recorder) handler() Handler { return Handler{Apply: r.apply, Section: r.section} }

func (r *recorder) apply(change func(*facts.Tracker) state.Changes) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := change(r.tracker)
	for _, o := range c.Upserts {
		r.facts[o.Key()] = o
	}
	for _, k := range c.Removes {
		delete(r.facts, k)
	}
	r.notifyChanged()
}

func (r *recorder) notifyChanged() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *recorder) section(name state.SectionName, status state.SectionStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history[name] = append(r.history[name], status)
	r.notifyChanged()
}

// statuses returns the statuses of a section so far.
func (r *recorder) statuses(name state.SectionName) []state.SectionStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.history[name])
}

// lastStatus returns the last status of a section and the number of its statuses.
func (r *recorder) lastStatus(name state.SectionName) (status state.SectionStatus, n int) {
	all := r.statuses(name)
	if len(all) == 0 {
		return state.SectionStatus{}, 0
	}
	return all[len(all)-1], len(all)
}

// count returns the number of objects of a kind.
func (r *recorder) count(kind state.Kind) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for k := range r.facts {
		if k.Kind == kind {
			n++
		}
	}
	return n
}

// pod returns the fact of a pod, or nil.
func (r *recorder) pod(namespace, name string) *state.Pod {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, _ := r.facts[state.Key{Kind: state.KindPod, Namespace: namespace, Name: name}].(*state.Pod)
	return p
}

func testPod(name, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: corev1.PodSpec{
			NodeName:   node,
			Containers: []corev1.Container{{Name: "app", Image: "app:1"}},
			Volumes:    []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

func testNode(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func testService() *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80, NodePort: 30080}}},
	}
}

func testSlice() *discoveryv1.EndpointSlice {
	number := int32(8080)
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-a", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		Ports:      []discoveryv1.EndpointPort{{Port: &number}},
		Endpoints:  []discoveryv1.Endpoint{{Addresses: []string{"10.1.0.1"}}},
	}
}
