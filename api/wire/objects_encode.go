package wire

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// objectWriter turns entries into Objects: strings and resources that repeat are
// written once and meant by number.
type objectWriter struct {
	seq       uint64
	base      state.Time
	strings   map[string]uint32
	resources map[plainResources]uint32
	out       *wirepb.Objects
	// size is roughly how large out will be as a frame.
	size int
}

// plainResources are Resources without extended ones, which are seldom and are
// written each time.
type plainResources struct{ cpu, memory, storage, pods int64 }

// newObjectWriter writes objects of a message that leads up to seq, with times
// counted from before the earliest of them.
func newObjectWriter(seq uint64, times iter.Seq[state.Time]) *objectWriter {
	w := &objectWriter{seq: seq, strings: map[string]uint32{"": 0}}
	first := true
	for t := range times {
		if t != 0 && (first || t <= w.base) {
			w.base, first = t-1, false
		}
	}
	w.nextChunk()
	return w
}

// nextChunk begins a chunk: its strings go on where the last one's ended, its
// resources begin anew.
func (w *objectWriter) nextChunk() {
	w.out = &wirepb.Objects{TimeBase: int64(w.base)}
	w.resources = map[plainResources]uint32{{}: 0}
	w.size = 0
}

func (w *objectWriter) string(s string) uint32 {
	if i, ok := w.strings[s]; ok {
		return i
	}
	i := uint32(len(w.strings))
	w.strings[strings.Clone(s)] = i
	text := cut(s, maxString)
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	w.out.Strings = append(w.out.Strings, text)
	w.size += len(text) + 2
	return i
}

func (w *objectWriter) allStrings(list []string) []uint32 {
	var refs []uint32
	for _, s := range list {
		refs = append(refs, w.string(s))
	}
	return refs
}

func (w *objectWriter) amounts(r state.Resources) uint32 {
	plain := plainResources{r.CPUMillis, r.MemoryBytes, r.EphemeralStorageBytes, r.Pods}
	if len(r.Extended) == 0 {
		if i, ok := w.resources[plain]; ok {
			return i
		}
	}
	pb := &wirepb.Resources{CpuMillis: plain.cpu, MemoryBytes: plain.memory, EphemeralStorageBytes: plain.storage, Pods: plain.pods}
	for _, name := range slices.Sorted(maps.Keys(r.Extended)) {
		pb.Extended = append(pb.Extended, &wirepb.Extended{Name: w.string(name), Amount: r.Extended[name]})
	}
	w.out.Resources = append(w.out.Resources, pb)
	w.size += 16
	i := uint32(len(w.out.Resources))
	if len(r.Extended) == 0 {
		w.resources[plain] = i
	}
	return i
}

func (w *objectWriter) time(t state.Time) uint64 {
	if t == 0 {
		return 0
	}
	return uint64(t - w.base)
}

// entry writes one object of any kind.
func (w *objectWriter) entry(e state.Entry) {
	back := w.seq - e.Seq
	switch o := e.Object.(type) {
	case *state.Node:
		w.out.Nodes = append(w.out.Nodes, w.node(o, back, e.Slot))
	case *state.NodeLoad:
		w.out.NodeLoads = append(w.out.NodeLoads, &wirepb.NodeLoad{
			Back: back, Node: w.string(o.Node), Requested: w.amounts(o.Requested), Limits: w.amounts(o.Limits), Pods: o.Pods,
		})
	case *state.Pod:
		w.out.Pods = append(w.out.Pods, w.pod(o, back))
	case *state.Container:
		w.out.Containers = append(w.out.Containers, w.container(o, back, e.Slot))
	case *state.Port:
		w.out.Ports = append(w.out.Ports, w.port(o, back))
	case *state.Target:
		w.out.Targets = append(w.out.Targets, w.target(o, back))
	}
	w.size += 32
}

func (w *objectWriter) node(n *state.Node, back uint64, slot uint32) *wirepb.Node {
	pb := &wirepb.Node{
		Back: back, Slot: slot, Name: w.string(n.Name), Ready: uint32(n.Ready), Unschedulable: !n.Schedulable,
		Roles: w.allStrings(n.Roles), Zone: w.string(n.Zone), Region: w.string(n.Region), InstanceType: w.string(n.InstanceType),
		KubeletVersion: w.string(n.KubeletVersion), KernelVersion: w.string(n.KernelVersion), OsImage: w.string(n.OSImage),
		Architecture: w.string(n.Architecture), ContainerRuntime: w.string(n.ContainerRuntime), CreatedAt: w.time(n.CreatedAt),
		Capacity: w.amounts(n.Capacity), Allocatable: w.amounts(n.Allocatable),
	}
	for _, p := range n.Problems {
		pb.Problems = append(pb.Problems, &wirepb.NodeProblem{
			Type: w.string(p.Type), Status: uint32(p.Status), Reason: w.string(p.Reason), Message: w.string(p.Message), Since: w.time(p.Since),
		})
	}
	for _, a := range n.Addresses {
		pb.Addresses = append(pb.Addresses, &wirepb.NodeAddress{Type: w.string(a.Type), Address: addressToPB(a.Address)})
	}
	for _, t := range n.Taints {
		pb.Taints = append(pb.Taints, &wirepb.Taint{Key: w.string(t.Key), Value: w.string(t.Value), Effect: w.string(t.Effect)})
	}
	return pb
}

func (w *objectWriter) pod(p *state.Pod, back uint64) *wirepb.Pod {
	pb := &wirepb.Pod{
		Back: back, Namespace: w.string(p.Namespace), Name: w.string(p.Name), Node: w.string(p.Node), Phase: uint32(p.Phase),
		Reason: w.string(p.Reason), Message: w.string(p.Message), PodIps: addressesToPB(p.PodIPs), HostNetwork: p.HostNetwork,
		QosClass: uint32(p.QOSClass), Terminating: p.Terminating, CreatedAt: w.time(p.CreatedAt),
		OwnerKind: w.string(p.Owner.Kind), OwnerName: w.string(p.Owner.Name),
		Requested: w.amounts(p.Requested), Limits: w.amounts(p.Limits), UnschedulableSince: w.time(p.UnschedulableSince),
	}
	for _, v := range p.Storage {
		pb.Storage = append(pb.Storage, &wirepb.Volume{Claim: w.string(v.Claim), CapacityBytes: v.CapacityBytes, MountPath: w.string(v.MountPath)})
	}
	return pb
}

func (w *objectWriter) container(c *state.Container, back uint64, slot uint32) *wirepb.Container {
	pb := &wirepb.Container{
		Back: back, Slot: slot, Namespace: w.string(c.Namespace), Pod: w.string(c.Pod), Name: w.string(c.Name), Kind: uint32(c.Kind),
		Node: w.string(c.Node), Image: w.string(c.Image), ImageId: w.string(c.ImageID), State: uint32(c.State),
		Reason: w.string(c.Reason), Message: w.string(c.Message), ExitCode: c.ExitCode, Ready: c.Ready, Restarts: uint32(c.Restarts),
		StartedAt: w.time(c.StartedAt), FinishedAt: w.time(c.FinishedAt), WaitingSince: w.time(c.WaitingSince),
		Requests: w.amounts(c.Requests), Limits: w.amounts(c.Limits),
	}
	if c.Last != nil {
		pb.Last = &wirepb.LastTermination{Reason: w.string(c.Last.Reason), ExitCode: c.Last.ExitCode, FinishedAt: w.time(c.Last.FinishedAt)}
	}
	return pb
}

func (w *objectWriter) port(p *state.Port, back uint64) *wirepb.Port {
	pb := &wirepb.Port{
		Back: back, Node: w.string(p.Node), Address: addressToPB(p.Address), Protocol: uint32(p.Protocol), Port: uint32(p.Port), Kind: uint32(p.Kind),
		Namespace: w.string(p.Namespace), Service: w.string(p.Service), Pod: w.string(p.Pod), ExternalTrafficPolicy: uint32(p.ExternalTrafficPolicy),
	}
	if p.ServicePort != nil {
		pb.ServicePort = &wirepb.ServicePort{Name: w.string(p.ServicePort.Name), Port: uint32(p.ServicePort.Port)}
	}
	if p.Target != nil {
		pb.Target = w.target(p.Target, 0)
	}
	return pb
}

func (w *objectWriter) target(t *state.Target, back uint64) *wirepb.Target {
	return &wirepb.Target{
		Back: back, ServiceNamespace: w.string(t.ServiceNamespace), Service: w.string(t.Service), ServicePort: w.string(t.ServicePort),
		Protocol: uint32(t.Protocol), Addresses: addressesToPB(t.Addresses), Namespace: w.string(t.Namespace), Pod: w.string(t.Pod),
		Container: w.string(t.Container), ContainerPort: uint32(t.ContainerPort), Node: w.string(t.Node),
		Ready: t.Ready, Serving: t.Serving, Terminating: t.Terminating,
	}
}

func (w *objectWriter) key(k state.Key) *wirepb.Key {
	return &wirepb.Key{
		Kind: uint32(k.Kind), Protocol: uint32(k.Protocol), PortKind: uint32(k.PortKind), Port: uint32(k.Port),
		Namespace: w.string(k.Namespace), Name: w.string(k.Name), Sub: w.string(k.Sub), Node: w.string(k.Node), Address: addressToPB(k.Address),
	}
}

func addressesToPB(list []string) [][]byte {
	var pb [][]byte
	for _, a := range list {
		pb = append(pb, addressToPB(a))
	}
	return pb
}

// stateTimes and entryTimes yield every time that objects have.
func stateTimes(s *state.State) iter.Seq[state.Time] {
	return func(yield func(state.Time) bool) {
		for kind := range state.NumKinds {
			for e := range s.Entries(kind) {
				if !objectTimes(e.Object, yield) {
					return
				}
			}
		}
	}
}

func entryTimes(entries []state.Entry) iter.Seq[state.Time] {
	return func(yield func(state.Time) bool) {
		for _, e := range entries {
			if !objectTimes(e.Object, yield) {
				return
			}
		}
	}
}

func objectTimes(o state.Object, yield func(state.Time) bool) bool {
	switch o := o.(type) {
	case *state.Node:
		for _, p := range o.Problems {
			if !yield(p.Since) {
				return false
			}
		}
		return yield(o.CreatedAt)
	case *state.Pod:
		return yield(o.CreatedAt) && yield(o.UnschedulableSince)
	case *state.Container:
		if o.Last != nil && !yield(o.Last.FinishedAt) {
			return false
		}
		return yield(o.StartedAt) && yield(o.FinishedAt) && yield(o.WaitingSince)
	}
	return true
}
