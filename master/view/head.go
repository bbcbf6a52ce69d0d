package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// head holds the first fields of every response about one cluster.
type head struct {
	Cluster         string    `json:"cluster"`
	UID             string    `json:"uid"`
	ResourceVersion string    `json:"resourceVersion"`
	ObservedAt      time.Time `json:"observedAt,omitzero"`
	ReceivedAt      time.Time `json:"receivedAt"`
	Stale           bool      `json:"stale"`
	Session         Session   `json:"session"`
	Sections        []section `json:"sections"`
	// Continue is the token of the next page; empty on the last page.
	Continue string `json:"continue,omitempty"`
	// Note explains an empty list of ports.
	Note string `json:"note,omitempty"`
}

// section is the freshness of one part of the state, as clients see it.
type section struct {
	Name       state.SectionName   `json:"name"`
	ObservedAt time.Time           `json:"observedAt,omitzero"`
	Error      *state.SectionError `json:"error,omitempty"`
}

func headOf(r *Report) head {
	return head{
		Cluster:         r.Cluster,
		UID:             r.UID,
		ResourceVersion: r.ResourceVersion,
		ObservedAt:      roundTime(r.ObservedAt()),
		ReceivedAt:      roundTime(r.ReceivedAt),
		Stale:           r.Stale(),
		Session:         r.Session.normalized(),
		Sections:        sectionsOf(r.State),
	}
}

func sectionsOf(s *state.State) []section {
	sections := make([]section, state.NumSections)
	for i, held := range s.Sections {
		sections[i] = section{Name: state.SectionName(i), ObservedAt: roundTime(held.ObservedAt)}
		if held.Error != (state.SectionError{}) {
			sections[i].Error = &held.Error
		}
	}
	return sections
}

// encodeHead returns h as JSON without the closing brace; the parts follow.
func encodeHead(h head) ([]byte, error) {
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
