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

func TestGrafanaSavesAndTests(t *testing.T) {
	act(t, func(s *stage) {
		got := s.ask("/query", "query", "1+1", "time", "4")
		same(t, "1+1 at the year 1970", string(got.Data), `{"resultType":"scalar","result":[4,"2"]}`)
		if got.Status != "success" || len(got.Warnings) > 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestRatesOfUsageAreWhatWasSampled(t *testing.T) {
	act(t, func(s *stage) {
		s.running(10*time.Minute, "prod-eu")
		for query, want := range map[string]string{
			`round(sum(rate(container_cpu_usage_seconds_total{cluster="prod-eu",container!="",image!=""}[5m])), 0.001)`: "0.25",
			`round(rate(container_cpu_usage_seconds_total{id="/"}[5m]), 0.001)`:                                         "1",
			`round(rate(node_cpu_usage_seconds_total[2m]), 0.001)`:                                                      "1",
			`sum(container_memory_working_set_bytes{namespace="shop",container!=""})`:                                   "104857600",
			`rollcall_container_cpu_cores`:                                                                              "0.25",
			`count(container_cpu_usage_seconds_total)`:                                                                  "3",
		} {
			got := s.ask("/query", "query", query)
			values := got.vector(t)
			if len(values) != 1 {
				t.Errorf("%s: %v %s", query, values, got.Error)
			}
			for _, v := range values {
				same(t, query, v, want)
			}
		}
	})
}

func TestStateHoldsFromItsLastChangeOn(t *testing.T) {
	act(t, func(s *stage) {
		c := s.running(2*time.Minute, "prod-eu")
		<-time.After(time.Second)
		failed := *shop()[3].(*state.Pod)
		failed.Phase = state.PodFailed
		c.put(&failed)
		s.report("prod-eu")
		changed := time.Now()
		s.pass(2*time.Minute, nil, "prod-eu")
		phase := func(at time.Time) map[string]string {
			return s.ask("/query", "query", `kube_pod_status_phase{phase="Failed"}`, "time", fmt.Sprint(at.Unix())).vector(t)
		}
		same(t, "before the change", phase(changed.Add(-2*time.Second)), map[string]string{})
		same(t, "at the change", len(phase(changed)), 1)
		same(t, "now", len(phase(time.Now())), 1)
		same(t, "of what never changed, from the first report on", s.ask("/query", "query", "kube_pod_container_status_ready", "time", fmt.Sprint(s.start.Unix())).vector(t), map[string]string{"__name__=kube_pod_container_status_ready cluster=prod-eu container=app namespace=shop pod=web-1 ": "1"})
	})
}

func TestWhatASessionToldIsStaleWhenItHasEnded(t *testing.T) {
	act(t, func(s *stage) {
		s.running(2*time.Minute, "prod-eu")
		s.end("prod-eu")
		for _, query := range []string{"container_memory_working_set_bytes", "kube_node_info", "rollcall_cluster_nodes"} {
			<-time.After(11 * time.Second)
			same(t, query, s.ask("/query", "query", query).vector(t), map[string]string{})
			before := s.ask("/query", "query", query, "time", fmt.Sprint(s.start.Add(2*time.Minute).Unix()-1)).vector(t)
			if len(before) == 0 {
				t.Errorf("%s: it is gone from before the end too", query)
			}
		}
		same(t, "up", s.ask("/query", "query", "up").vector(t), map[string]string{"__name__=up cluster=prod-eu instance=prod-eu ": "0"})
	})
}

func TestMatchersOfAllFourKinds(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "prod-eu", "prod-us", "lab")
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
			for _, v := range s.ask("/query", "query", query).vector(t) {
				same(t, query, v, want)
			}
		}
	})
}

func TestQueriesThatNameClustersAreDemandForThose(t *testing.T) {
	act(t, func(s *stage) {
		s.register("cold")
		s.register("other")
		s.running(time.Minute, "prod-eu")
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
			s.wanted = nil
			s.ask("/query", "query", query)
			if query[0] == 'a' { // that is broken, and so nothing is asked for
				want = nil
			}
			same(t, query, s.wanted, want)
		}
		s.wanted = nil
		s.ask("/query_range", "query", `up{cluster="cold"}`, "start", "0", "end", "10", "step", "1")
		same(t, "a range", s.wanted, []string{"cold"})
		s.wanted = nil
		for _, path := range []string{"/series", "/labels", "/label/cluster/values"} {
			s.ask(path, "match[]", `up{cluster="cold"}`)
		}
		same(t, "all else", s.wanted, nil)
	})
}

func TestAColdQuerySaysSo(t *testing.T) {
	act(t, func(s *stage) {
		s.register("cold")
		begin := time.Now()
		got := s.ask("/query", "query", `kube_node_info{cluster="cold"}`)
		same(t, "warnings", got.Warnings, []string{"not reporting yet, and asked to: cold; ask again in some seconds"})
		same(t, "result", string(got.Data), `{"resultType":"vector","result":[]}`)
		same(t, "waited", time.Since(begin), 0)
	})
}

func TestNoQueryWakesMoreThanFiftyClusters(t *testing.T) {
	act(t, func(s *stage) {
		for i := range 60 {
			s.register(fmt.Sprintf("c%02d", i))
		}
		got := s.ask("/query", "query", `kube_node_info{cluster=~"c.+"}`)
		same(t, "asked", len(s.wanted), maxDemand)
		if len(got.Warnings) != 2 || !strings.Contains(got.Warnings[0], "60 clusters") || !strings.Contains(got.Warnings[1], "c04 and 45 more") {
			t.Errorf("warnings: %q", got.Warnings)
		}
	})
}

func TestNobodySeesWhatTheyMayNot(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "secret", "known", "open")
		s.levels = map[string]Level{"known": Summary, "open": Details}
		same(t, "clusters of all that there is", s.ask("/query", "query", `count by (cluster) ({__name__=~".+"})`).vector(t), map[string]string{"cluster=known ": "54", "cluster=open ": "165"})
		same(t, "details", s.ask("/query", "query", `count by (cluster) ({__name__=~"kube.+|container.+|rollcall_(node|port|container).*"})`).vector(t), map[string]string{"cluster=open ": "96"})
		same(t, "counts", s.ask("/query", "query", `rollcall_cluster_nodes`).vector(t), map[string]string{"__name__=rollcall_cluster_nodes cluster=known ": "2", "__name__=rollcall_cluster_nodes cluster=open ": "2"})
		same(t, "by name", s.ask("/query", "query", `up{cluster="secret"}`).vector(t), map[string]string{})
		same(t, "clusters", s.ask("/label/cluster/values").names(t), []string{"known", "open"})
		same(t, "clusters with details", s.ask("/label/cluster/values", "match[]", "kube_node_info").names(t), []string{"open"})
		same(t, "nodes of secret", s.ask("/label/node/values", "match[]", `{cluster="secret"}`).names(t), []string{})
		same(t, "nodes of known", s.ask("/label/node/values", "match[]", `{cluster="known"}`).names(t), []string{})
		same(t, "series of secret", string(s.ask("/series", "match[]", `{cluster="secret"}`).Data), `[]`)
		same(t, "labels of secret", s.ask("/labels", "match[]", `{cluster="secret"}`).names(t), []string{})
		s.wanted = nil
		s.ask("/query", "query", `up{cluster=~".+"}`)
		same(t, "demand", s.wanted, []string{"open"})
	})
}

func TestWhoCannotBeAskedAboutIsNoEmptyAnswer(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "prod-eu")
		s.unasked = errors.New("the hub is away")
		for _, r := range []reply{s.ask("/query", "query", "up"), s.ask("/query", "query", `up{cluster="prod-eu"}`), s.ask("/series", "match[]", "up"), s.ask("/labels"), s.ask("/label/cluster/values")} {
			same(t, "error", r.Error, "the hub is away")
		}
	})
}

func TestBadQuestions(t *testing.T) {
	act(t, func(s *stage) {
		s.running(10*time.Minute, "prod-eu")
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
			{"/query_range", over("10", "0", "1"), 400, ErrorBadData, "before the start"},
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
			got := s.ask(tc.path, tc.pairs...)
			if got.code != tc.code || got.ErrorType != tc.kind || !strings.Contains(got.Error, tc.words) || (got.Status == "error") != (tc.code != 200) {
				t.Errorf("%s %q: %d %+v", tc.path, tc.pairs, got.code, got)
			}
		}
	})
}

func TestAQueryMayNotHaveMoreSamplesThanItMay(t *testing.T) {
	act(t, func(s *stage) {
		s.running(10*time.Minute, "prod-eu")
		got := s.ask("/query_range", "query", `{__name__=~".+"}`, "start", fmt.Sprint(s.start.Unix()), "end", fmt.Sprint(time.Now().Unix()), "step", "5")
		same(t, "type", got.ErrorType, ErrorExecution)
		same(t, "code", got.code, 422)
		if !strings.Contains(got.Error, "too many samples") {
			t.Error(got.Error)
		}
	}, func(c *Config) { c.MaxSamples = 500 })
}

func TestRangesAreWholeAndStopWhereNothingWasReported(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "prod-eu")
		s.end("prod-eu")
		<-time.After(time.Minute)
		got := s.ask("/query_range", "query", `container_memory_working_set_bytes{container="app"}`,
			"start", fmt.Sprint(s.start.Unix()), "end", fmt.Sprint(time.Now().Unix()), "step", "15")
		var data struct{ Result []struct{ Values [][2]any } }
		if err := json.Unmarshal(got.Data, &data); err != nil || len(data.Result) != 1 {
			t.Fatalf("%s %v", got.Data, err)
		}
		same(t, "points", data.Result[0].Values, [][2]any{
			{s.start.Unix() + 15, "104857600"}, {s.start.Unix() + 30, "104857600"}, {s.start.Unix() + 45, "104857600"}, {s.start.Unix() + 60, "104857600"},
		})
	})
}

func TestLimitsCutAnswersAndSaySo(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "prod-eu")
		got := s.ask("/query", "query", "kube_node_info", "limit", "1")
		same(t, "results", len(got.vector(t)), 1)
		same(t, "warnings", got.Warnings, []string{"there are more than the 1 results that were asked for"})
		got = s.ask("/labels", "limit", "2")
		same(t, "labels", len(got.names(t)), 2)
		same(t, "warnings", got.Warnings, []string{"there are more than the 2 results that were asked for"})
	})
}

func TestQueriesWaitTheirTurnAndNoLonger(t *testing.T) {
	act(t, func(s *stage) {
		for range maxQueries {
			s.api.turns <- struct{}{}
		}
		if err := testutil.GatherAndCompare(s.api.config.Metrics.(prometheus.Gatherer), strings.NewReader(`
# HELP rollcall_prometheus_queries_running Requests of the Prometheus API that are being answered.
# TYPE rollcall_prometheus_queries_running gauge
rollcall_prometheus_queries_running 8
`), "rollcall_prometheus_queries_running"); err != nil {
			t.Error(err)
		}
		begin := time.Now()
		got := s.ask("/query", "query", "1", "timeout", "3s")
		same(t, "type", got.ErrorType, ErrorTimeout)
		same(t, "code", got.code, 503)
		same(t, "waited", time.Since(begin), 3*time.Second)
		<-s.api.turns
		same(t, "then", s.ask("/query", "query", "1").Status, "success")
	})
}
