package prom

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/test/golden"
)

var update = flag.Bool("update", false, "rewrite the golden files; dashboards and alerts use these names, so read the diff")

// TestFederationWritesTheGoldenFile checks all series of a cluster that exercises each rule of kube-state-metrics, of
// one with usage, and of one without a report.
func TestFederationWritesTheGoldenFile(t *testing.T) {
	runTest(t, func(s *harness) {
		s.register("cold")
		s.addCluster("m1", kubeStateObjects()...)
		s.addRunningClusters(time.Minute, "prod-eu")
		form := url.Values{"cluster": {"cold", "m1", "prod-eu"}}
		got, err := s.api.Federation().Serve(context.Background(), Request{Form: form, Authorize: s.authorize})
		if err != nil {
			t.Fatal(err)
		}
		defer got.Close()
		golden.Check(t, "testdata/golden/federation.txt", string(got.Body), *update)
	})
}

// TestMetadataEqualsTheGoldenFile checks the name, type and help of each metric.
func TestMetadataEqualsTheGoldenFile(t *testing.T) {
	runTest(t, func(s *harness) {
		var all map[string][]metadata
		if err := json.Unmarshal(s.request("/metadata").Data, &all); err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for _, name := range slices.Sorted(maps.Keys(all)) {
			fmt.Fprintf(&text, "%s %s %s\n", name, all[name][0].Type, all[name][0].Help)
		}
		golden.Check(t, "testdata/golden/metadata.txt", text.String(), *update)
	})
}
