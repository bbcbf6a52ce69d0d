package heapster

import (
	"errors"
	"testing"
	"unicode/utf8"
)

// FuzzParse holds that no path and no parameters do worse than to be refused in words that can
// be shown.
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
			t.Fatalf("%q %q: %v", path, query, err)
		case !utf8.ValidString(bad.Message) || len(bad.Message) > 1024:
			t.Fatalf("%q %q: refused with %q", path, query, bad.Message)
		}
	})
}
