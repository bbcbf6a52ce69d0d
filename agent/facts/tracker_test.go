package facts_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

// The generators use few names, so that objects collide often: pods with the same name on several nodes, slices that
// move between Services, claims that are created before and after their pods.
var (
	namespaces = rapid.SampledFrom([]string{"a", "a", "a", "b"})
	nodeNames  = rapid.SampledFrom([]string{"n1", "n2", ""})
	podNames   = rapid.SampledFrom([]string{"p1", "p2", "p3"})
	portNames  = rapid.SampledFrom([]string{"", "http"})
	labels     = rapid.SampledFrom([]facts.LabelSet{"", "app=web", "app=web\ntier=front", "tier=front"})
	protocols  = rapid.SampledFrom([]state.Protocol{state.TCP, state.UDP})
	numbers    = rapid.SampledFrom([]uint16{80, 81})
	addresses  = rapid.SampledFrom([]string{"", "0.0.0.0", "192.0.2.1", "fd00::1"})
	claims     = rapid.SampledFrom([]string{"c1", "c2"})
)

func drawResources(t *rapid.T) state.Resources {
	r := state.Resources{CPUMillis: rapid.Int64Range(0, 3).Draw(t, "cpu")}
	if n := rapid.Int64Range(0, 2).Draw(t, "gpus"); n > 0 {
		r.Extended = map[string]int64{"gpu": n}
	}
	return r
}

func drawNode(t *rapid.T) any {
	return &facts.NodeInput{
		Name:        rapid.SampledFrom([]string{"n1", "n2"}).Draw(t, "node"),
		KubeletPort: rapid.SampledFrom([]uint16{0, 80}).Draw(t, "kubelet"),
		Allocatable: drawResources(t),
	}
}

func drawPod(t *rapid.T) any {
	in := &facts.PodInput{
		Namespace:   namespaces.Draw(t, "namespace"),
		Name:        podNames.Draw(t, "pod"),
		Node:        nodeNames.Draw(t, "node"),
		Phase:       rapid.SampledFrom([]state.PodPhase{state.PodPending, state.PodRunning, state.PodFailed}).Draw(t, "phase"),
		HostNetwork: rapid.Bool().Draw(t, "hostNetwork"),
		CreatedAt:   noon - 3600,
		Labels:      labels.Draw(t, "labels"),
		Ready:       rapid.SampledFrom([]facts.Condition{{}, {Type: "Ready", Status: state.True}, {Type: "Ready", Status: state.False, Since: noon - 60}}).Draw(t, "ready"),
		Requested:   drawResources(t),
		Limits:      drawResources(t),
		Mounts: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) facts.Mount {
			return facts.Mount{Volume: rapid.SampledFrom([]string{"v", "h"}).Draw(t, "volume"), Claim: claims.Draw(t, "claim"), Path: rapid.SampledFrom([]string{"", "/a"}).Draw(t, "path")}
		}), 0, 3).Draw(t, "mounts"),
		Containers: rapid.SliceOfNDistinct(rapid.Custom(drawContainer), 0, 3, func(c facts.ContainerInput) string { return c.Name }).Draw(t, "containers"),
	}
	for i := range in.Containers {
		if s := in.Containers[i].Status; s != nil {
			in.Statuses = append(in.Statuses, s)
		}
	}
	return in
}

// drawStatus draws the status of a container, or nil.
func drawStatus(t *rapid.T, container string) *facts.ContainerStatus {
	s := &facts.ContainerStatus{Name: container, Restarts: rapid.Int32Range(0, 3).Draw(t, "restarts")}
	switch rapid.IntRange(0, 4).Draw(t, "state") {
	case 0:
		return nil
	case 1:
		s.State, s.StartedAt, s.Ready = state.Running, noon-rapid.SampledFrom([]state.Time{5, 1000}).Draw(t, "ran"), rapid.Bool().Draw(t, "isReady")
	case 2:
		s.State, s.Reason, s.Message = state.Waiting, "CrashLoopBackOff", "back-off 1m20s restarting failed container"
	case 3:
		s.State, s.ExitCode, s.StartedAt, s.FinishedAt = state.Terminated, rapid.Int32Range(0, 1).Draw(t, "exit"), noon-100, noon-90
	}
	if s.Restarts > 0 {
		s.Last = &state.LastTermination{ExitCode: 1, FinishedAt: noon - 200}
	}
	return s
}

func drawContainer(t *rapid.T) facts.ContainerInput {
	name := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "container")
	return facts.ContainerInput{
		Name: name, Status: drawStatus(t, name),
		Kind: rapid.SampledFrom([]state.ContainerKind{state.Main, state.Init, state.Sidecar}).Draw(t, "kind"),
		Ports: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) facts.ContainerPort {
			return facts.ContainerPort{
				Protocol: protocols.Draw(t, "protocol"),
				Port:     numbers.Draw(t, "port"),
				HostPort: rapid.SampledFrom([]uint16{0, 80, 30080}).Draw(t, "hostPort"),
				HostIP:   addresses.Draw(t, "hostIP"),
			}
		}), 0, 3).Draw(t, "ports"),
	}
}

func drawService(t *rapid.T) any {
	return &facts.ServiceInput{
		Namespace: namespaces.Draw(t, "namespace"),
		Name:      rapid.SampledFrom([]string{"s1", "s2"}).Draw(t, "service"),
		Selector:  labels.Draw(t, "selector"),
		Type:      rapid.SampledFrom([]corev1.ServiceType{corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer}).Draw(t, "type"),
		Headless:  rapid.IntRange(0, 9).Draw(t, "headless") == 0,
		Ports: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) facts.ServicePort {
			return facts.ServicePort{
				Name:     portNames.Draw(t, "name"),
				Protocol: protocols.Draw(t, "protocol"),
				Port:     numbers.Draw(t, "port"),
				NodePort: rapid.SampledFrom([]uint16{0, 30080, 30081}).Draw(t, "nodePort"),
			}
		}), 0, 3).Draw(t, "ports"),
		ExternalIPs: rapid.SliceOfN(addresses, 0, 2).Draw(t, "externalIPs"),
		Ingress:     rapid.SliceOfN(addresses, 0, 2).Draw(t, "ingress"),
	}
}

func drawSlice(t *rapid.T) any {
	return &facts.SliceInput{
		Namespace: namespaces.Draw(t, "namespace"),
		Name:      rapid.SampledFrom([]string{"e1", "e2", "e3"}).Draw(t, "slice"),
		Service:   rapid.SampledFrom([]string{"s1", "s2", ""}).Draw(t, "service"),
		Ports: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) facts.SlicePort {
			return facts.SlicePort{Name: portNames.Draw(t, "name"), Protocol: protocols.Draw(t, "protocol"), Port: rapid.SampledFrom([]uint16{0, 80, 81}).Draw(t, "port")}
		}), 0, 3).Draw(t, "ports"),
		Endpoints: rapid.SliceOfN(rapid.Custom(drawEndpoint), 0, 4).Draw(t, "endpoints"),
	}
}

func drawEndpoint(t *rapid.T) facts.Endpoint {
	ready := rapid.Bool().Draw(t, "ready")
	return facts.Endpoint{
		Address:     addresses.Draw(t, "address"),
		Pod:         rapid.SampledFrom([]string{"", "p1", "p1", "p2"}).Draw(t, "pod"),
		Node:        nodeNames.Draw(t, "node"),
		Ready:       ready,
		Serving:     ready || rapid.Bool().Draw(t, "serving"),
		Terminating: !ready,
	}
}

func drawClaim(t *rapid.T) any {
	return &facts.ClaimInput{Namespace: namespaces.Draw(t, "namespace"), Name: claims.Draw(t, "claim"), CapacityBytes: rapid.Int64Range(0, 2).Draw(t, "capacity")}
}

func drawVolume(t *rapid.T) any {
	return &facts.VolumeInput{Name: rapid.SampledFrom([]string{"v1", "v2"}).Draw(t, "volume"), Phase: rapid.SampledFrom([]state.VolumePhase{state.VolumeBound, state.VolumeFailed}).Draw(t, "phase")}
}

func drawInput(t *rapid.T) any {
	kinds := []func(*rapid.T) any{drawNode, drawPod, drawPod, drawService, drawSlice, drawSlice, drawClaim, drawVolume}
	return rapid.SampledFrom(kinds).Draw(t, "kind")(t)
}

// drawExisting draws the name of an existing object. It returns false if there is none.
func drawExisting(t *rapid.T, h *harness) (objectName, bool) {
	if len(h.objects) == 0 {
		return objectName{}, false
	}
	return rapid.SampledFrom(sortedNames(h)).Draw(t, "name"), true
}

// sortedNames returns the names of all objects in ascending order.
func sortedNames(h *harness) []objectName {
	return slices.SortedFunc(maps.Keys(h.objects), func(a, b objectName) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

// drawStep draws and performs one step: a relist, a removal, or an added or updated object.
func drawStep(t *rapid.T, h *harness) {
	switch rapid.IntRange(0, 9).Draw(t, "step") {
	case 0:
		var all []any
		all = append(all, rapid.SliceOfNDistinct(rapid.Custom(drawInput), 0, 12, objectNameOf).Draw(t, "relist")...)
		must(t, h.relist(all))
	case 1, 2, 3:
		if n, ok := drawExisting(t, h); ok {
			must(t, h.remove(n))
		}
	default:
		must(t, h.set(drawInput(t)))
	}
}

// must fails the test if err is not nil.
func must(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFactsAfterEventsEqualFactsFromScratch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHarness()
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			drawStep(t, h)
			must(t, h.check())
		}
	})
}

func TestFactsDoNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHarness()
		for _, in := range rapid.SliceOfNDistinct(rapid.Custom(drawInput), 0, 20, objectNameOf).Draw(t, "objects") {
			must(t, h.set(in))
		}
		must(t, h.checkOrder(rapid.Permutation(sortedNames(h)).Draw(t, "order")))
	})
}

func TestTrackerIsEmptyAfterAllObjectsAreRemoved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHarness()
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			drawStep(t, h)
		}
		for _, n := range rapid.Permutation(sortedNames(h)).Draw(t, "order") {
			must(t, h.remove(n))
		}
		if n := h.state.Count(); n != 0 {
			t.Fatalf("got %d facts of a cluster without objects, want 0", n)
		}
		if n := h.tracker.RecordCount(); n != 0 {
			t.Fatalf("got %d records in the tracker of a cluster without objects, want 0", n)
		}
	})
}

// drawPort draws a port number and adds it to drawn.
func drawPort(t *rapid.T, drawn map[uint16]bool) uint16 {
	n := numbers.Draw(t, "port")
	drawn[n] = true
	return n
}

func TestDifferentSlicesOfAPodHaveOneTargetPerPortNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHarness()
		must(t, h.set(&facts.ServiceInput{Namespace: "a", Name: "s", Type: corev1.ServiceTypeNodePort, Ports: []facts.ServicePort{{Protocol: state.TCP, NodePort: 30080}}}))
		must(t, h.set(&facts.PodInput{Namespace: "a", Name: "p", Containers: []facts.ContainerInput{
			{Name: "x", Kind: state.Main, Ports: []facts.ContainerPort{{Protocol: state.TCP, Port: 80}}},
		}}))
		drawn := map[uint16]bool{}
		for i := range rapid.IntRange(2, 4).Draw(t, "slices") {
			must(t, h.set(&facts.SliceInput{
				Namespace: "a", Name: fmt.Sprint(i), Service: "s",
				Ports: []facts.SlicePort{{Protocol: state.TCP, Port: drawPort(t, drawn)}},
				Endpoints: []facts.Endpoint{{
					Address: addresses.Draw(t, "address"), Pod: "p", Node: rapid.SampledFrom([]string{"n1", "n2"}).Draw(t, "node"),
					Ready: rapid.Bool().Draw(t, "ready"), Serving: rapid.Bool().Draw(t, "serving"), Terminating: rapid.Bool().Draw(t, "terminating"),
				}},
			}))
		}
		if n := h.state.Len(state.KindTarget); n != len(drawn) {
			t.Fatalf("got %d targets of one pod, want one for each of %d port numbers", n, len(drawn))
		}
		for range 3 {
			must(t, h.checkOrder(rapid.Permutation(sortedNames(h)).Draw(t, "order")))
		}
		must(t, h.remove(objectName{"Pod", "a", "p"}))
		must(t, h.check())
	})
}
