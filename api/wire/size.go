package wire

import (
	"reflect"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// What parts of a State take in memory, in bytes. Tests hold them against the heap.
const (
	// entrySize is an Entry in its chunk, with its share of the chunk's own size.
	entrySize = 33
	// applySize is what else an object takes until a Bookmark has proved it: its Entry in
	// the list of what came, while that list grows, and its edit and its Entry once more
	// while the State is made.
	applySize = 2*entrySize + 176 + entrySize
	// keySize is a Key that was read.
	keySize = 96
	// addressSize is an IPv4 address, which each object has as a string of its own.
	addressSize = 16
	// mapSize is a map with up to eight extended resources, pairSize each further one.
	mapSize, pairSize = 48 + 208, 64
	// stringSize is a string in the table that columns refer to, besides its text.
	stringSize = 16
	// usedSize is the sample of a slot and its group.
	usedSize = 24 + 2
)

// objectSizes are what an object of each kind takes besides its lists and strings.
var objectSizes = [state.NumKinds]int64{
	state.KindNode:             onHeap[state.Node](),
	state.KindNodeLoad:         onHeap[state.NodeLoad](),
	state.KindPod:              onHeap[state.Pod](),
	state.KindContainer:        onHeap[state.Container](),
	state.KindPort:             onHeap[state.Port](),
	state.KindTarget:           onHeap[state.Target](),
	state.KindService:          onHeap[state.Service](),
	state.KindClaim:            onHeap[state.Claim](),
	state.KindPersistentVolume: onHeap[state.PersistentVolume](),
}

// onHeap returns what a T takes where it is alone on the heap.
func onHeap[T any]() int64 { return allocated(inList[T]()) }

// inList returns what a T takes within a list.
func inList[T any]() int64 { return int64(reflect.TypeFor[T]().Size()) }

// allocated returns what an allocation of n bytes with pointers takes. Those above 512 bytes
// have a header.
func allocated(n int64) int64 {
	if n > 512 {
		n += 8
	}
	return int64(cap(append([]byte(nil), make([]byte, n)...)))
}

// textSize returns what the text of a string of n bytes takes, within some percent.
// Those below 16 bytes share an allocation.
func textSize(n int) int64 {
	switch {
	case n < 16:
		return int64(n)
	case n <= 256:
		return int64(n+15) &^ 15
	}
	return int64(n + n/16)
}

// need is what a message's objects take in memory.
type need struct {
	// objects is that of the objects themselves, by their number alone.
	objects int64
	// contents is that of their lists, maps and strings.
	contents int64
	// passing is what else is needed until a Bookmark has proved them.
	passing int64
}

func (n need) total() int64 { return n.objects + n.contents + n.passing }

// needOf returns what objects take once they are decoded, at most. It looks at no value.
func needOf(pb *wirepb.Objects, c counts) need {
	var n need
	for kind, count := range c {
		n.objects += int64(count) * (objectSizes[kind] + entrySize)
		n.passing += int64(count) * applySize
	}
	if pb == nil {
		return n
	}
	for _, s := range pb.Strings {
		n.contents += textSize(len(s))
	}
	n.passing += int64(len(pb.Strings)) * stringSize
	if r := pb.Resources; r != nil {
		n.passing += int64(len(r.CpuMillis)) * inList[state.Resources]()
		more := int64(len(r.ExtendedName))
		n.contents += min(more, int64(len(r.CpuMillis)))*mapSize + more*pairSize
	}
	n.contents += listsOf(pb) + addressesOf(pb, c)
	return n
}

// listsOf returns what the lists of objects take without their strings.
func listsOf(pb *wirepb.Objects) int64 {
	var size int64
	list := func(column []int64, element int64) { size += int64(len(column)) * element }
	list(pb.GetNodes().GetConditionsType(), inList[state.NodeCondition]())
	list(pb.GetNodes().GetRolesName(), inList[string]())
	list(pb.GetNodes().GetAddressesType(), inList[state.NodeAddress]())
	list(pb.GetNodes().GetTaintsKey(), inList[state.Taint]())
	list(pb.GetPods().GetPodIpsAddress(), inList[string]())
	list(pb.GetPods().GetStorageClaim(), inList[state.Volume]())
	list(pb.GetContainers().GetLastReason(), onHeap[state.LastTermination]())
	list(pb.GetContainers().GetSpecRequests(), onHeap[state.ContainerResources]())
	list(pb.GetPorts().GetServicePortName(), onHeap[state.ServicePort]())
	list(pb.GetOwnTargets().GetBack(), objectSizes[state.KindTarget])
	for _, targets := range []*wirepb.Targets{pb.GetTargets(), pb.GetOwnTargets()} {
		list(targets.GetAddressesAddress(), inList[string]())
	}
	return size
}

// addressesOf returns what addresses take, where any object of the message has one: a
// column that ends early goes on with its last value.
func addressesOf(pb *wirepb.Objects, c counts) int64 {
	var addresses int
	each := func(column []int64, objects int) {
		if len(column) > 0 {
			addresses += objects
		}
	}
	each(pb.GetNodes().GetAddressesAddress(), len(pb.GetNodes().GetAddressesType()))
	each(pb.GetPods().GetPodIpsAddress(), len(pb.GetPods().GetPodIpsAddress()))
	each(pb.GetPods().GetHostIp(), c[state.KindPod])
	each(pb.GetPorts().GetAddress(), c[state.KindPort])
	each(pb.GetServices().GetClusterIp(), c[state.KindService])
	each(pb.GetServices().GetLoadBalancerIp(), c[state.KindService])
	each(pb.GetTargets().GetAddressesAddress(), len(pb.GetTargets().GetAddressesAddress()))
	each(pb.GetOwnTargets().GetAddressesAddress(), len(pb.GetOwnTargets().GetAddressesAddress()))
	return int64(addresses) * addressSize
}

// usageSize returns what a reading of usage takes.
func usageSize(u *state.Usage) int64 {
	if u == nil {
		return 0
	}
	return int64(len(u.BySlot)) * usedSize
}

// objectsSize returns what all objects of s take besides their contents.
func objectsSize(s *state.State) int64 {
	var size int64
	for kind := range state.NumKinds {
		size += int64(s.Len(kind)) * (objectSizes[kind] + entrySize)
	}
	return size
}
