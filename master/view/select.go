package view

import "rollcall.dev/rollcall/api/state"

// picked is a list as a query picked it.
type picked struct {
	rows  []byte
	count int
	// last is the key of the last row where more of them follow.
	last *state.Key
}

// Select is what a query picks. Errors are *ParameterError where the query is to
// blame: a continue token of another query.
func (d *Document) Select(q Query) (Body, error) {
	if err := q.after.belongs(d.report.Cluster, q.Filter); err != nil {
		return nil, err
	}
	var body Body
	h := headOf(&d.report)
	if q.Part == Whole || q.Part == Summary {
		sum, err := d.parts[Summary].get()
		if err != nil {
			return nil, err
		}
		body = append(body, fields[Summary], sum)
	}
	for _, p := range q.Part.lists() {
		list := d.rows.pick(p, q)
		if err := d.annotate(&h, q, list); err != nil {
			return nil, err
		}
		body = append(body, fields[p], list.rows)
	}
	begin, err := encodeHead(h)
	return append(append(Body{begin}, body...), end), err
}

// annotate tells in the head what a list cannot: how it goes on, and what it means
// that it is empty.
func (d *Document) annotate(h *head, q Query, list picked) error {
	if q.Part == Ports && list.count == 0 && q.after == nil {
		h.Note = d.freePort(q.Filter)
	}
	if q.after != nil {
		h.ResourceVersion = q.after.Version
	}
	if list.last == nil {
		return nil
	}
	var err error
	h.Continue, err = mark{Cluster: d.report.Cluster, Version: h.ResourceVersion, Filter: q.Filter.fingerprint(), Key: *list.last}.token()
	return err
}

// pick writes the rows that match. It looks one row beyond the limit, so that a full
// last page does not promise another.
func (r rows) pick(p Part, q Query) picked {
	var list picked
	var last state.Key
	start := state.Key{Kind: kinds[p]}
	if q.after != nil {
		start = q.after.Key
	}
	for e := range r.state.From(start) {
		key := e.Object.Key()
		if q.after != nil && key == start || !r.match(&q.Filter, e) {
			continue
		}
		if q.Limit > 0 && list.count == q.Limit {
			list.last = &last
			break
		}
		list.rows = r.append(append(list.rows, ','), e, q.Filter.Node)
		list.count++
		last = key
	}
	list.rows = array(list.rows)
	return list
}
