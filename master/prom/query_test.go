package prom

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"rollcall.dev/rollcall/api/state"
)

func TestGrafanaDataSourceCheck(t *testing.T) {
	runTest(t, func(s *harness) {
		got := s.request("/query", "query", "1+1", "time", "4")
		checkEqual(t, "1+1 at the year 1970", string(got.Data), `{"resultType":"scalar","result":[4,"2"]}`)
		if got.Status != "success" || len(got.Warnings) > 0 {
			t.Errorf("got %+v, want success without warnings", got)
		}
	})
}

func TestUsageRatesMatchSamples(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(10*time.Minute, "prod-eu")
		for query, want := range map[string]string{
			`round(sum(rate(container_cpu_usage_seconds_total{cluster="prod-eu",container!="",image!=""}[5m])), 0.001)`: "0.25",
			`round(rate(container_cpu_usage_seconds_total{id="/"}[5m]), 0.001)`:                                         "1",
			`round(rate(node_cpu_usage_seconds_total[2m]), 0.001)`:                                                      "1",
			`sum(container_memory_working_set_bytes{namespace="shop",container!=""})`:                                   "104857600",
			`rollcall_container_cpu_cores`:                                                                              "0.25",
			`count(container_cpu_usage_seconds_total)`:                                                                  "3",
		} {
			got := s.request("/query", "query", query)
			values := got.vector(t)
			if len(values) != 1 {
				t.Errorf("%s: got %v and error %q, want one value", query, values, got.Error)
			}
			for _, v := range values {
				checkEqual(t, query, v, want)
			}
		}
	})
}

func TestStateSeriesStartAtLastChange(t *testing.T) {
	runTest(t, func(s *harness) {
		c := s.addRunningClusters(2*time.Minute, "prod-eu")
		<-time.After(time.Second)
		failed := *shopObjects()[3].(*state.Pod)
		failed.Phase = state.PodFailed
		c.put(&failed)
		s.report("prod-eu")
		changed := time.Now()
		s.advance(2*time.Minute, nil, "prod-eu")
		phase := func(at time.Time) map[string]string {
			return s.request("/query", "query", `kube_pod_status_phase{phase="Failed"}`, "time", fmt.Sprint(at.Unix())).vector(t)
		}
		checkEqual(t, "before the change", phase(changed.Add(-2*time.Second)), map[string]string{})
		checkEqual(t, "at the change", len(phase(changed)), 1)
		checkEqual(t, "now", len(phase(time.Now())), 1)
		checkEqual(t, "an unchanged container since the first report", s.request("/query", "query", "kube_pod_container_status_ready", "time", fmt.Sprint(s.start.Unix())).vector(t), map[string]string{"__name__=kube_pod_container_status_ready cluster=prod-eu container=app namespace=shop pod=web-1 ": "1"})
	})
}

func TestSeriesAreStaleAfterSessionEnd(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(2*time.Minute, "prod-eu")
		s.endSession("prod-eu")
		for _, query := range []string{"container_memory_working_set_bytes", "kube_node_info", "rollcall_cluster_nodes"} {
			<-time.After(11 * time.Second)
			checkEqual(t, query, s.request("/query", "query", query).vector(t), map[string]string{})
			before := s.request("/query", "query", query, "time", fmt.Sprint(s.start.Add(2*time.Minute).Unix()-1)).vector(t)
			if len(before) == 0 {
				t.Errorf("%s: got no series before the end of the session, want some", query)
			}
		}
		checkEqual(t, "up", s.request("/query", "query", "up").vector(t), map[string]string{"__name__=up cluster=prod-eu instance=prod-eu ": "0"})
	})
}

func TestMatcherTypes(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(time.Minute, "prod-eu", "prod-us", "lab")
		for query, want := range map[string]string{
			`count(kube_node_info{cluster="prod-eu"})`:                          "2",
			`count(kube_node_info{cluster=~"prod-.+"})`:                         "4",
			`count(kube_node_info{cluster!="lab"})`:                             "4",
			`count(kube_node_info{cluster!~"prod-.*"})`:                         "2",
			`count(kube_node_info{node="n1"})`:                                  "3",
			`count(kube_node_info{node!="n1",cluster="lab"})`:                   "1",
			`count(kube_node_info{node=~"n[12]",cluster="lab"})`:                "2",
			`count(kube_node_info{node!~"n1|x",cluster="lab"})`:                 "1",
			`count({__name__=~"kube_node_(info|created)"})`:                     "6",
			`count({__name__!~"kube.*",cluster="lab",job="kubelet"})`:           "11",
			`count(kube_node_info{nolabel="",cluster="lab"})`:                   "2",
			`count(kube_node_info{cluster="lab",cluster=~"prod"}) or vector(0)`: "0",
		} {
			for _, v := range s.request("/query", "query", query).vector(t) {
				checkEqual(t, query, v, want)
			}
		}
	})
}

func TestQueriesDemandNamedClusters(t *testing.T) {
	runTest(t, func(s *harness) {
		s.register("cold")
		s.register("other")
		s.addRunningClusters(time.Minute, "prod-eu")
		for query, want := range map[string][]string{
			`up`:                             nil,
			`up{cluster=~".*"}`:              nil,
			`up{cluster!="x"}`:               nil,
			`1+1`:                            nil,
			`up{cluster="nowhere"}`:          nil,
			`up{cluster="cold"}`:             {"cold"},
			`up{cluster=~".+"}`:              {"cold", "other", "prod-eu"},
			`up{cluster=~"cold|other"} / up`: {"cold", "other"},
			`a{cluster="cold"} + b{cluster="other"}[5m:]`: {"other", "cold"},
		} {
			s.demanded = nil
			s.request("/query", "query", query)
			if query[0] == 'a' { // the query is invalid, so it demands nothing
				want = nil
			}
			checkEqual(t, query, s.demanded, want)
		}
		s.demanded = nil
		s.request("/query_range", "query", `up{cluster="cold"}`, "start", "0", "end", "10", "step", "1")
		checkEqual(t, "a range", s.demanded, []string{"cold"})
		s.demanded = nil
		for _, path := range []string{"/series", "/labels", "/label/cluster/values"} {
			s.request(path, "match[]", `up{cluster="cold"}`)
		}
		checkEqual(t, "other routes", s.demanded, nil)
	})
}

func TestQueryWarnsAboutClustersWithoutReport(t *testing.T) {
	runTest(t, func(s *harness) {
		s.register("cold")
		begin := time.Now()
		got := s.request("/query", "query", `kube_node_info{cluster="cold"}`)
		checkEqual(t, "warnings", got.Warnings, []string{"no current report yet from cold; a report was requested, try again in a few seconds"})
		checkEqual(t, "result", string(got.Data), `{"resultType":"vector","result":[]}`)
		checkEqual(t, "waited", time.Since(begin), 0)
	})
}

func TestQueryDemandsAtMostFiftyClusters(t *testing.T) {
	runTest(t, func(s *harness) {
		for i := range 60 {
			s.register(fmt.Sprintf("c%02d", i))
		}
		got := s.request("/query", "query", `kube_node_info{cluster=~"c.+"}`)
		checkEqual(t, "asked", len(s.demanded), maxDemand)
		if len(got.Warnings) != 2 || !strings.Contains(got.Warnings[0], "60 clusters") || !strings.Contains(got.Warnings[1], "c04 and 45 more") {
			t.Errorf("got warnings %q, want one about 60 clusters and one that names five", got.Warnings)
		}
	})
}

func TestSeriesAreFilteredByAccess(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(time.Minute, "secret", "known", "open")
		s.levels = map[string]Level{"known": Summary, "open": Details}
		checkEqual(t, "clusters of all series", s.request("/query", "query", `count by (cluster) ({__name__=~".+"})`).vector(t), map[string]string{"cluster=known ": "54", "cluster=open ": "165"})
		checkEqual(t, "details", s.request("/query", "query", `count by (cluster) ({__name__=~"kube.+|container.+|rollcall_(node|port|container).*"})`).vector(t), map[string]string{"cluster=open ": "96"})
		checkEqual(t, "counts", s.request("/query", "query", `rollcall_cluster_nodes`).vector(t), map[string]string{"__name__=rollcall_cluster_nodes cluster=known ": "2", "__name__=rollcall_cluster_nodes cluster=open ": "2"})
		checkEqual(t, "by name", s.request("/query", "query", `up{cluster="secret"}`).vector(t), map[string]string{})
		checkEqual(t, "clusters", s.request("/label/cluster/values").strings(t), []string{"known", "open"})
		checkEqual(t, "clusters with details", s.request("/label/cluster/values", "match[]", "kube_node_info").strings(t), []string{"open"})
		checkEqual(t, "nodes of secret", s.request("/label/node/values", "match[]", `{cluster="secret"}`).strings(t), []string{})
		checkEqual(t, "nodes of known", s.request("/label/node/values", "match[]", `{cluster="known"}`).strings(t), []string{})
		checkEqual(t, "series of secret", string(s.request("/series", "match[]", `{cluster="secret"}`).Data), `[]`)
		checkEqual(t, "labels of secret", s.request("/labels", "match[]", `{cluster="secret"}`).strings(t), []string{})
		s.demanded = nil
		s.request("/query", "query", `up{cluster=~".+"}`)
		checkEqual(t, "demand", s.demanded, []string{"open"})
	})
}

func TestAuthorizerErrorFailsRequest(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(time.Minute, "prod-eu")
		s.authErr = errors.New("hub unavailable")
		for _, r := range []apiResult{s.request("/query", "query", "up"), s.request("/query", "query", `up{cluster="prod-eu"}`), s.request("/series", "match[]", "up"), s.request("/labels"), s.request("/label/cluster/values")} {
			checkEqual(t, "error", r.Error, "hub unavailable")
		}
	})
}

func TestInvalidRequests(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(10*time.Minute, "prod-eu")
		over := func(start, end, step string) []string {
			return []string{"query", "up", "start", start, "end", end, "step", step}
		}
		for _, tc := range []struct {
			path  string
			pairs []string
			code  int
			kind  ErrorType
			words string
		}{
			{"/query", []string{"query", "sum("}, 400, ErrorBadData, `invalid parameter "query"`},
			{"/query", nil, 400, ErrorBadData, `invalid parameter "query"`},
			{"/query", []string{"query", "nosuch(1)"}, 400, ErrorBadData, "unknown function"},
			{"/query", []string{"query", "1", "time", "NaN"}, 400, ErrorBadData, `"time"`},
			{"/query", []string{"query", "1", "time", "1e300"}, 400, ErrorBadData, `"time"`},
			{"/query", []string{"query", "1", "time", "noon"}, 400, ErrorBadData, `"time"`},
			{"/query", []string{"query", "1", "timeout", "-1s"}, 400, ErrorBadData, `"timeout"`},
			{"/query", []string{"query", "1", "limit", "-1"}, 400, ErrorBadData, `"limit"`},
			{"/query", []string{"query", "1", "lookback_delta", "0"}, 400, ErrorBadData, `"lookback_delta"`},
			{"/query_range", over("0", "11001", "1"), 400, ErrorBadData, "more than 11000 points"},
			{"/query_range", over("10", "0", "1"), 400, ErrorBadData, "must not be before the start"},
			{"/query_range", over("0", "10", "0"), 400, ErrorBadData, `"step"`},
			{"/query_range", over("0", "10", "-1s"), 400, ErrorBadData, `"step"`},
			{"/query_range", over("0", "10", ""), 400, ErrorBadData, `"step"`},
			{"/query_range", over("0", "10", "often"), 400, ErrorBadData, `"step"`},
			{"/query_range", []string{"query", "up[5m]", "start", "0", "end", "1", "step", "1"}, 400, ErrorBadData, "invalid expression type"},
			{"/query", []string{"query", "kube_node_info * kube_pod_info"}, 200, "", ""},
			{"/query", []string{"query", "up{cluster=\"nowhere\"}"}, 200, "", ""},
			{"/query", []string{"query", "no_such_metric"}, 200, "", ""},
			{"/query", []string{"query", `kube_pod_container_status_ready * on (cluster) kube_node_info`}, 422, ErrorExecution, "many-to-many"},
			{"/query", []string{"query", `label_replace(up, "~", "$1", "cluster", "(")`}, 422, ErrorExecution, "invalid"},
			{"/series", nil, 400, ErrorBadData, `"match[]"`},
			{"/series", []string{"match[]", "{"}, 400, ErrorBadData, `"match[]"`},
			{"/series", []string{"match[]", "up", "start", "x"}, 400, ErrorBadData, `"start"`},
			{"/series", []string{"match[]", "up", "start", "10", "end", "1"}, 400, ErrorBadData, `"end"`},
			{"/labels", []string{"match[]", "sum(up)"}, 400, ErrorBadData, `"match[]"`},
			{"/label/\xff/values", nil, 400, ErrorBadData, `"name"`},
			{"/metadata", []string{"limit", "all"}, 400, ErrorBadData, `"limit"`},
			{"/query_exemplars", []string{"query", "("}, 400, ErrorBadData, `"query"`},
		} {
			got := s.request(tc.path, tc.pairs...)
			if got.code != tc.code || got.ErrorType != tc.kind || !strings.Contains(got.Error, tc.words) || (got.Status == "error") != (tc.code != 200) {
				t.Errorf("%s %q: got %d %+v, want %d %s with %q", tc.path, tc.pairs, got.code, got, tc.code, tc.kind, tc.words)
			}
		}
	})
}

func TestSamplesAreLimited(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(10*time.Minute, "prod-eu")
		got := s.request("/query_range", "query", `{__name__=~".+"}`, "start", fmt.Sprint(s.start.Unix()), "end", fmt.Sprint(time.Now().Unix()), "step", "5")
		checkEqual(t, "type", got.ErrorType, ErrorExecution)
		checkEqual(t, "code", got.code, 422)
		if !strings.Contains(got.Error, "too many samples") {
			t.Errorf("got error %q, want %q in it", got.Error, "too many samples")
		}
	}, func(c *Config) { c.MaxSamples = 500 })
}

func TestRangeEndsWithLastReport(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(time.Minute, "prod-eu")
		s.endSession("prod-eu")
		<-time.After(time.Minute)
		got := s.request("/query_range", "query", `container_memory_working_set_bytes{container="app"}`,
			"start", fmt.Sprint(s.start.Unix()), "end", fmt.Sprint(time.Now().Unix()), "step", "15")
		var data struct{ Result []struct{ Values [][2]any } }
		if err := json.Unmarshal(got.Data, &data); err != nil || len(data.Result) != 1 {
			t.Fatalf("got %s and error %v, want one series", got.Data, err)
		}
		checkEqual(t, "points", data.Result[0].Values, [][2]any{
			{s.start.Unix() + 15, "104857600"}, {s.start.Unix() + 30, "104857600"}, {s.start.Unix() + 45, "104857600"}, {s.start.Unix() + 60, "104857600"},
		})
	})
}

func TestLimitTruncatesWithWarning(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(time.Minute, "prod-eu")
		got := s.request("/query", "query", "kube_node_info", "limit", "1")
		checkEqual(t, "results", len(got.vector(t)), 1)
		checkEqual(t, "warnings", got.Warnings, []string{"results truncated due to limit 1"})
		got = s.request("/labels", "limit", "2")
		checkEqual(t, "labels", len(got.strings(t)), 2)
		checkEqual(t, "warnings", got.Warnings, []string{"results truncated due to limit 2"})
	})
}

func TestQueriesWaitUntilTheirTimeout(t *testing.T) {
	runTest(t, func(s *harness) {
		for range maxQueries {
			s.api.querySem <- struct{}{}
		}
		if err := testutil.GatherAndCompare(s.api.config.Metrics.(prometheus.Gatherer), strings.NewReader(`
# HELP rollcall_prometheus_queries_running Requests to the Prometheus API that are being evaluated.
# TYPE rollcall_prometheus_queries_running gauge
rollcall_prometheus_queries_running 8
`), "rollcall_prometheus_queries_running"); err != nil {
			t.Error(err)
		}
		begin := time.Now()
		got := s.request("/query", "query", "1", "timeout", "3s")
		checkEqual(t, "type", got.ErrorType, ErrorTimeout)
		checkEqual(t, "code", got.code, 503)
		checkEqual(t, "waited", time.Since(begin), 3*time.Second)
		<-s.api.querySem
		checkEqual(t, "then", s.request("/query", "query", "1").Status, "success")
	})
}
