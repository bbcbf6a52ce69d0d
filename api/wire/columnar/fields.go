package columnar

import (
	"math"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// objectTables converts objects of all kinds between fields and columns, in either direction. The methods for each
// kind are generated from the struct tags in package state.
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

// object converts an object of any kind from or to the next row of its table.
func (t *objectTables) object(pb *wirepb.Objects, o state.Object, back *uint64, slot *uint32) {
	switch o := o.(type) {
	case *state.Node:
		t.kinds[state.KindNode].node(pb.Nodes, o, back, slot)
	case *state.NodeLoad:
		t.kinds[state.KindNodeLoad].nodeLoad(pb.NodeLoads, o, back)
	case *state.Pod:
		t.kinds[state.KindPod].pod(pb.Pods, o, back)
	case *state.Container:
		t.kinds[state.KindContainer].container(pb.Containers, o, back, slot)
	case *state.Port:
		own := pb.OwnTargets
		if own == nil {
			own = &wirepb.Targets{} // without rows, so that reading a target fails
		}
		t.kinds[state.KindPort].port(pb.Ports, o, back, &t.ownTargets, own)
	case *state.Target:
		t.kinds[state.KindTarget].target(pb.Targets, o, back)
	case *state.Service:
		t.kinds[state.KindService].service(pb.Services, o, back)
	case *state.Claim:
		t.kinds[state.KindClaim].claim(pb.Claims, o, back)
	case *state.PersistentVolume:
		t.kinds[state.KindPersistentVolume].persistentVolume(pb.PersistentVolumes, o, back)
	}
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

// ownTarget converts the target within a port, which is a row of the table own.
func (r *tableCodec) ownTarget(values *[]int64, field **state.Target, targets *tableCodec, own *wirepb.Targets) {
	hasTarget := *field != nil
	if !r.flag(values, &hasTarget) {
		return
	}
	if !r.writing {
		*field = nil
		if hasTarget {
			*field = &state.Target{}
		}
	}
	if hasTarget {
		var none uint64
		targets.target(own, *field, &none)
	}
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
