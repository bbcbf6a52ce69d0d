package prom

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"rollcall.dev/rollcall/api/state"
)

func TestCallerWithoutAccessGets403BeforeParsing(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(time.Minute, "secret", "other")
		s.levels = map[string]Level{}
		for range maxQueries {
			s.api.querySem <- struct{}{}
			s.api.parseSem <- struct{}{}
		}
		begin := time.Now()
		for _, query := range []string{"1+1", "(", "vector(1)", `up{cluster="secret"}`, `up{cluster="unknown"}`, `up{a=~"("}`} {
			for _, path := range []string{"/query", "/query_exemplars"} {
				got := s.request(path, "query", query)
				checkEqual(t, path+" "+query, []any{got.code, got.ErrorType}, []any{403, ErrorForbidden})
			}
			for _, path := range []string{"/series", "/labels", "/label/node/values", "/federate"} {
				got := s.requestForm(path, url.Values{"match[]": {query}})
				checkEqual(t, path+" "+query, []any{got.code, got.ErrorType}, []any{403, ErrorForbidden})
			}
		}
		checkEqual(t, "waited", time.Since(begin), 0)
		checkEqual(t, "demand", s.demanded, nil)
	})
}

func TestAuthorizationPrecedesQuerySemaphore(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(time.Minute, "prod-eu", "lab")
		see := func(ctx context.Context, clusters []string, named bool) (map[string]Level, error) {
			checkEqual(t, "running queries during authorization", len(s.api.querySem), 0)
			return s.authorize(ctx, clusters, named)
		}
		for _, r := range append(s.api.Routes(), s.api.Federation()) {
			form := url.Values{"query": {`up{cluster="lab"} + on() up`}, "match[]": {"up", `up{cluster="lab"}`}, "cluster": {"lab"}, "start": {"0"}, "end": {"10"}, "step": {"5"}}
			a, err := r.Serve(s.t.Context(), Request{Form: form, Label: "cluster", Authorize: see})
			if err != nil && r.Path != "/query" && r.Path != "/query_range" {
				t.Errorf("%s: got error %v, want none", r.Path, err)
			}
			a.Close()
		}
	})
}

func TestRoutesWithPromQLUseQuerySemaphore(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(time.Minute, "prod-eu")
		for range maxQueries {
			s.api.querySem <- struct{}{}
		}
		for _, r := range append(s.api.Routes(), s.api.Federation()) {
			reads := slices.ContainsFunc(r.Parameters, func(p Parameter) bool { return p.Name == "query" || p.Name == "match[]" })
			form := url.Values{"query": {"up"}, "match[]": {"up"}, "start": {"0"}, "end": {"10"}, "step": {"5"}, "timeout": {"1s"}}
			_, err := r.Serve(s.t.Context(), Request{Form: form, Label: "node", Authorize: s.authorize})
			var as *Error
			if timeout := errors.As(err, &as) && as.Type == ErrorTimeout; timeout != reads {
				t.Errorf("%s: got error %v, want a timeout while waiting: %t", r.Path, err, reads)
			}
		}
	})
}

func TestWaitingQueriesAreLimited(t *testing.T) {
	runTest(t, func(s *harness) {
		s.register("a")
		for range maxQueries {
			s.api.querySem <- struct{}{}
		}
		s.api.waiting.Store(maxWaiting)
		got := s.request("/query", "query", "1")
		checkEqual(t, "one more", []any{got.code, got.ErrorType}, []any{503, ErrorUnavailable})
		checkEqual(t, "waiting", s.api.waiting.Load(), maxWaiting)
	})
}

func TestHubWithoutClustersServesAuthorizedCallers(t *testing.T) {
	runTest(t, func(s *harness) {
		checkEqual(t, "1+1", s.request("/query", "query", "1+1").code, 200)
		s.levels = map[string]Level{}
		checkEqual(t, "1+1 without a right", s.request("/query", "query", "1+1").code, 403)
	})
}

// TestHiddenClustersAreLookedUpLikeUnknownOnes checks the lookups in the hub: a response must not
// take longer for an existing cluster that the caller may not see than for an unknown one.
func TestHiddenClustersAreLookedUpLikeUnknownOnes(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(time.Minute, "mine", "secret", "lab")
		s.levels = map[string]Level{"mine": Details}
		asked := func(path string, form url.Values) (names []string, got apiResult) {
			serve := s.api.Federation().Serve
			for _, r := range s.api.Routes() {
				if r.Path == path {
					serve = r.Serve
				}
			}
			a, err := serve(s.t.Context(), Request{Form: form, Label: "node", Authorize: func(ctx context.Context, clusters []string, named bool) (map[string]Level, error) {
				names = append(names, fmt.Sprint(named, len(clusters)))
				names = append(names, clusters...)
				return s.authorize(ctx, clusters, named)
			}})
			if err != nil {
				return names, s.parse(a, err)
			}
			return names, apiResult{code: 200, Data: slices.Clone(a.Body)}
		}
		for _, selector := range []string{
			`{cluster="X"}`, `{cluster=~"X"}`, `{cluster=~"X|Y"}`, `{cluster=~"X|mine"}`, `{cluster=~"X.*"}`, `{cluster=~".*X"}`, `{cluster!~"mine|X"}`, `{cluster!="X"}`, `{cluster="X",cluster!="y"}`,
		} {
			for path, form := range map[string]func(string) url.Values{
				"/query": func(sel string) url.Values {
					return url.Values{"query": {"count(" + sel + ") or vector(7)"}, "time": {"0"}}
				},
				"/series":                func(sel string) url.Values { return url.Values{"match[]": {sel}} },
				"/labels":                func(sel string) url.Values { return url.Values{"match[]": {sel}} },
				"/label/{label}/values":  func(sel string) url.Values { return url.Values{"match[]": {sel}} },
				"/federate by match[]":   func(sel string) url.Values { return url.Values{"match[]": {sel}} },
				"/federate by a cluster": func(string) url.Values { return url.Values{"cluster": {"X"}} },
				"/federate by clusters":  func(string) url.Values { return url.Values{"cluster": {"mine", "X"}} },
			} {
				var calls, texts [2]string
				for i, name := range []string{"secret", "nowher"} {
					f := form(strings.ReplaceAll(selector, "X", name))
					if f.Has("cluster") {
						f["cluster"] = slices.Collect(func(yield func(string) bool) {
							for _, c := range f["cluster"] {
								yield(strings.ReplaceAll(c, "X", name))
							}
						})
					}
					names, got := asked(path, f)
					calls[i] = strings.ReplaceAll(strings.Join(names, " "), name, "X")
					if i == 1 { // a lookup of all clusters includes the hidden one
						calls[i] = strings.ReplaceAll(calls[i], "secret", "X")
					}
					texts[i] = strings.ReplaceAll(fmt.Sprint(got.code, got.Error, string(got.Data)), name, "X")
				}
				if calls[0] != calls[1] || texts[0] != texts[1] {
					t.Errorf("%s %s: got lookups %s for a hidden cluster and %s for an unknown one, want the same;\nresponses:\n%s\n%s", path, selector, calls[0], calls[1], texts[0], texts[1])
				}
			}
		}
	})
}

func TestInvalidUTF8OfOneClusterDoesNotFailScrape(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(time.Minute, "prod-eu", "hostile")
		k := *shopObjects()[4].(*state.Container)
		k.Image = "a\xff\x1b[31m\n\"} 1"
		s.clusters["hostile"].put(&k)
		s.report("hostile")
		for _, accept := range []string{"", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"} {
			a, err := s.api.Federation().Serve(s.t.Context(), Request{Form: url.Values{"match[]": {"kube_pod_container_info"}}, Authorize: s.authorize, Accept: accept})
			if err != nil {
				t.Fatal(err)
			}
			decoder, images := expfmt.NewDecoder(bytes.NewReader(a.Body), expfmt.Format(a.Type)), map[string]string{}
			var f dto.MetricFamily
			if err := decoder.Decode(&f); err != nil {
				t.Fatalf("%s: decode: %v in %q", a.Type, err, a.Body)
			}
			for _, m := range f.Metric {
				values := map[string]string{}
				for _, l := range m.Label {
					values[l.GetName()] = l.GetValue()
				}
				images[values[clusterLabel]] = values["image"]
			}
			checkEqual(t, a.Type, images, map[string]string{"prod-eu": "shop:1", "hostile": "a\ufffd\x1b[31m\n\"} 1"})
		}
		checkEqual(t, "counted", testutil.ToFloat64(s.api.metrics.invalidUTF8), 2)
	})
}
