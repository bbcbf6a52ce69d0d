package wire

import (
	"fmt"
	"iter"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// objectSize is roughly what an object takes besides its strings, elementSize what an
// element of a list does.
const objectSize, elementSize = 24, 4

// objectEncoder turns entries into Objects.
type objectEncoder struct {
	objectTables
	seq uint64
	out *wirepb.Objects
	// sent is how many strings earlier chunks had; objects and removed are how many
	// this one has.
	sentStrings, objects, removed int
}

// newObjectEncoder writes objects of a message that leads up to seq, with times
// counted from before the earliest of them.
func newObjectEncoder(seq uint64, times iter.Seq[state.Time]) *objectEncoder {
	w := &objectEncoder{seq: seq}
	w.tables = tables{writing: true, strings: []string{""}, stringIndexes: map[string]int64{"": 0}}
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
// resources and columns begin anew.
func (w *objectEncoder) nextChunk() {
	w.sentStrings, w.objects, w.size, w.hasTimes, w.uids = len(w.strings), 0, 0, false, nil
	w.resources = []state.Resources{{}}
	w.resourceIndexes = map[plainResources]int64{{}: 0}
	w.out = &wirepb.Objects{
		Resources: &wirepb.Resources{}, Nodes: &wirepb.Nodes{}, NodeLoads: &wirepb.NodeLoads{}, Pods: &wirepb.Pods{},
		Containers: &wirepb.Containers{}, Ports: &wirepb.Ports{}, Targets: &wirepb.Targets{}, OwnTargets: &wirepb.Targets{},
		Services: &wirepb.Services{}, Claims: &wirepb.Claims{}, PersistentVolumes: &wirepb.PersistentVolumes{},
	}
	w.startChunk()
}

// expect makes room for so many objects of a kind, as far as they fit the chunk.
func (w *objectEncoder) reserve(kind state.Kind, objects int) {
	w.kinds[kind].capacity = min(objects, chunkTarget/objectSize)
}

// entry writes one object of any kind.
func (w *objectEncoder) encodeEntry(e state.Entry) {
	back, slot := w.seq-e.Seq, e.Slot
	switch o := e.Object.(type) {
	case *state.Node:
		w.node(w.out.Nodes, o, &back, &slot)
	case *state.NodeLoad:
		w.nodeLoad(w.out.NodeLoads, o, &back)
	case *state.Pod:
		w.pod(w.out.Pods, o, &back)
	case *state.Container:
		w.container(w.out.Containers, o, &back, &slot)
	case *state.Port:
		w.port(w.out.Ports, w.out.OwnTargets, o, &back)
	case *state.Target:
		w.startRow(state.KindTarget).target(w.out.Targets, o, &back)
	case *state.Service:
		w.service(w.out.Services, o, &back)
	case *state.Claim:
		w.claim(w.out.Claims, o, &back)
	case *state.PersistentVolume:
		w.persistentVolume(w.out.PersistentVolumes, o, &back)
	}
	w.objects++
}

// full says that it is time for the next chunk.
func (w *objectEncoder) full() bool {
	return w.size+w.objects*objectSize+w.listElements*elementSize >= chunkTarget || w.objects >= maxMessageObjects
}

// keys writes removed keys, whose strings are among those of the objects.
func (w *objectEncoder) encodeKeys(removes []state.Key) *wirepb.Keys {
	if len(removes) == 0 {
		return nil
	}
	w.removed = len(removes)
	r, pb := tableCodec{tables: &w.tables}, &wirepb.Keys{}
	for i := range removes {
		r.key(pb, &removes[i])
	}
	r.trimColumns()
	return pb
}

// finish is the Objects of all entries since the chunk began.
func (w *objectEncoder) finish() (*wirepb.Objects, error) {
	if w.objects > maxMessageObjects || w.removed > maxMessageObjects || w.listElements > maxMessageElements {
		return nil, fmt.Errorf("%w: %d objects with %d elements, and %d removed ones", ErrTooLarge, w.objects, w.listElements, w.removed)
	}
	for i := range w.resources[1:] {
		w.resourceRows.resourceRow(w.out.Resources, &w.resources[i+1])
	}
	for i := range w.kinds {
		w.kinds[i].trimColumns()
	}
	w.ownTargets.trimColumns()
	w.resourceRows.trimColumns()
	w.out.Strings, w.out.Uids = w.strings[w.sentStrings:], w.uids
	if w.hasTimes {
		w.out.TimeBase = int64(w.base)
	}
	removeEmptyTables(w.out)
	return w.out, nil
}

// removeEmptyTables leaves out the tables without rows.
func removeEmptyTables(o *wirepb.Objects) {
	if len(o.Resources.CpuMillis) == 0 {
		o.Resources = nil
	}
	if len(o.Nodes.Back) == 0 {
		o.Nodes = nil
	}
	if len(o.NodeLoads.Back) == 0 {
		o.NodeLoads = nil
	}
	if len(o.Pods.Back) == 0 {
		o.Pods = nil
	}
	if len(o.Containers.Back) == 0 {
		o.Containers = nil
	}
	if len(o.Ports.Back) == 0 {
		o.Ports = nil
	}
	if len(o.Targets.Back) == 0 {
		o.Targets = nil
	}
	if len(o.OwnTargets.Back) == 0 {
		o.OwnTargets = nil
	}
	if len(o.Services.Back) == 0 {
		o.Services = nil
	}
	if len(o.Claims.Back) == 0 {
		o.Claims = nil
	}
	if len(o.PersistentVolumes.Back) == 0 {
		o.PersistentVolumes = nil
	}
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
	each := func(times ...state.Time) bool {
		for _, t := range times {
			if !yield(t) {
				return false
			}
		}
		return true
	}
	switch o := o.(type) {
	case *state.Node:
		for i := range o.Conditions {
			if !yield(o.Conditions[i].Since) {
				return false
			}
		}
		return each(o.CreatedAt, o.NotReadySince, o.FlappingSince, o.FlappingUntil)
	case *state.Pod:
		return each(o.CreatedAt, o.StartedAt, o.FinishedAt, o.DeletionAt, o.LastRestartAt, o.UnschedulableSince, o.NotReadySince)
	case *state.Container:
		if o.Last != nil && !yield(o.Last.FinishedAt) {
			return false
		}
		return each(o.StartedAt, o.FinishedAt, o.NotReadySince, o.CrashLoopSince)
	case *state.Service:
		return each(o.CreatedAt, o.NoPodsSince, o.NoEndpointsSince, o.NoAddressSince)
	case *state.Claim:
		return yield(o.CreatedAt)
	case *state.PersistentVolume:
		return each(o.CreatedAt, o.PhaseSince)
	}
	return true
}
