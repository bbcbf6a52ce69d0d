package wire

import (
	"fmt"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// objectReader turns Objects back into entries. The first reference that points
// nowhere, and the first number that does not fit, is remembered as its error.
type objectReader struct {
	// seq is up to which the message leads.
	seq     uint64
	strings []string
	// resources and base are those of the present chunk.
	resources []state.Resources
	base      state.Time
	err       error
}

func newObjectReader(seq uint64) *objectReader { return &objectReader{seq: seq, strings: []string{""}} }

// chunk takes in one chunk's tables and gives its entries.
func (r *objectReader) chunk(pb *wirepb.Objects) ([]state.Entry, error) {
	if pb == nil {
		return nil, r.err
	}
	if len(r.strings)+len(pb.Strings) > maxStrings {
		return nil, fmt.Errorf("more than %d strings", maxStrings)
	}
	r.strings = append(r.strings, pb.Strings...)
	r.base = state.Time(pb.TimeBase)
	r.resources = append(make([]state.Resources, 0, len(pb.Resources)+1), state.Resources{})
	for _, a := range pb.Resources {
		r.resources = append(r.resources, r.readAmounts(a))
	}
	entries := make([]state.Entry, 0, len(pb.Nodes)+len(pb.NodeLoads)+len(pb.Pods)+len(pb.Containers)+len(pb.Ports)+len(pb.Targets))
	add := func(o state.Object, back uint64, slot uint32) {
		if back > r.seq || slot >= MaxSlots {
			r.fail("change seq or slot of an object out of range")
			return
		}
		entries = append(entries, state.Entry{Seq: r.seq - back, Slot: slot, Object: o})
	}
	for _, o := range pb.Nodes {
		add(r.node(o), o.Back, o.Slot)
	}
	for _, o := range pb.NodeLoads {
		add(&state.NodeLoad{Node: r.string(o.Node), Requested: r.amounts(o.Requested), Limits: r.amounts(o.Limits), Pods: o.Pods}, o.Back, 0)
	}
	for _, o := range pb.Pods {
		add(r.pod(o), o.Back, 0)
	}
	for _, o := range pb.Containers {
		add(r.container(o), o.Back, o.Slot)
	}
	for _, o := range pb.Ports {
		add(r.port(o), o.Back, 0)
	}
	for _, o := range pb.Targets {
		add(r.target(o), o.Back, 0)
	}
	return entries, r.err
}

func (r *objectReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *objectReader) string(i uint32) string {
	if int64(i) >= int64(len(r.strings)) {
		r.fail("string %d of %d", i, len(r.strings))
		return ""
	}
	return r.strings[i]
}

func (r *objectReader) allStrings(refs []uint32) []string {
	var list []string
	for _, i := range refs {
		list = append(list, r.string(i))
	}
	return list
}

func (r *objectReader) amounts(i uint32) state.Resources {
	if int64(i) >= int64(len(r.resources)) {
		r.fail("resources %d of %d", i, len(r.resources))
		return state.Resources{}
	}
	return r.resources[i]
}

func (r *objectReader) readAmounts(pb *wirepb.Resources) state.Resources {
	a := state.Resources{CPUMillis: pb.CpuMillis, MemoryBytes: pb.MemoryBytes, EphemeralStorageBytes: pb.EphemeralStorageBytes, Pods: pb.Pods}
	if len(pb.Extended) > 0 {
		a.Extended = make(map[string]int64, len(pb.Extended))
	}
	for _, e := range pb.Extended {
		a.Extended[r.string(e.Name)] = e.Amount
	}
	return a
}

func (r *objectReader) time(offset uint64) state.Time {
	if offset == 0 {
		return 0
	}
	return r.base + state.Time(offset)
}

func (r *objectReader) port16(n uint32) uint16 {
	if n > 1<<16-1 {
		r.fail("port %d", n)
	}
	return uint16(n)
}

// enum is a value of a newer peer's list as unknown, which is zero.
func enum[E ~uint8](n uint32, last E) E {
	if n > uint32(last) {
		return 0
	}
	return E(n)
}

func (r *objectReader) node(pb *wirepb.Node) *state.Node {
	n := &state.Node{
		Name: r.string(pb.Name), Ready: enum(pb.Ready, state.False), Schedulable: !pb.Unschedulable, Roles: r.allStrings(pb.Roles),
		Zone: r.string(pb.Zone), Region: r.string(pb.Region), InstanceType: r.string(pb.InstanceType),
		KubeletVersion: r.string(pb.KubeletVersion), KernelVersion: r.string(pb.KernelVersion), OSImage: r.string(pb.OsImage),
		Architecture: r.string(pb.Architecture), ContainerRuntime: r.string(pb.ContainerRuntime), CreatedAt: r.time(pb.CreatedAt),
		Capacity: r.amounts(pb.Capacity), Allocatable: r.amounts(pb.Allocatable),
	}
	for _, p := range pb.Problems {
		n.Problems = append(n.Problems, state.NodeProblem{
			Type: r.string(p.Type), Status: enum(p.Status, state.False), Reason: r.string(p.Reason), Message: r.string(p.Message), Since: r.time(p.Since),
		})
	}
	for _, a := range pb.Addresses {
		n.Addresses = append(n.Addresses, state.NodeAddress{Type: r.string(a.Type), Address: addressFromPB(a.Address)})
	}
	for _, t := range pb.Taints {
		n.Taints = append(n.Taints, state.Taint{Key: r.string(t.Key), Value: r.string(t.Value), Effect: r.string(t.Effect)})
	}
	return n
}

func (r *objectReader) pod(pb *wirepb.Pod) *state.Pod {
	p := &state.Pod{
		Namespace: r.string(pb.Namespace), Name: r.string(pb.Name), Node: r.string(pb.Node), Phase: enum(pb.Phase, state.PodFailed),
		Reason: r.string(pb.Reason), Message: r.string(pb.Message), PodIPs: addressesFromPB(pb.PodIps), HostNetwork: pb.HostNetwork,
		QOSClass: enum(pb.QosClass, state.BestEffort), Terminating: pb.Terminating, CreatedAt: r.time(pb.CreatedAt),
		Owner:     state.Owner{Kind: r.string(pb.OwnerKind), Name: r.string(pb.OwnerName)},
		Requested: r.amounts(pb.Requested), Limits: r.amounts(pb.Limits), UnschedulableSince: r.time(pb.UnschedulableSince),
	}
	for _, v := range pb.Storage {
		p.Storage = append(p.Storage, state.Volume{Claim: r.string(v.Claim), CapacityBytes: v.CapacityBytes, MountPath: r.string(v.MountPath)})
	}
	return p
}

func (r *objectReader) container(pb *wirepb.Container) *state.Container {
	c := &state.Container{
		Namespace: r.string(pb.Namespace), Pod: r.string(pb.Pod), Name: r.string(pb.Name), Kind: enum(pb.Kind, state.Ephemeral),
		Node: r.string(pb.Node), Image: r.string(pb.Image), ImageID: r.string(pb.ImageId), State: enum(pb.State, state.Terminated),
		Reason: r.string(pb.Reason), Message: r.string(pb.Message), ExitCode: pb.ExitCode, Ready: pb.Ready, Restarts: int32(pb.Restarts),
		StartedAt: r.time(pb.StartedAt), FinishedAt: r.time(pb.FinishedAt), WaitingSince: r.time(pb.WaitingSince),
		Requests: r.amounts(pb.Requests), Limits: r.amounts(pb.Limits),
	}
	if pb.Last != nil {
		c.Last = &state.LastTermination{Reason: r.string(pb.Last.Reason), ExitCode: pb.Last.ExitCode, FinishedAt: r.time(pb.Last.FinishedAt)}
	}
	return c
}

func (r *objectReader) port(pb *wirepb.Port) *state.Port {
	p := &state.Port{
		Node: r.string(pb.Node), Address: addressFromPB(pb.Address), Protocol: enum(pb.Protocol, state.SCTP), Port: r.port16(pb.Port),
		Kind: enum(pb.Kind, state.Kubelet), Namespace: r.string(pb.Namespace), Service: r.string(pb.Service), Pod: r.string(pb.Pod),
		ExternalTrafficPolicy: enum(pb.ExternalTrafficPolicy, state.TrafficPolicyLocal),
	}
	if pb.ServicePort != nil {
		p.ServicePort = &state.ServicePort{Name: r.string(pb.ServicePort.Name), Port: r.port16(pb.ServicePort.Port)}
	}
	if pb.Target != nil {
		p.Target = r.target(pb.Target)
	}
	return p
}

func (r *objectReader) target(pb *wirepb.Target) *state.Target {
	return &state.Target{
		ServiceNamespace: r.string(pb.ServiceNamespace), Service: r.string(pb.Service), ServicePort: r.string(pb.ServicePort),
		Protocol: enum(pb.Protocol, state.SCTP), Addresses: addressesFromPB(pb.Addresses), Namespace: r.string(pb.Namespace), Pod: r.string(pb.Pod),
		Container: r.string(pb.Container), ContainerPort: r.port16(pb.ContainerPort), Node: r.string(pb.Node),
		Ready: pb.Ready, Serving: pb.Serving, Terminating: pb.Terminating,
	}
}

func (r *objectReader) key(pb *wirepb.Key) state.Key {
	if pb.Kind >= uint32(state.NumKinds) {
		r.fail("key of unknown kind %d", pb.Kind)
	}
	return state.Key{
		Kind: enum(pb.Kind, state.NumKinds-1), Protocol: enum(pb.Protocol, state.SCTP), PortKind: enum(pb.PortKind, state.Kubelet), Port: r.port16(pb.Port),
		Namespace: r.string(pb.Namespace), Name: r.string(pb.Name), Sub: r.string(pb.Sub), Node: r.string(pb.Node), Address: addressFromPB(pb.Address),
	}
}

func addressesFromPB(list [][]byte) []string {
	var addresses []string
	for _, b := range list {
		addresses = append(addresses, addressFromPB(b))
	}
	return addresses
}
