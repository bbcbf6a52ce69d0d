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
	state.KindNode:             heapSize[state.Node](),
	state.KindNodeLoad:         heapSize[state.NodeLoad](),
	state.KindPod:              heapSize[state.Pod](),
	state.KindContainer:        heapSize[state.Container](),
	state.KindPort:             heapSize[state.Port](),
	state.KindTarget:           heapSize[state.Target](),
	state.KindService:          heapSize[state.Service](),
	state.KindClaim:            heapSize[state.Claim](),
	state.KindPersistentVolume: heapSize[state.PersistentVolume](),
}

// heapSize returns what a T takes where it is alone on the heap.
func heapSize[T any]() int64 { return allocated(inlineSize[T]()) }

// inlineSize returns what a T takes within a list.
func inlineSize[T any]() int64 { return int64(reflect.TypeFor[T]().Size()) }

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
type memoryEstimate struct {
	// objects is that of the objects themselves, by their number alone.
	objects int64
	// contents is that of their lists, maps and strings.
	contents int64
	// temporary is what else is needed until a Bookmark has proved them.
	temporary int64
}

func (n memoryEstimate) total() int64 { return n.objects + n.contents + n.temporary }

// estimateMemory returns what objects take once they are decoded, at most. It looks at no value.
func estimateMemory(pb *wirepb.Objects, c counts) memoryEstimate {
	var n memoryEstimate
	for kind, count := range c {
		n.objects += int64(count) * (objectSizes[kind] + entrySize)
		n.temporary += int64(count) * applySize
	}
	if pb == nil {
		return n
	}
	for _, s := range pb.Strings {
		n.contents += textSize(len(s))
	}
	n.temporary += int64(len(pb.Strings)) * stringSize
	if r := pb.Resources; r != nil {
		n.temporary += int64(len(r.CpuMillis)) * inlineSize[state.Resources]()
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
	list(pb.GetNodes().GetConditionsType(), inlineSize[state.NodeCondition]())
	list(pb.GetNodes().GetRolesName(), inlineSize[string]())
	list(pb.GetNodes().GetAddressesType(), inlineSize[state.NodeAddress]())
	list(pb.GetNodes().GetTaintsKey(), inlineSize[state.Taint]())
	list(pb.GetPods().GetPodIpsAddress(), inlineSize[string]())
	list(pb.GetPods().GetStorageClaim(), inlineSize[state.Volume]())
	list(pb.GetContainers().GetLastReason(), heapSize[state.LastTermination]())
	list(pb.GetContainers().GetSpecRequests(), heapSize[state.ContainerResources]())
	list(pb.GetPorts().GetServicePortName(), heapSize[state.ServicePort]())
	list(pb.GetOwnTargets().GetBack(), objectSizes[state.KindTarget])
	for _, targets := range []*wirepb.Targets{pb.GetTargets(), pb.GetOwnTargets()} {
		list(targets.GetAddressesAddress(), inlineSize[string]())
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
