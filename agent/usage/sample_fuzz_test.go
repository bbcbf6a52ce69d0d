package usage

import (
	"bytes"
	"context"
	"io"
	"testing"
)

// FuzzSamples decodes arbitrary bytes as a response of metrics.k8s.io. That must fail, or result in a Reading that
// does not have more keys than there are bytes.
func FuzzSamples(f *testing.F) {
	for _, seed := range []string{
		`{"kind":"PodMetricsList","items":[{"metadata":{"name":"a","namespace":"b"},"timestamp":"2026-01-02T03:04:05Z","containers":[{"name":"c","usage":{"cpu":"1500n","memory":"1Gi"}}]}]}`,
		`{"items":null}`, `{"items":[{"metadata":{"name":"n"},"timestamp":"x","usage":{"cpu":"1e999999999","memory":"-1"}}]}`,
		`{"items":{}}`, `[]`, `{"items":[{"usage":{"cpu":"9223372036854775807k","memory":"0.000000000000000000001"}}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list := func(context.Context, string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
		for name, read := range map[string]func() (int, error){
			"nodes":      func() (int, error) { s, err := readNodes(t.Context(), list); return len(s), err },
			"containers": func() (int, error) { s, err := readContainers(t.Context(), list); return len(s), err },
		} {
			if n, err := read(); err == nil && n > len(data) {
				t.Errorf("%s: got %d keys from %d bytes", name, n, len(data))
			}
		}
	})
}
