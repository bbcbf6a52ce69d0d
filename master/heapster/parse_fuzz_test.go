package heapster

import (
	"errors"
	"testing"
	"unicode/utf8"
)

// FuzzParse checks that every path and query is accepted, or rejected with a short message in UTF-8.
func FuzzParse(f *testing.F) {
	for path, query := range map[string]string{
		"/model/nodes/n1/metrics/cpu/usage_rate":                     "start=2026-01-02T03:04:05Z&end=2026-01-02T03:05:05Z",
		"/model/namespaces/shop/pod-list/a,b,c/metrics/memory/usage": "labels=a:b", "/metric-export": "", "/model/metrics/": "start=x", "/model//": "%zz",
		"/model/namespaces/\x00/pods/../containers": "start=-1&start=1",
	} {
		f.Add(path, query)
	}
	f.Fuzz(func(t *testing.T, path, query string) {
		_, err := Parse(path, query)
		var bad *BadRequest
		switch {
		case err == nil, errors.Is(err, ErrNoSuchPath):
		case !errors.As(err, &bad):
			t.Fatalf("%q %q: got error %v, want ErrNoSuchPath or a *BadRequest", path, query, err)
		case !utf8.ValidString(bad.Message) || len(bad.Message) > 1024:
			t.Fatalf("%q %q: got message %q, want at most 1024 bytes of UTF-8", path, query, bad.Message)
		}
	})
}
