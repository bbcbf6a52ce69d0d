package view

import (
	"bytes"
	"strconv"
	"time"
)

// EncodedBody is a Body in one content encoding. All readers of a report share it; it must not be
// modified.
type EncodedBody struct {
	Body Body
	// Encoding is the encoding of Body: Identity if the body is too small to compress.
	Encoding Encoding
	// Length is the length of Body in bytes, as a header value like those of HeaderValues.
	Length []string
}

func newEncodedBody(b Body, e Encoding) *EncodedBody {
	return &EncodedBody{Body: b, Encoding: e, Length: headerValue(strconv.Itoa(b.Len()))}
}

// HeaderValues holds the header values that are the same for every response about a report. Each is
// a slice of one string, which http.Header can share without an allocation. The slices must not be
// modified.
type HeaderValues struct {
	// ETag is the resourceVersion as a weak entity tag. It is weak because timestamps change
	// without it.
	ETag []string
	// ReceivedAt and ObservedAt are formatted as in bodies. ObservedAt is nil if the report has no
	// such time.
	ReceivedAt, ObservedAt []string
	Session, Stale         []string
}

// timeFormat is the format of times in bodies: RFC 3339, UTC, milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

func headerValuesOf(r *Report) HeaderValues {
	s := HeaderValues{
		ETag: headerValue(`W/"` + r.ResourceVersion + `"`), ReceivedAt: headerValue(formatTime(r.ReceivedAt)),
		Session: headerValue(r.Session.ID), Stale: headerValue(strconv.FormatBool(r.Stale())),
	}
	if observed := r.OldestSection(); !observed.IsZero() {
		s.ObservedAt = headerValue(formatTime(observed))
	}
	return s
}

func headerValue(s string) []string { return []string{s} }

func formatTime(t time.Time) string { return t.UTC().Format(timeFormat) }

// Headers returns the header values of the document's report.
func (d *Document) Headers() *HeaderValues { return &d.headers }

// Age returns the time since the document's report was received.
func (d *Document) Age(now time.Time) time.Duration { return max(0, now.Sub(d.report.ReceivedAt)) }

// SupportsETag reports whether the resourceVersion identifies the document's content, apart from
// times. It does not if the summary has changed with time alone since the version was set.
func (d *Document) SupportsETag() bool { return !d.summaryAged }

// encoded returns a part in an encoding, which is created on the first read. isNew reports whether
// the size of the document may have grown.
func (d *Document) encoded(part Part, e Encoding, c *compressor) (body *EncodedBody, isNew bool, err error) {
	if kept := d.encodings[part][e].Load(); kept != nil {
		return kept, false, nil
	}
	body, err = d.encode(part, e, c)
	if err == nil {
		d.encodings[part][e].Store(body)
	}
	return body, true, err
}

func (d *Document) encode(part Part, e Encoding, c *compressor) (*EncodedBody, error) {
	plain, err := d.Body(part)
	if err != nil {
		return nil, err
	}
	if e == Identity && plain.Len() > maxJoinedBytes {
		return newEncodedBody(plain, Identity), nil
	}
	if plain.Len() < minCompressBytes {
		e = Identity
	}
	compressed, err := d.compressed[part][e].get(func() ([]byte, error) {
		body, _, err := c.compress(plain, e)
		if len(body) == 1 {
			return body[0], err
		}
		return bytes.Join(body, nil), err
	})
	return newEncodedBody(Body{compressed}, e), err
}

// maxJoinedBytes is the size in bytes up to which an uncompressed response is also kept as one slice.
// For small responses, one write is cheaper than several.
const maxJoinedBytes = 512 << 10
