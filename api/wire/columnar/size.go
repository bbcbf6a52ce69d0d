package columnar

import (
	"fmt"
	"reflect"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// Memory of the parts of a State, in bytes. Tests compare them with the heap.
const (
	// entrySize is the size of an Entry in a State, including its share of the header of the State's chunk.
	entrySize = 33
	// applySize is the temporary memory of an object until a Bookmark confirms it: its Entry in
	// the growing list of received entries, its edit, and its second Entry while the State is
	// built.
	applySize = 2*entrySize + 176 + entrySize
	// keySize is the size of a decoded Key.
	keySize = 96
	// addressSize is the size of an IPv4 address, which each object has as a separate string.
	addressSize = 16
	// mapSize is the size of a map with up to eight extended resources, pairSize that of each
	// further one.
	mapSize, pairSize = 48 + 208, 64
	// stringSize is the size of a string header in the string table.
	stringSize = 16
)

// objectSizes has the size of an object of each kind without its lists and strings.
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

// heapSize returns the memory of a T that is allocated on its own.
func heapSize[T any]() int64 { return allocated(inlineSize[T]()) }

// inlineSize returns the memory of a T within a list.
func inlineSize[T any]() int64 { return int64(reflect.TypeFor[T]().Size()) }

// allocated returns the memory of an allocation of n bytes with pointers. Allocations above 512
// bytes have a header.
func allocated(n int64) int64 {
	if n > 512 {
		n += 8
	}
	return int64(cap(append([]byte(nil), make([]byte, n)...)))
}

// textSize returns the memory of a string of n bytes, within some percent. Strings below 16 bytes
// share an allocation.
func textSize(n int) int64 {
	switch {
	case n < 16:
		return int64(n)
	case n <= 256:
		return int64(n+15) &^ 15
	}
	return int64(n + n/16)
}

// Memory is the estimated memory of a message's objects, in bytes.
type Memory struct {
	// Objects is the memory of the objects themselves.
	Objects int64
	// Contents is the memory of their lists, maps and strings.
	Contents int64
	// Temporary is the additional memory until a Bookmark confirms the objects.
	Temporary int64
}

// Total returns the sum of all parts.
func (n Memory) Total() int64 { return n.Objects + n.Contents + n.Temporary }

// EstimateMemory returns an upper bound of the memory of decoded objects, and an error if there are
// too many. It depends on the lengths of the columns only, not on their values.
func EstimateMemory(pb *wirepb.Objects) (Memory, error) {
	var n Memory
	counts, err := CountObjects(pb)
	if err != nil || pb == nil {
		return n, err
	}
	for kind, count := range counts {
		n.Objects += int64(count) * (objectSizes[kind] + entrySize)
		n.Temporary += int64(count) * applySize
	}
	for _, s := range pb.Strings {
		n.Contents += textSize(len(s))
	}
	n.Temporary += int64(len(pb.Strings)) * stringSize
	if r := pb.Resources; r != nil {
		n.Temporary += int64(len(r.CpuMillis)) * inlineSize[state.Resources]()
		more := int64(len(r.ExtendedName))
		n.Contents += min(more, int64(len(r.CpuMillis)))*mapSize + more*pairSize
	}
	n.Contents += contentsMemory(pb)
	return n, nil
}

// EstimateDeltaMemory returns an upper bound of the memory of a decoded Delta, and an error if it
// has too many objects or keys.
func EstimateDeltaMemory(pb *wirepb.Delta) (Memory, error) {
	n, err := EstimateMemory(pb.Upserts)
	if err != nil {
		return Memory{}, err
	}
	patches, err := EstimateMemory(pb.Patches)
	if err != nil {
		return Memory{}, err
	}
	keys := len(pb.Removes.GetKind()) + len(pb.PatchKeys.GetKind())
	if most := 2 * MaxObjects; keys > most {
		return Memory{}, fmt.Errorf("message has %d keys, the limit is %d", keys, most)
	}
	// A patched object replaces one that is held already.
	n.Contents += patches.Contents
	n.Temporary += patches.Objects + patches.Temporary + int64(keys)*(keySize+applySize)
	return n, nil
}

// contentsMemory returns the memory of the objects' lists and addresses, without other strings.
func contentsMemory(pb *wirepb.Objects) int64 {
	return nodesMemory(pb.Nodes) + podsMemory(pb.Pods) + containersMemory(pb.Containers) + portsMemory(pb.Ports) +
		targetsMemory(pb.Targets) + targetsMemory(pb.OwnTargets) + servicesMemory(pb.Services) +
		int64(len(pb.GetOwnTargets().GetBack()))*objectSizes[state.KindTarget]
}

// addressMemory returns the memory of the addresses in a column. A column that has any value counts for all rows,
// since a column that ends early repeats its last value.
func addressMemory(column []int64, rows int) int64 {
	if len(column) == 0 {
		return 0
	}
	return int64(rows) * addressSize
}

// ObjectsSize returns the memory of all objects of s without their contents.
func ObjectsSize(s *state.State) int64 {
	var size int64
	for kind := range state.NumKinds {
		size += int64(s.Len(kind)) * (objectSizes[kind] + entrySize)
	}
	return size
}
