package httpapi

import (
	"errors"
	"testing"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/view"
)

// FuzzMessage checks that every websocket message is either rejected with a short client error, or
// names no more clusters than it has bytes.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{`{"demand":["a","*"],"detail":["a"]}`, `{"detail":["prod-eu@1.1-1"]}`, `{"demand":null}`, `{}`, `[]`, `{"demand":[""]} x`, `{"detail":["\u0000@"]}`, `{"demand":["a","a"],"demand":["b"]}`, `{"x":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		_, wanted, err := parseMessage(message)
		var problem *httpv1.Problem
		var parameter *view.ParameterError
		switch {
		case err == nil && len(wanted.detail) > len(message):
			t.Errorf("%q: got %d clusters", message, len(wanted.detail))
		case errors.As(err, &problem) && len(problem.Detail) > 1024, errors.As(err, &parameter) && len(parameter.Message) > 1024:
			t.Errorf("%q: got error %v, want at most 1024 bytes", message, err)
		case err != nil && problem == nil && parameter == nil:
			t.Errorf("%q: got error %v, want a client error", message, err)
		}
	})
}
