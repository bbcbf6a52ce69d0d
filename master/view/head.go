package view

import (
	"bytes"
	"encoding/json"
	"fmt"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
)

func headOf(r *Report) httpv1.ClusterMeta {
	return httpv1.ClusterMeta{
		Cluster:         r.Cluster,
		UID:             r.UID,
		ResourceVersion: r.ResourceVersion,
		ObservedAt:      roundTime(r.OldestSection()),
		ReceivedAt:      roundTime(r.ReceivedAt),
		Stale:           r.Stale(),
		Session:         normalizedSession(SessionOf(r.Session)),
		Sections:        sectionsOf(&r.Sections),
	}
}

func sectionsOf(all *[state.NumSections]state.Section) []httpv1.Section {
	sections := make([]httpv1.Section, state.NumSections)
	for i, held := range all {
		sections[i] = httpv1.Section{Name: httpv1.SectionName(state.SectionName(i).String()), ObservedAt: roundTime(held.ObservedAt)}
		if held.Error != (state.SectionError{}) {
			sections[i].Error = &held.Error
		}
	}
	return sections
}

// encodeHead returns h as JSON without the closing brace; the parts follow.
func encodeHead(h httpv1.ClusterMeta) ([]byte, error) {
	var buf bytes.Buffer
	if err := appendJSON(&buf, h); err != nil {
		return nil, err
	}
	buf.Truncate(buf.Len() - 1)
	return buf.Bytes(), nil
}

// appendJSON appends v as JSON, without a trailing newline and without HTML escapes.
func appendJSON(buf *bytes.Buffer, v any) error {
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode %T: %w", v, err)
	}
	buf.Truncate(buf.Len() - 1)
	return nil
}
