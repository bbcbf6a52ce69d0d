package view

import (
	"strconv"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/view/rows"
)

// encodeUsage returns the object of the Usage event between two views, an httpv1.Usage, or nil if
// the scope has none.
func encodeUsage(s *Scope, before, after *ClusterView) ([]byte, error) {
	if s.Usage != UsageEvents || after.Usage == nil || sameReading(before.Usage, after.Usage, before.Epoch == after.Epoch) {
		return nil, nil
	}
	encoder, err := after.rows()
	if err != nil {
		return nil, err
	}
	var reading [2]rows.Writer
	var oldest state.Time
	for i, p := range [...]Part{Nodes, Containers} {
		if s.includes(p) {
			writeUsage(&reading[i], s, encoder, p, &oldest)
		}
	}
	if len(reading[0])+len(reading[1]) == 0 {
		return nil, nil
	}
	var t rows.Writer
	object := t.Begin()
	t.Time("sampledAt", oldest)
	for i, name := range [...]string{"nodes", "containers"} {
		reading[i].Close(0, "{}")
		t.Field(name)
		t = append(t, reading[i]...)
	}
	t.Close(object, "{}")
	return t, nil
}

// writeUsage writes the usage of the rows of a list. It sets oldest to the time of the oldest sample, if
// that is before oldest.
func writeUsage(w *rows.Writer, s *Scope, r rowEncoder, p Part, oldest *state.Time) {
	for e := range r.state.Entries(kinds[p]) {
		used := r.usage.Of(e.Slot)
		if used == nil || !r.match(&s.Filter, e) {
			continue
		}
		if *oldest == 0 || used.SampledAt < *oldest {
			*oldest = used.SampledAt
		}
		w.Element()
		w.Quote(usageName(e.Object))
		*w = strconv.AppendInt(append(*w, ":["...), used.CPUMillis, 10)
		*w = strconv.AppendInt(append(*w, ','), used.MemoryBytes, 10)
		*w = append(*w, ']')
	}
}

func usageName(o state.Object) string {
	if c, ok := o.(*state.Container); ok {
		return c.Namespace + "/" + c.Pod + "/" + c.Name
	}
	return o.Key().Name
}
