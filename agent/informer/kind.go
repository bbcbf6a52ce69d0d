package informer

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

// kind is a watched kind of objects.
type kind struct {
	resource string
	// namespace is the namespace that is watched, "" for all.
	namespace string
	section   state.SectionName
	// start returns a function that runs the kind's watch until its context is done.
	start func(Config, *watchHealth) func(context.Context)
}

// sectionOf has the section of each watched resource.
var sectionOf = map[string]state.SectionName{
	"nodes": state.SectionNodes, "pods": state.SectionPods, "services": state.SectionNetwork, "endpointslices": state.SectionNetwork,
	"persistentvolumeclaims": state.SectionStorage, "persistentvolumes": state.SectionStorage,
}

// kindsOf returns the watched kinds, each one several times if only some namespaces are read. The watches of Services
// start after the first lists of EndpointSlices, so that no port is reported without its targets.
func kindsOf(c clients, limits map[string]Limit) []kind {
	interner := newInterner()
	kinds := eachScope(c.core, "nodes", limits, func(from listWatch) kind { return nodeKind(from, interner) })
	kinds = append(kinds, eachScope(c.core, "pods", limits, func(from listWatch) kind { return podKind(from, interner) })...)
	var slicesSynced []<-chan struct{}
	kinds = append(kinds, eachScope(c.discovery, "endpointslices", limits, func(from listWatch) kind {
		synced := make(chan struct{})
		slicesSynced = append(slicesSynced, synced)
		return sliceKind(from, interner, synced)
	})...)
	kinds = append(kinds, eachScope(c.core, "services", limits, func(from listWatch) kind { return serviceKind(from, interner, slicesSynced...) })...)
	kinds = append(kinds, eachScope(c.core, "persistentvolumeclaims", limits, func(from listWatch) kind { return claimKind(from, interner) })...)
	return append(kinds, eachScope(c.core, "persistentvolumes", limits, func(from listWatch) kind { return volumeKind(from, interner) })...)
}

// eachScope returns a kind for all namespaces of a resource, or for each one that limits allow.
func eachScope(client rest.Interface, resource string, limits map[string]Limit, newKind func(listWatch) kind) []kind {
	limit, limited := limits[resource]
	if !limited {
		return []kind{newKind(listWatchOf(client, resource, ""))}
	}
	var kinds []kind
	for _, namespace := range limit.Namespaces {
		kinds = append(kinds, newKind(listWatchOf(client, resource, namespace)))
	}
	return kinds
}

// nodeKind returns the kind of nodes.
func nodeKind(from listWatch, interner *interner) kind {
	return newKind("nodes", from, &nodeObject{}, kindSpec[nodeObject, facts.NodeInput]{
		input:  nodeConverter{interner}.input,
		set:    (*facts.Tracker).SetNode,
		remove: func(t *facts.Tracker, _, name string) state.Changes { return t.DeleteNode(name) },
		retain: func(t *facts.Tracker, _ string, names []facts.NamespacedName) state.Changes {
			return t.RetainNodes(names)
		},
	})
}

// podKind returns the kind of pods.
func podKind(from listWatch, interner *interner) kind {
	return newKind("pods", from, &podObject{}, kindSpec[podObject, facts.PodInput]{
		input:  podConverter{interner}.input,
		set:    (*facts.Tracker).SetPod,
		remove: (*facts.Tracker).DeletePod,
		retain: (*facts.Tracker).RetainPods,
	})
}

// sliceKind returns the kind of EndpointSlices. synced is closed after the first list.
func sliceKind(from listWatch, interner *interner, synced chan<- struct{}) kind {
	return newKind("endpointslices", from, &sliceObject{}, kindSpec[sliceObject, facts.SliceInput]{
		input:  sliceConverter{interner}.input,
		set:    (*facts.Tracker).SetSlice,
		remove: (*facts.Tracker).DeleteSlice,
		retain: (*facts.Tracker).RetainSlices,
		synced: synced,
	})
}

// serviceKind returns the kind of Services. Its watch starts when all channels of slicesSynced are closed.
func serviceKind(from listWatch, interner *interner, slicesSynced ...<-chan struct{}) kind {
	return newKind("services", from, &serviceObject{}, kindSpec[serviceObject, facts.ServiceInput]{
		input:  serviceConverter{interner}.input,
		set:    (*facts.Tracker).SetService,
		remove: (*facts.Tracker).DeleteService,
		retain: (*facts.Tracker).RetainServices,
		after:  slicesSynced,
	})
}

// claimKind returns the kind of PersistentVolumeClaims.
func claimKind(from listWatch, interner *interner) kind {
	return newKind("persistentvolumeclaims", from, &claimObject{}, kindSpec[claimObject, facts.ClaimInput]{
		input:  claimConverter{interner}.input,
		set:    (*facts.Tracker).SetClaim,
		remove: (*facts.Tracker).DeleteClaim,
		retain: (*facts.Tracker).RetainClaims,
	})
}

// volumeKind returns the kind of PersistentVolumes.
func volumeKind(from listWatch, interner *interner) kind {
	return newKind("persistentvolumes", from, &volumeObject{}, kindSpec[volumeObject, facts.VolumeInput]{
		input:  volumeConverter{interner}.input,
		set:    (*facts.Tracker).SetVolume,
		remove: func(t *facts.Tracker, _, name string) state.Changes { return t.DeleteVolume(name) },
		retain: func(t *facts.Tracker, _ string, names []facts.NamespacedName) state.Changes {
			return t.RetainVolumes(names)
		},
	})
}

// newKind returns a kind whose watch is run by a client-go reflector.
func newKind[O, I any](resource string, from listWatch, example runtime.Object, spec kindSpec[O, I]) kind {
	return kind{resource: resource, namespace: from.namespace, section: sectionOf[resource], start: func(cfg Config, health *watchHealth) func(context.Context) {
		log := clientLog(cfg.Log)
		reflector := cache.NewReflectorWithOptions(&lister{listWatch: from, health: health}, example, &store[O, I]{spec: spec, namespace: from.namespace, handler: cfg.Handler, health: health}, cache.ReflectorOptions{
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
