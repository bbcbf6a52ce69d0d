package heapster

import (
	"cmp"
	"slices"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/history"
)

// Sums over many things are taken on a grid: each thing has a second of its own at
// which the member's metrics API sampled it.
const (
	// cell is as wide as readings mostly are apart.
	cell = 15_000
	// lookback is how long a sample stands for what came after it. It covers a reading a
	// minute, and one that failed.
	lookback = 150_000
)

// track is the samples of one node or container, by ascending time.
type track []history.Sample

// tracks are the samples of the nodes or containers that make up an entity: of all
// that the history has, and of the present State.
func (s *Source) tracks(e Entity, m history.Metric) []track {
	kind := state.KindContainer
	if e.Kind == Node || e.Kind == Cluster {
		kind = state.KindNode
	}
	found := map[history.Labels]track{}
	if s.Past != nil {
		for one := range s.Past.Series(kind) {
			if e.holds(one.Labels) {
				found[one.Labels] = slices.Collect(one.Samples(m, 0, s.ReceivedAt.UnixMilli()))
			}
		}
	}
	if m != history.CPUTotal {
		s.present(e, kind, m, found)
	}
	all := make([]track, 0, len(found))
	for _, t := range found {
		all = append(all, t)
	}
	return all
}

// present puts what the State tells on top of what the history has: a reading may
// have come since, or there may be no history.
func (s *Source) present(e Entity, kind state.Kind, m history.Metric, found map[history.Labels]track) {
	for entry := range s.State.From(e.first(kind)) {
		labels := labelsOf(entry.Object)
		if !e.holds(labels) {
			return // what an entity is made of lies together
		}
		u := s.State.Usage.Of(entry.Slot)
		if u == nil {
			continue
		}
		at := min(int64(u.SampledAt)*1000, s.ReceivedAt.UnixMilli())
		t := found[labels]
		if len(t) > 0 && t[len(t)-1].Time >= at {
			continue
		}
		value := u.CPUMillis
		if m == history.Memory {
			value = u.MemoryBytes
		}
		found[labels] = append(t, history.Sample{Time: at, Value: value})
	}
}

func labelsOf(o state.Object) history.Labels {
	switch o := o.(type) {
	case *state.Container:
		return history.Labels{Namespace: o.Namespace, Pod: o.Pod, Container: o.Name, Node: o.Node}
	case *state.Node:
		return history.Labels{Node: o.Name}
	}
	return history.Labels{}
}

// line is the samples of tracks that follow one another: a pod of the same name may
// have been on several nodes.
func line(tracks []track) []history.Sample {
	all := slices.Concat(tracks...)
	all = slices.DeleteFunc(all, func(s history.Sample) bool { return s.Stale })
	slices.SortStableFunc(all, func(a, b history.Sample) int { return cmp.Compare(a.Time, b.Time) })
	return all
}

// grid adds tracks up.
type grid struct {
	first int64 // number of the first cell
	cells []gridCell
}

type gridCell struct {
	sum int64
	// at is the newest sample's time; 0: there is none in this cell.
	at int64
	// begun are the tracks that have their first sample here, or their first after an
	// end; live are all that have a value.
	begun, live int
}

// sumOf is the sum of tracks: a sample for each cell in which any of them has one. The
// first cell after a beginning is left out where it has only some of them.
func sumOf(tracks []track) []history.Sample {
	g := gridOver(tracks)
	for _, t := range tracks {
		g.add(t)
	}
	var sums []history.Sample
	for i, c := range g.cells {
		begins := c.begun == c.live
		partial := begins && i+1 < len(g.cells) && g.cells[i+1].begun > 0
		if c.at != 0 && !partial {
			sums = append(sums, history.Sample{Time: c.at, Value: c.sum})
		}
	}
	return sums
}

// gridOver is an empty grid that all samples fit into.
func gridOver(tracks []track) grid {
	first, last := int64(1<<62), int64(-1)
	for _, t := range tracks {
		if len(t) > 0 {
			first, last = min(first, t[0].Time/cell), max(last, t[len(t)-1].Time/cell)
		}
	}
	if last < 0 {
		return grid{}
	}
	return grid{first: first, cells: make([]gridCell, last-first+1)}
}

// add adds each sample to the cells that it stands for: from its own to the next
// sample's, or as far as it looks ahead.
func (g *grid) add(t track) {
	const none = -2
	until := int64(none) // the cell up to which the sample before stands
	for i, s := range t {
		at := s.Time/cell - g.first
		if s.Stale {
			until = none
			continue
		}
		own := &g.cells[at]
		own.at = max(own.at, s.Time)
		if i+1 < len(t) && !t[i+1].Stale && t[i+1].Time/cell-g.first == at {
			continue // the later of two in a cell counts
		}
		if until < at-1 {
			own.begun++
		}
		until = min(at+lookback/cell, int64(len(g.cells))-1)
		if i+1 < len(t) {
			until = min(until, t[i+1].Time/cell-g.first-1)
		}
		until = max(until, at)
		for c := at; c <= until; c++ {
			g.cells[c].sum += s.Value
			g.cells[c].live++
		}
	}
}
