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

func TestNothingIsReadForWhoMaySeeNoCluster(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "secret", "other")
		s.levels = map[string]Level{}
		for range maxQueries {
			s.api.turns <- struct{}{}
			s.api.parsing <- struct{}{}
		}
		begin := time.Now()
		for _, query := range []string{"1+1", "(", "vector(1)", `up{cluster="secret"}`, `up{cluster="unknown"}`, `up{a=~"("}`} {
			for _, path := range []string{"/query", "/query_exemplars"} {
				got := s.ask(path, "query", query)
				same(t, path+" "+query, []any{got.code, got.ErrorType}, []any{403, ErrorForbidden})
			}
			for _, path := range []string{"/series", "/labels", "/label/node/values", "/federate"} {
				got := s.asks(path, url.Values{"match[]": {query}})
				same(t, path+" "+query, []any{got.code, got.ErrorType}, []any{403, ErrorForbidden})
			}
		}
		same(t, "waited", time.Since(begin), 0)
		same(t, "demand", s.wanted, nil)
	})
}

func TestAccessIsDecidedBeforeATurnIsTaken(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "prod-eu", "lab")
		see := func(ctx context.Context, clusters []string, named bool) (map[string]Level, error) {
			same(t, "turns while the hub is asked", len(s.api.turns), 0)
			return s.see(ctx, clusters, named)
		}
		for _, r := range append(s.api.Routes(), s.api.Federation()) {
			form := url.Values{"query": {`up{cluster="lab"} + on() up`}, "match[]": {"up", `up{cluster="lab"}`}, "cluster": {"lab"}, "start": {"0"}, "end": {"10"}, "step": {"5"}}
			a, err := r.Serve(s.t.Context(), Request{Form: form, Label: "cluster", See: see})
			if err != nil && r.Path != "/query" && r.Path != "/query_range" {
				t.Errorf("%s: %v", r.Path, err)
			}
			a.Close()
		}
	})
}

func TestEveryRouteWithPromQLWaitsItsTurn(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "prod-eu")
		for range maxQueries {
			s.api.turns <- struct{}{}
		}
		for _, r := range append(s.api.Routes(), s.api.Federation()) {
			reads := slices.ContainsFunc(r.Takes, func(p Parameter) bool { return p.Name == "query" || p.Name == "match[]" })
			form := url.Values{"query": {"up"}, "match[]": {"up"}, "start": {"0"}, "end": {"10"}, "step": {"5"}, "timeout": {"1s"}}
			_, err := r.Serve(s.t.Context(), Request{Form: form, Label: "node", See: s.see})
			var as *Error
			if timeout := errors.As(err, &as) && as.Type == ErrorTimeout; timeout != reads {
				t.Errorf("%s: %v, want that it waits: %t", r.Path, err, reads)
			}
		}
	})
}

func TestNoMoreQueriesWaitThanMay(t *testing.T) {
	act(t, func(s *stage) {
		s.register("a")
		for range maxQueries {
			s.api.turns <- struct{}{}
		}
		s.api.waiting.Store(maxWaiting)
		got := s.ask("/query", "query", "1")
		same(t, "one more", []any{got.code, got.ErrorType}, []any{503, ErrorUnavailable})
		same(t, "waiting", s.api.waiting.Load(), maxWaiting)
	})
}

func TestAHubWithoutClustersAnswersWhoMaySeeAll(t *testing.T) {
	act(t, func(s *stage) {
		same(t, "1+1", s.ask("/query", "query", "1+1").code, 200)
		s.levels = map[string]Level{}
		same(t, "1+1 without a right", s.ask("/query", "query", "1+1").code, 403)
	})
}

// TestHiddenClustersAreAskedForAsUnknownOnes counts what is asked of the hub: an answer must
// not take longer for a cluster that there is.
func TestHiddenClustersAreAskedForAsUnknownOnes(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "mine", "secret", "lab")
		s.levels = map[string]Level{"mine": Details}
		asked := func(path string, form url.Values) (names []string, got reply) {
			serve := s.api.Federation().Serve
			for _, r := range s.api.Routes() {
				if r.Path == path {
					serve = r.Serve
				}
			}
			a, err := serve(s.t.Context(), Request{Form: form, Label: "node", See: func(ctx context.Context, clusters []string, named bool) (map[string]Level, error) {
				names = append(names, fmt.Sprint(named, len(clusters)))
				names = append(names, clusters...)
				return s.see(ctx, clusters, named)
			}})
			if err != nil {
				return names, s.read(a, err)
			}
			return names, reply{code: 200, Data: slices.Clone(a.Body)}
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
					if i == 1 { // where all clusters are asked for, the hidden one is among them
						calls[i] = strings.ReplaceAll(calls[i], "secret", "X")
					}
					texts[i] = strings.ReplaceAll(fmt.Sprint(got.code, got.Error, string(got.Data)), name, "X")
				}
				if calls[0] != calls[1] || texts[0] != texts[1] {
					t.Errorf("%s %s: of a hidden cluster it is asked %s, of an unknown one %s;\n%s\n%s", path, selector, calls[0], calls[1], texts[0], texts[1])
				}
			}
		}
	})
}

func TestOneClusterCannotKeepOthersFromBeingScraped(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "prod-eu", "hostile")
		k := *shop()[4].(*state.Container)
		k.Image = "a\xff\x1b[31m\n\"} 1"
		s.clusters["hostile"].put(&k)
		s.report("hostile")
		for _, accept := range []string{"", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"} {
			a, err := s.api.Federation().Serve(s.t.Context(), Request{Form: url.Values{"match[]": {"kube_pod_container_info"}}, See: s.see, Accept: accept})
			if err != nil {
				t.Fatal(err)
			}
			decoder, images := expfmt.NewDecoder(bytes.NewReader(a.Body), expfmt.Format(a.Type)), map[string]string{}
			var f dto.MetricFamily
			if err := decoder.Decode(&f); err != nil {
				t.Fatalf("%s: %v in %q", a.Type, err, a.Body)
			}
			for _, m := range f.Metric {
				values := map[string]string{}
				for _, l := range m.Label {
					values[l.GetName()] = l.GetValue()
				}
				images[values[clusterLabel]] = values["image"]
			}
			same(t, a.Type, images, map[string]string{"prod-eu": "shop:1", "hostile": "a\ufffd\x1b[31m\n\"} 1"})
		}
		same(t, "counted", testutil.ToFloat64(s.api.metrics.cleaned), 2)
	})
}
