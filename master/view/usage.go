package view

import (
	"bytes"

	"rollcall.dev/rollcall/api/state"
)

// usageObject is the object of a Usage event: millicores and bytes, by name of the
// node and by namespace/pod/name of the container.
type usageObject struct {
	SampledAt  state.Time          `json:"sampledAt,omitzero"`
	Nodes      map[string][2]int64 `json:"nodes"`
	Containers map[string][2]int64 `json:"containers"`
}

// encodeUsage is the object of the Usage event that leads from one moment to the next,
// nil where the scope is told nothing.
func encodeUsage(s *Scope, before, after *Moment) ([]byte, error) {
	if s.Usage != UsageEvents || after.State.Usage == nil || sameReading(before.State, after.State) {
		return nil, nil
	}
	o := usageObject{Nodes: map[string][2]int64{}, Containers: map[string][2]int64{}}
	if s.lists(Nodes) {
		o.add(s, after.rows, Nodes, o.Nodes)
	}
	if s.lists(Containers) {
		o.add(s, after.rows, Containers, o.Containers)
	}
	if len(o.Nodes)+len(o.Containers) == 0 {
		return nil, nil
	}
	var buf bytes.Buffer
	err := appendJSON(&buf, o)
	return buf.Bytes(), err
}

func (o *usageObject) add(s *Scope, r rows, p Part, to map[string][2]int64) {
	for e := range r.state.Entries(kinds[p]) {
		used := r.usage.Of(e.Slot)
		if used == nil || !r.match(&s.Filter, e) {
			continue
		}
		if o.SampledAt == 0 || used.SampledAt < o.SampledAt {
			o.SampledAt = used.SampledAt
		}
		to[usageName(e.Object)] = [2]int64{used.CPUMillis, used.MemoryBytes}
	}
}

func usageName(o state.Object) string {
	if c, ok := o.(*state.Container); ok {
		return c.Namespace + "/" + c.Pod + "/" + c.Name
	}
	return o.Key().Name
}
