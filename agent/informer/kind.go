package informer

import (
	"context"
	"time"

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
	slicesThere, shared := make(chan struct{}), newInterner()
	return []kind{
		nodeKind(endpointOf(c.core, "nodes"), shared),
		podKind(endpointOf(c.core, "pods"), shared),
		sliceKind(endpointOf(c.discovery, "endpointslices"), shared, slicesThere),
		serviceKind(endpointOf(c.core, "services"), shared, slicesThere),
		claimKind(endpointOf(c.core, "persistentvolumeclaims"), shared),
		volumeKind(endpointOf(c.core, "persistentvolumes"), shared),
	}
}

func nodeKind(from endpoint, shared *interner) kind {
	return newKind("nodes", state.SectionNodes, from, &nodeObject{}, recipe[nodeObject, facts.NodeInput]{
		input:  nodeConverter{shared}.input,
		set:    (*facts.Tracker).SetNode,
		remove: func(t *facts.Tracker, _, name string) state.Changes { return t.DeleteNode(name) },
		retain: (*facts.Tracker).RetainNodes,
	})
}

func podKind(from endpoint, shared *interner) kind {
	return newKind("pods", state.SectionPods, from, &podObject{}, recipe[podObject, facts.PodInput]{
		input:  podConverter{shared}.input,
		set:    (*facts.Tracker).SetPod,
		remove: (*facts.Tracker).DeletePod,
		retain: (*facts.Tracker).RetainPods,
	})
}

func sliceKind(from endpoint, shared *interner, there chan<- struct{}) kind {
	return newKind("endpointslices", state.SectionNetwork, from, &sliceObject{}, recipe[sliceObject, facts.SliceInput]{
		input:  sliceConverter{shared}.input,
		set:    (*facts.Tracker).SetSlice,
		remove: (*facts.Tracker).DeleteSlice,
		retain: (*facts.Tracker).RetainSlices,
		there:  there,
	})
}

func serviceKind(from endpoint, shared *interner, slicesThere <-chan struct{}) kind {
	return newKind("services", state.SectionNetwork, from, &serviceObject{}, recipe[serviceObject, facts.ServiceInput]{
		input:  serviceConverter{shared}.input,
		set:    (*facts.Tracker).SetService,
		remove: (*facts.Tracker).DeleteService,
		retain: (*facts.Tracker).RetainServices,
		after:  slicesThere,
	})
}

func claimKind(from endpoint, shared *interner) kind {
	return newKind("persistentvolumeclaims", state.SectionStorage, from, &claimObject{}, recipe[claimObject, facts.ClaimInput]{
		input:  claimConverter{shared}.input,
		set:    (*facts.Tracker).SetClaim,
		remove: (*facts.Tracker).DeleteClaim,
		retain: (*facts.Tracker).RetainClaims,
	})
}

func volumeKind(from endpoint, shared *interner) kind {
	return newKind("persistentvolumes", state.SectionStorage, from, &volumeObject{}, recipe[volumeObject, facts.VolumeInput]{
		input:  volumeConverter{shared}.input,
		set:    (*facts.Tracker).SetVolume,
		remove: func(t *facts.Tracker, _, name string) state.Changes { return t.DeleteVolume(name) },
		retain: (*facts.Tracker).RetainVolumes,
	})
}

func newKind[O, I any](resource string, section state.SectionName, from endpoint, example runtime.Object, r recipe[O, I]) kind {
	return kind{resource: resource, section: section, start: func(cfg Config, f *feed) func(context.Context) {
		log := clientLog(cfg.Log)
		reflector := cache.NewReflectorWithOptions(&lister{from: from, feed: f}, example, &store[O, I]{recipe: r, sink: cfg.Sink, feed: f}, cache.ReflectorOptions{
			Logger: &log, Name: resource, TypeDescription: resource, Backoff: &backOff,
		})
		reflector.WatchListPageSize = pageSize
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
