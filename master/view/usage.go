package view

import (
	"strconv"

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
func encodeUsage(s *Scope, before, after *Moment) []byte {
	if s.Usage != UsageEvents || after.State.Usage == nil || sameReading(before.State, after.State) {
		return nil
	}
	var reading [2]text
	var oldest state.Time
	for i, p := range [...]Part{Nodes, Containers} {
		if s.lists(p) {
			reading[i].usage(s, after.rows, p, &oldest)
		}
	}
	if len(reading[0])+len(reading[1]) == 0 {
		return nil
	}
	var t text
	object := t.open()
	t.time("sampledAt", oldest)
	for i, name := range [...]string{"nodes", "containers"} {
		reading[i].end(0, "{}")
		t.field(name)
		t = append(t, reading[i]...)
	}
	t.end(object, "{}")
	return t
}

// usage writes what the rows of a list use, and sets oldest to when the oldest sample of
// them was taken, if that is before it.
func (t *text) usage(s *Scope, r rows, p Part, oldest *state.Time) {
	for e := range r.state.Entries(kinds[p]) {
		used := r.usage.Of(e.Slot)
		if used == nil || !r.match(&s.Filter, e) {
			continue
		}
		if *oldest == 0 || used.SampledAt < *oldest {
			*oldest = used.SampledAt
		}
		t.element()
		t.quote(usageName(e.Object))
		*t = strconv.AppendInt(append(*t, ":["...), used.CPUMillis, 10)
		*t = strconv.AppendInt(append(*t, ','), used.MemoryBytes, 10)
		*t = append(*t, ']')
	}
}

func usageName(o state.Object) string {
	if c, ok := o.(*state.Container); ok {
		return c.Namespace + "/" + c.Pod + "/" + c.Name
	}
	return o.Key().Name
}
