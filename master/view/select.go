package view

import (
	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
)

// page is the part of a list that a query selects.
type page struct {
	rows  []byte
	count int
	// last is the key of the last row if more rows follow; nil on the last page.
	last *state.Key
}

// Select returns the result of a query. The error is a *ParameterError if the query is at fault:
// its continue token belongs to another query.
func (d *Document) Select(q Query) (Body, error) {
	if err := q.after.validate(d.report.Cluster, q.Filter); err != nil {
		return nil, err
	}
	var body Body
	h := headOf(&d.report)
	if q.Part == Whole || q.Part == Summary {
		sum, err := d.part(Summary)
		if err != nil {
			return nil, err
		}
		body = append(body, fields[Summary], sum)
	}
	for _, p := range q.Part.lists() {
		rows, err := d.rows()
		if err != nil {
			return nil, err
		}
		list := rows.selectPage(p, q)
		if err := d.annotate(&h, q, list, rows.state); err != nil {
			return nil, err
		}
		body = append(body, fields[p], list.rows)
	}
	begin, err := encodeHead(h)
	return append(append(Body{begin}, body...), end), err
}

// annotate sets the fields of the head that describe the page: the continue token, the version of
// the first page, and the note on an empty list of ports.
func (d *Document) annotate(h *httpv1.ClusterMeta, q Query, list page, s *state.State) error {
	if q.Part == Ports && list.count == 0 && q.after == nil {
		h.Note = d.freePortNote(q.Filter, s)
	}
	if q.after != nil {
		h.ResourceVersion = q.after.Version
	}
	if list.last == nil {
		return nil
	}
	var err error
	h.Continue, err = continueToken{Cluster: d.report.Cluster, Version: h.ResourceVersion, Filter: q.Filter.hash(), Key: *list.last}.encode()
	return err
}

// selectPage encodes the rows that match the query. It looks one match beyond the limit, so that a
// full last page has no continue token.
func (r rowEncoder) selectPage(p Part, q Query) page {
	var list page
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
		list.rows = r.appendRow(append(list.rows, ','), e, q.Filter.Node)
		list.count++
		last = key
	}
	list.rows = array(list.rows)
	return list
}
