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

// kind is a watched kind of objects.
type kind struct {
	resource string
	section  state.SectionName
	// start returns a function that runs the kind's watch until its context is done.
	start func(Config, *watchHealth) func(context.Context)
}

// kindsOf returns all watched kinds. The watch of Services starts after the first list of
// EndpointSlices, so that no port is reported without its targets.
func kindsOf(c clients) []kind {
	slicesSynced, interner := make(chan struct{}), newInterner()
	return []kind{
		nodeKind(listWatchOf(c.core, "nodes"), interner),
		podKind(listWatchOf(c.core, "pods"), interner),
		sliceKind(listWatchOf(c.discovery, "endpointslices"), interner, slicesSynced),
		serviceKind(listWatchOf(c.core, "services"), interner, slicesSynced),
		claimKind(listWatchOf(c.core, "persistentvolumeclaims"), interner),
		volumeKind(listWatchOf(c.core, "persistentvolumes"), interner),
	}
}

// nodeKind returns the kind of nodes.
func nodeKind(from listWatch, interner *interner) kind {
	return newKind("nodes", state.SectionNodes, from, &nodeObject{}, kindSpec[nodeObject, facts.NodeInput]{
		input:  nodeConverter{interner}.input,
		set:    (*facts.Tracker).SetNode,
		remove: func(t *facts.Tracker, _, name string) state.Changes { return t.DeleteNode(name) },
		retain: (*facts.Tracker).RetainNodes,
	})
}

// podKind returns the kind of pods.
func podKind(from listWatch, interner *interner) kind {
	return newKind("pods", state.SectionPods, from, &podObject{}, kindSpec[podObject, facts.PodInput]{
		input:  podConverter{interner}.input,
		set:    (*facts.Tracker).SetPod,
		remove: (*facts.Tracker).DeletePod,
		retain: (*facts.Tracker).RetainPods,
	})
}

// sliceKind returns the kind of EndpointSlices. synced is closed after the first list.
func sliceKind(from listWatch, interner *interner, synced chan<- struct{}) kind {
	return newKind("endpointslices", state.SectionNetwork, from, &sliceObject{}, kindSpec[sliceObject, facts.SliceInput]{
		input:  sliceConverter{interner}.input,
		set:    (*facts.Tracker).SetSlice,
		remove: (*facts.Tracker).DeleteSlice,
		retain: (*facts.Tracker).RetainSlices,
		synced: synced,
	})
}

// serviceKind returns the kind of Services. Its watch starts when slicesSynced is closed.
func serviceKind(from listWatch, interner *interner, slicesSynced <-chan struct{}) kind {
	return newKind("services", state.SectionNetwork, from, &serviceObject{}, kindSpec[serviceObject, facts.ServiceInput]{
		input:  serviceConverter{interner}.input,
		set:    (*facts.Tracker).SetService,
		remove: (*facts.Tracker).DeleteService,
		retain: (*facts.Tracker).RetainServices,
		after:  slicesSynced,
	})
}

// claimKind returns the kind of PersistentVolumeClaims.
func claimKind(from listWatch, interner *interner) kind {
	return newKind("persistentvolumeclaims", state.SectionStorage, from, &claimObject{}, kindSpec[claimObject, facts.ClaimInput]{
		input:  claimConverter{interner}.input,
		set:    (*facts.Tracker).SetClaim,
		remove: (*facts.Tracker).DeleteClaim,
		retain: (*facts.Tracker).RetainClaims,
	})
}

// volumeKind returns the kind of PersistentVolumes.
func volumeKind(from listWatch, interner *interner) kind {
	return newKind("persistentvolumes", state.SectionStorage, from, &volumeObject{}, kindSpec[volumeObject, facts.VolumeInput]{
		input:  volumeConverter{interner}.input,
		set:    (*facts.Tracker).SetVolume,
		remove: func(t *facts.Tracker, _, name string) state.Changes { return t.DeleteVolume(name) },
		retain: (*facts.Tracker).RetainVolumes,
	})
}

// newKind returns a kind whose watch is run by a client-go reflector.
func newKind[O, I any](resource string, section state.SectionName, from listWatch, example runtime.Object, spec kindSpec[O, I]) kind {
	return kind{resource: resource, section: section, start: func(cfg Config, health *watchHealth) func(context.Context) {
		log := clientLog(cfg.Log)
		reflector := cache.NewReflectorWithOptions(&lister{listWatch: from, health: health}, example, &store[O, I]{spec: spec, handler: cfg.Handler, health: health}, cache.ReflectorOptions{
			Logger: &log, Name: resource, TypeDescription: resource, Backoff: &backOff,
		})
		reflector.WatchListPageSize = pageSize
		return func(ctx context.Context) {
			if spec.wait(ctx) {
				reflector.RunWithContext(klog.NewContext(ctx, log))
			}
		}
	}}
}

// backOff is the reflectors' back-off. With it, a reflector reconnects at most five seconds after the API
// server is reachable again. client-go's default grows to a minute.
var backOff = wait.Backoff{Duration: 500 * time.Millisecond, Factor: 2, Jitter: 1, Steps: 10, Cap: 2500 * time.Millisecond}
