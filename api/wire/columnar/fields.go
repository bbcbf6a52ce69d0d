package columnar

import (
	"math"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// objectTables converts objects of all kinds between fields and columns, in either direction.
type objectTables struct {
	tables
	kinds [state.NumKinds]tableCodec
	// ownTargets converts the targets within ports, resourceRows the table of resources.
	ownTargets, resourceRows tableCodec
}

// startChunk resets the tables for a new message or the next chunk of a snapshot.
func (t *objectTables) startChunk() {
	t.listElements, t.hostIPs = 0, nil
	for i := range t.kinds {
		t.kinds[i] = tableCodec{tables: &t.tables, columns: t.kinds[i].columns[:0]}
	}
	t.ownTargets = tableCodec{tables: &t.tables, columns: t.ownTargets.columns[:0]}
	t.resourceRows = tableCodec{tables: &t.tables, columns: t.resourceRows.columns[:0]}
}

// startRow returns the codec of a kind, positioned at the first field of the next object.
func (t *objectTables) startRow(kind state.Kind) *tableCodec {
	r := &t.kinds[kind]
	r.startRow()
	return r
}

// setPatching makes the tables patch objects that the receiver holds.
func (t *objectTables) setPatching() {
	for i := range t.kinds {
		t.kinds[i].patching = true
	}
}

// back converts how far the seq of an object's last change lies behind that of the message.
func (r *tableCodec) back(values *[]int64, back *uint64) {
	n := int64(*back)
	r.completeColumn(values, &n)
	*back = uint64(n)
}

// slot converts the slot of an Entry.
func (r *tableCodec) slot(values *[]int64, slot *uint32) { number(r, values, slot, 0, MaxSlots-1) }

func (t *objectTables) node(pb *wirepb.Nodes, n *state.Node, back *uint64, slot *uint32) {
	r := t.startRow(state.KindNode)
	r.back(&pb.Back, back)
	r.slot(&pb.Slot, slot)
	r.stringRef(&pb.Name, &n.Name)
	enum(r, &pb.Ready, &n.Ready, state.False)
	unschedulable := !n.Schedulable
	if r.flag(&pb.Unschedulable, &unschedulable) && !r.writing {
		n.Schedulable = !unschedulable
	}
	list(r, &pb.Conditions, &pb.ConditionsType, &n.Conditions, 5, func(c *state.NodeCondition) {
		r.stringRef(&pb.ConditionsType, &c.Type)
		enum(r, &pb.ConditionsStatus, &c.Status, state.False)
		r.stringRef(&pb.ConditionsReason, &c.Reason)
		r.stringRef(&pb.ConditionsMessage, &c.Message)
		r.time(&pb.ConditionsSince, &c.Since)
	})
	list(r, &pb.Roles, &pb.RolesName, &n.Roles, 1, func(role *string) { r.stringRef(&pb.RolesName, role) })
	list(r, &pb.Addresses, &pb.AddressesType, &n.Addresses, 2, func(a *state.NodeAddress) {
		r.stringRef(&pb.AddressesType, &a.Type)
		r.address(&pb.AddressesAddress, &a.Address)
	})
	r.stringRef(&pb.Zone, &n.Zone)
	r.stringRef(&pb.Region, &n.Region)
	r.stringRef(&pb.InstanceType, &n.InstanceType)
	list(r, &pb.Taints, &pb.TaintsKey, &n.Taints, 3, func(a *state.Taint) {
		r.stringRef(&pb.TaintsKey, &a.Key)
		r.stringRef(&pb.TaintsValue, &a.Value)
		r.stringRef(&pb.TaintsEffect, &a.Effect)
	})
	r.stringRef(&pb.KubeletVersion, &n.KubeletVersion)
	r.stringRef(&pb.KernelVersion, &n.KernelVersion)
	r.stringRef(&pb.OsImage, &n.OSImage)
	r.stringRef(&pb.Architecture, &n.Architecture)
	r.stringRef(&pb.ContainerRuntime, &n.ContainerRuntime)
	r.time(&pb.CreatedAt, &n.CreatedAt)
	r.resourcesRef(&pb.Capacity, &n.Capacity)
	r.resourcesRef(&pb.Allocatable, &n.Allocatable)
	r.stringRef(&pb.KubeProxyVersion, &n.KubeProxyVersion)
	r.stringRef(&pb.SystemUuid, &n.SystemUUID)
	r.stringRef(&pb.ProviderId, &n.ProviderID)
	r.stringRef(&pb.PodCidr, &n.PodCIDR)
	r.time(&pb.FlappingSince, &n.FlappingSince)
	r.time(&pb.FlappingUntil, &n.FlappingUntil)
	r.stringRef(&pb.Mute, &n.Mute)
	enum(r, &pb.CapacityZeros, &n.CapacityZeros, state.AllZeros)
	enum(r, &pb.AllocatableZeros, &n.AllocatableZeros, state.AllZeros)
	r.time(&pb.NotReadySince, &n.NotReadySince)
}

func (t *objectTables) nodeLoad(pb *wirepb.NodeLoads, l *state.NodeLoad, back *uint64) {
	r := t.startRow(state.KindNodeLoad)
	r.back(&pb.Back, back)
	r.stringRef(&pb.Node, &l.Node)
	r.resourcesRef(&pb.Requested, &l.Requested)
	r.resourcesRef(&pb.Limits, &l.Limits)
	number(r, &pb.Pods, &l.Pods, 0, math.MaxInt32)
}

func (t *objectTables) pod(pb *wirepb.Pods, p *state.Pod, back *uint64) {
	r := t.startRow(state.KindPod)
	r.back(&pb.Back, back)
	r.stringRef(&pb.Namespace, &p.Namespace)
	r.stringRef(&pb.Name, &p.Name)
	r.stringRef(&pb.Node, &p.Node)
	enum(r, &pb.Phase, &p.Phase, state.PodFailed)
	r.stringRef(&pb.Reason, &p.Reason)
	r.stringRef(&pb.Message, &p.Message)
	list(r, &pb.PodIps, &pb.PodIpsAddress, &p.PodIPs, 1, func(a *string) { r.address(&pb.PodIpsAddress, a) })
	r.flag(&pb.HostNetwork, &p.HostNetwork)
	enum(r, &pb.QosClass, &p.QOSClass, state.BestEffort)
	r.flag(&pb.Terminating, &p.Terminating)
	r.time(&pb.CreatedAt, &p.CreatedAt)
	r.stringRef(&pb.OwnerKind, &p.Owner.Kind)
	r.stringRef(&pb.OwnerName, &p.Owner.Name)
	r.resourcesRef(&pb.Requested, &p.Requested)
	r.resourcesRef(&pb.Limits, &p.Limits)
	list(r, &pb.Storage, &pb.StorageClaim, &p.Storage, 5, func(v *state.Volume) {
		r.stringRef(&pb.StorageClaim, &v.Claim)
		number(r, &pb.StorageCapacityBytes, &v.CapacityBytes, math.MinInt64, math.MaxInt64)
		r.stringRef(&pb.StorageMountPath, &v.MountPath)
		r.stringRef(&pb.StorageName, &v.Name)
		r.flag(&pb.StorageEphemeral, &v.Ephemeral)
	})
	r.time(&pb.UnschedulableSince, &p.UnschedulableSince)
	r.uid(&pb.Uid, &p.UID)
	r.stringRef(&pb.Status, &p.Status)
	number(r, &pb.ReadyOf, &p.Ready.Of, math.MinInt32, math.MaxInt32)
	number(r, &pb.ReadyTotal, &p.Ready.Total, math.MinInt32, math.MaxInt32)
	number(r, &pb.Restarts, &p.Restarts, math.MinInt32, math.MaxInt32)
	r.time(&pb.LastRestartAt, &p.LastRestartAt)
	r.hostIP(&pb.HostIp, &p.HostIP, p.Node)
	enum(r, &pb.RestartPolicy, &p.RestartPolicy, state.RestartNever)
	r.stringRef(&pb.PriorityClass, &p.PriorityClass)
	r.timeAfter(&pb.StartedAt, &p.StartedAt, p.CreatedAt)
	r.time(&pb.FinishedAt, &p.FinishedAt)
	r.time(&pb.DeletionAt, &p.DeletionAt)
	r.stringRef(&pb.ControllerKind, &p.Controller.Kind)
	r.stringRef(&pb.ControllerName, &p.Controller.Name)
	enum(r, &pb.ReadyCondition, &p.ReadyCondition, state.ConditionUnknown)
	enum(r, &pb.ScheduledCondition, &p.ScheduledCondition, state.ConditionUnknown)
	r.time(&pb.NotReadySince, &p.NotReadySince)
	r.stringRef(&pb.Mute, &p.Mute)
	r.stringRef(&pb.ServiceAccount, &p.ServiceAccount)
}

func (t *objectTables) container(pb *wirepb.Containers, c *state.Container, back *uint64, slot *uint32) {
	r := t.startRow(state.KindContainer)
	r.back(&pb.Back, back)
	r.slot(&pb.Slot, slot)
	r.stringRef(&pb.Namespace, &c.Namespace)
	r.stringRef(&pb.Pod, &c.Pod)
	r.stringRef(&pb.Name, &c.Name)
	enum(r, &pb.Kind, &c.Kind, state.Ephemeral)
	r.stringRef(&pb.Node, &c.Node)
	r.stringRef(&pb.Image, &c.Image)
	r.stringRef(&pb.ImageId, &c.ImageID)
	enum(r, &pb.State, &c.State, state.Terminated)
	r.stringRef(&pb.Reason, &c.Reason)
	r.stringRef(&pb.Message, &c.Message)
	number(r, &pb.ExitCode, &c.ExitCode, math.MinInt32, math.MaxInt32)
	r.flag(&pb.Ready, &c.Ready)
	number(r, &pb.Restarts, &c.Restarts, math.MinInt32, math.MaxInt32)
	r.time(&pb.StartedAt, &c.StartedAt)
	r.time(&pb.FinishedAt, &c.FinishedAt)
	r.time(&pb.NotReadySince, &c.NotReadySince)
	optional(r, &pb.Last, &pb.LastReason, &c.Last, 3, func(l *state.LastTermination) {
		r.stringRef(&pb.LastReason, &l.Reason)
		number(r, &pb.LastExitCode, &l.ExitCode, math.MinInt32, math.MaxInt32)
		r.time(&pb.LastFinishedAt, &l.FinishedAt)
	})
	r.resourcesRef(&pb.Requests, &c.Requests)
	r.resourcesRef(&pb.Limits, &c.Limits)
	r.time(&pb.CrashLoopSince, &c.CrashLoopSince)
	optional(r, &pb.Spec, &pb.SpecRequests, &c.Spec, 2, func(spec *state.ContainerResources) {
		r.resourcesRef(&pb.SpecRequests, &spec.Requests)
		r.resourcesRef(&pb.SpecLimits, &spec.Limits)
	})
	r.stringRef(&pb.StatusImage, &c.StatusImage)
	enum(r, &pb.RestartPolicy, &c.RestartPolicy, state.RestartNever)
	r.flag(&pb.NoStatus, &c.NoStatus)
	enum(r, &pb.RequestZeros, &c.RequestZeros, state.AllZeros)
	enum(r, &pb.LimitZeros, &c.LimitZeros, state.AllZeros)
}

func (t *objectTables) service(pb *wirepb.Services, s *state.Service, back *uint64) {
	r := t.startRow(state.KindService)
	r.back(&pb.Back, back)
	r.stringRef(&pb.Namespace, &s.Namespace)
	r.stringRef(&pb.Name, &s.Name)
	r.uid(&pb.Uid, &s.UID)
	enum(r, &pb.Type, &s.Type, state.ServiceExternalName)
	r.address(&pb.ClusterIp, &s.ClusterIP)
	r.stringRef(&pb.ExternalName, &s.ExternalName)
	r.address(&pb.LoadBalancerIp, &s.LoadBalancerIP)
	enum(r, &pb.ExternalTrafficPolicy, &s.ExternalTrafficPolicy, state.TrafficPolicyLocal)
	r.time(&pb.CreatedAt, &s.CreatedAt)
	r.time(&pb.NoPodsSince, &s.NoPodsSince)
	r.time(&pb.NoEndpointsSince, &s.NoEndpointsSince)
	r.time(&pb.NoAddressSince, &s.NoAddressSince)
}

func (t *objectTables) claim(pb *wirepb.Claims, c *state.Claim, back *uint64) {
	r := t.startRow(state.KindClaim)
	r.back(&pb.Back, back)
	r.stringRef(&pb.Namespace, &c.Namespace)
	r.stringRef(&pb.Name, &c.Name)
	enum(r, &pb.Phase, &c.Phase, state.ClaimLost)
	r.stringRef(&pb.StorageClass, &c.StorageClass)
	r.stringRef(&pb.VolumeMode, &c.VolumeMode)
	r.stringRef(&pb.Volume, &c.Volume)
	number(r, &pb.RequestedBytes, &c.RequestedBytes, math.MinInt64, math.MaxInt64)
	number(r, &pb.CapacityBytes, &c.CapacityBytes, math.MinInt64, math.MaxInt64)
	r.time(&pb.CreatedAt, &c.CreatedAt)
}

func (t *objectTables) persistentVolume(pb *wirepb.PersistentVolumes, v *state.PersistentVolume, back *uint64) {
	r := t.startRow(state.KindPersistentVolume)
	r.back(&pb.Back, back)
	r.stringRef(&pb.Name, &v.Name)
	enum(r, &pb.Phase, &v.Phase, state.VolumeFailed)
	r.stringRef(&pb.Reason, &v.Reason)
	r.stringRef(&pb.Message, &v.Message)
	r.stringRef(&pb.StorageClass, &v.StorageClass)
	r.stringRef(&pb.ClaimNamespace, &v.ClaimNamespace)
	r.stringRef(&pb.Claim, &v.Claim)
	number(r, &pb.CapacityBytes, &v.CapacityBytes, math.MinInt64, math.MaxInt64)
	r.time(&pb.CreatedAt, &v.CreatedAt)
	r.time(&pb.PhaseSince, &v.PhaseSince)
}

func (t *objectTables) port(pb *wirepb.Ports, own *wirepb.Targets, p *state.Port, back *uint64) {
	r := t.startRow(state.KindPort)
	r.back(&pb.Back, back)
	r.stringRef(&pb.Node, &p.Node)
	r.address(&pb.Address, &p.Address)
	enum(r, &pb.Protocol, &p.Protocol, state.SCTP)
	number(r, &pb.Port, &p.Port, 0, math.MaxUint16)
	enum(r, &pb.Kind, &p.Kind, state.Kubelet)
	r.stringRef(&pb.Namespace, &p.Namespace)
	r.stringRef(&pb.Service, &p.Service)
	optional(r, &pb.ServicePort, &pb.ServicePortName, &p.ServicePort, 2, func(s *state.ServicePort) {
		r.stringRef(&pb.ServicePortName, &s.Name)
		number(r, &pb.ServicePortPort, &s.Port, 0, math.MaxUint16)
	})
	r.stringRef(&pb.Pod, &p.Pod)
	enum(r, &pb.ExternalTrafficPolicy, &p.ExternalTrafficPolicy, state.TrafficPolicyLocal)
	hasOwn := p.Target != nil
	if !r.flag(&pb.OwnTarget, &hasOwn) {
		return
	}
	if !r.writing {
		p.Target = nil
		if hasOwn {
			p.Target = &state.Target{}
		}
	}
	if !hasOwn {
		return
	}
	var none uint64
	t.ownTargets.startRow()
	t.ownTargets.target(own, p.Target, &none)
}

func (r *tableCodec) target(pb *wirepb.Targets, o *state.Target, back *uint64) {
	r.back(&pb.Back, back)
	r.stringRef(&pb.ServiceNamespace, &o.ServiceNamespace)
	r.stringRef(&pb.Service, &o.Service)
	r.stringRef(&pb.ServicePort, &o.ServicePort)
	enum(r, &pb.Protocol, &o.Protocol, state.SCTP)
	list(r, &pb.Addresses, &pb.AddressesAddress, &o.Addresses, 1, func(a *string) { r.address(&pb.AddressesAddress, a) })
	r.stringRef(&pb.Namespace, &o.Namespace)
	r.stringRef(&pb.Pod, &o.Pod)
	r.stringRef(&pb.Container, &o.Container)
	number(r, &pb.ContainerPort, &o.ContainerPort, 0, math.MaxUint16)
	r.stringRef(&pb.Node, &o.Node)
	r.flag(&pb.Ready, &o.Ready)
	r.flag(&pb.Serving, &o.Serving)
	r.flag(&pb.Terminating, &o.Terminating)
}

func (r *tableCodec) key(pb *wirepb.Keys, k *state.Key) {
	r.startRow()
	kind := int64(k.Kind)
	r.completeColumn(&pb.Kind, &kind)
	if kind < 0 || kind >= int64(state.NumKinds) {
		r.fail("key has unknown kind %d", kind)
		kind = 0
	}
	if !r.writing {
		k.Kind = state.Kind(kind)
	}
	enum(r, &pb.Protocol, &k.Protocol, state.SCTP)
	enum(r, &pb.PortKind, &k.PortKind, state.Kubelet)
	number(r, &pb.Port, &k.Port, 0, math.MaxUint16)
	r.stringRef(&pb.Namespace, &k.Namespace)
	r.stringRef(&pb.Name, &k.Name)
	r.stringRef(&pb.Sub, &k.Sub)
	r.stringRef(&pb.Node, &k.Node)
	r.address(&pb.Address, &k.Address)
}
