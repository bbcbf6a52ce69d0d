package client

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// FuzzEvents reads arbitrary streams: each ends with a known error, and no line exceeds the limit.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{
		`{"type":"ADDED","kind":"Pod","cluster":"a","resourceVersion":"0","object":{"namespace":"b","name":"c"}}` + "\n",
		`{"type":"BOOKMARK","resourceVersion":"1.1-1","object":{"annotations":{"k8s.io/initial-events-end":"true"}}}` + "\n",
		`{"type":"ERROR","object":{"code":410,"reason":"Gone","message":"x"}}` + "\n", `{"type":"DELETED","kind":"Port","object":null}` + "\n", "\n", "{",
		`{"type":"MODIFIED","kind":"Container","object":{"ports":[{}],"last":{}}}` + "\n" + `{"type":"ADDED","kind":"Node","object":[]}` + "\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 10
		lines := newLineReader(bytes.NewReader(data), limit)
		for {
			line, err := lines.next()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrTooLarge) {
					t.Fatalf("the stream ends with %v", err)
				}
				return
			}
			if len(line) > limit {
				t.Fatalf("a line of %d bytes", len(line))
			}
			if e, err := decodeEvent(line); err == nil && e.Type == Failed {
				if _, ok := e.Object.(*Problem); !ok {
					t.Fatalf("an error of type %T", e.Object)
				}
			}
		}
	})
}
