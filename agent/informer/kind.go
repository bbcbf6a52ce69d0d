package informer

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

// kind is one kind of object that is watched.
type kind struct {
	resource string
	section  state.SectionName
	// start makes what runs the kind's watch until a context is done.
	start func(Config, *feed) func(context.Context)
}

// kindsOf are the kinds that facts are made of. Services are watched from when the
// EndpointSlices are there: no port is told before it is known where it leads.
func kindsOf(c clients) []kind {
	slicesThere := make(chan struct{})
	return []kind{
		nodeKind(endpointOf(c.core, "nodes")),
		podKind(endpointOf(c.core, "pods")),
		sliceKind(endpointOf(c.discovery, "endpointslices"), slicesThere),
		serviceKind(endpointOf(c.core, "services"), slicesThere),
		claimKind(endpointOf(c.core, "persistentvolumeclaims")),
	}
}

func nodeKind(from endpoint) kind {
	return newKind("nodes", state.SectionNodes, from, &corev1.Node{}, recipe[corev1.Node, facts.NodeInput]{
		input:   NodeInput,
		set:     (*facts.Tracker).SetNode,
		remove:  func(t *facts.Tracker, _, name string) state.Changes { return t.DeleteNode(name) },
		replace: (*facts.Tracker).ReplaceNodes,
	})
}

func podKind(from endpoint) kind {
	return newKind("pods", state.SectionPods, from, &corev1.Pod{}, recipe[corev1.Pod, facts.PodInput]{
		input:   podConverter{interner{}}.input,
		set:     (*facts.Tracker).SetPod,
		remove:  (*facts.Tracker).DeletePod,
		replace: (*facts.Tracker).ReplacePods,
	})
}

func sliceKind(from endpoint, there chan<- struct{}) kind {
	return newKind("endpointslices", state.SectionNetwork, from, &discoveryv1.EndpointSlice{}, recipe[discoveryv1.EndpointSlice, facts.SliceInput]{
		input:   sliceConverter{interner{}}.input,
		set:     (*facts.Tracker).SetSlice,
		remove:  (*facts.Tracker).DeleteSlice,
		replace: (*facts.Tracker).ReplaceSlices,
		there:   there,
	})
}

func serviceKind(from endpoint, slicesThere <-chan struct{}) kind {
	return newKind("services", state.SectionNetwork, from, &corev1.Service{}, recipe[corev1.Service, facts.ServiceInput]{
		input:   ServiceInput,
		set:     (*facts.Tracker).SetService,
		remove:  (*facts.Tracker).DeleteService,
		replace: (*facts.Tracker).ReplaceServices,
		after:   slicesThere,
	})
}

func claimKind(from endpoint) kind {
	return newKind("persistentvolumeclaims", state.SectionStorage, from, &corev1.PersistentVolumeClaim{}, recipe[corev1.PersistentVolumeClaim, facts.ClaimInput]{
		input:   ClaimInput,
		set:     (*facts.Tracker).SetClaim,
		remove:  (*facts.Tracker).DeleteClaim,
		replace: (*facts.Tracker).ReplaceClaims,
	})
}

func newKind[O, I any](resource string, section state.SectionName, from endpoint, example runtime.Object, r recipe[O, I]) kind {
	return kind{resource: resource, section: section, start: func(cfg Config, f *feed) func(context.Context) {
		log := clientLog(cfg.Log)
		reflector := cache.NewReflectorWithOptions(&lister{from: from, feed: f}, example, &store[O, I]{recipe: r, sink: cfg.Sink, feed: f}, cache.ReflectorOptions{
			Logger: &log, Name: resource, TypeDescription: resource, Backoff: &backOff,
		})
		return func(ctx context.Context) {
			if r.wait(ctx) {
				reflector.RunWithContext(klog.NewContext(ctx, log))
			}
		}
	}}
}

// backOff lets a reflector find within five seconds that its API server is back;
// client-go's own goes up to a minute.
var backOff = wait.Backoff{Duration: 500 * time.Millisecond, Factor: 2, Jitter: 1, Steps: 10, Cap: 2500 * time.Millisecond}
