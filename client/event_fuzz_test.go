package client

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// FuzzEvents holds that a stream of a master that is broken or hostile ends with an error, and
// that no line is longer than may be.
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
		const most = 1 << 10
		read := newLineReader(bytes.NewReader(data), most)
		for {
			line, err := read.next()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrTooLarge) {
					t.Fatalf("the stream ends with %v", err)
				}
				return
			}
			if len(line) > most {
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
