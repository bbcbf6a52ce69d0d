package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// head is what every answer about one cluster begins with.
type head struct {
	Cluster         string    `json:"cluster"`
	UID             string    `json:"uid"`
	ResourceVersion string    `json:"resourceVersion"`
	ObservedAt      time.Time `json:"observedAt,omitzero"`
	ReceivedAt      time.Time `json:"receivedAt"`
	Stale           bool      `json:"stale"`
	Session         Session   `json:"session"`
	Sections        []section `json:"sections"`
	// Continue is the token for the next page; there is none after the last.
	Continue string `json:"continue,omitempty"`
	// Note says what an empty list of ports means.
	Note string `json:"note,omitempty"`
}

// section is how fresh one part of the facts is, as clients see it.
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
		ObservedAt:      instant(r.ObservedAt()),
		ReceivedAt:      instant(r.ReceivedAt),
		Stale:           r.Stale(),
		Session:         r.Session.shown(),
		Sections:        sectionsOf(r.State),
	}
}

func sectionsOf(s *state.State) []section {
	sections := make([]section, state.NumSections)
	for i, held := range s.Sections {
		sections[i] = section{Name: state.SectionName(i), ObservedAt: instant(held.ObservedAt)}
		if held.Error != (state.SectionError{}) {
			sections[i].Error = &held.Error
		}
	}
	return sections
}

// encodeHead leaves the object open, for the parts to follow.
func encodeHead(h head) ([]byte, error) {
	var buf bytes.Buffer
	if err := appendJSON(&buf, h); err != nil {
		return nil, err
	}
	buf.Truncate(buf.Len() - 1)
	return buf.Bytes(), nil
}

// appendJSON writes v without the newline and the escapes for HTML that the encoder
// is fond of.
func appendJSON(buf *bytes.Buffer, v any) error {
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode %T: %w", v, err)
	}
	buf.Truncate(buf.Len() - 1)
	return nil
}
