package prom

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func TestLabelValuesIncludeClustersWithoutReports(t *testing.T) {
	runTest(t, func(s *harness) {
		s.register("cold")
		s.addRunningClusters(time.Minute, "prod-eu")
		checkEqual(t, "clusters", s.request("/label/cluster/values").strings(t), []string{"cold", "prod-eu"})
		checkEqual(t, "of a metric", s.request("/label/cluster/values", "match[]", `kube_node_info`).strings(t), []string{"cold", "prod-eu"})
		checkEqual(t, "of an unknown metric", s.request("/label/cluster/values", "match[]", `nothing`).strings(t), []string{})
		checkEqual(t, "by another label", s.request("/label/cluster/values", "match[]", `kube_node_info{node="n1"}`).strings(t), []string{"prod-eu"})
		checkEqual(t, "nodes", s.request("/label/node/values", "match[]", `kube_node_info{cluster="prod-eu"}`).strings(t), []string{"n1", "n2"})
		checkEqual(t, "unknown label", s.request("/label/colour/values").strings(t), []string{})
		checkEqual(t, "demand", s.demanded, nil)
	})
}

func TestAllMetricsHaveMetadata(t *testing.T) {
	runTest(t, func(s *harness) {
		names := s.request("/label/__name__/values").strings(t)
		var metadata map[string][]metadata
		if err := json.Unmarshal(s.request("/metadata").Data, &metadata); err != nil {
			t.Fatal(err)
		}
		checkEqual(t, "number", len(metadata), len(names))
		if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
			t.Errorf("got names %q, want them sorted and distinct", names)
		}
		for _, name := range names {
			d := metadata[name][0]
			counter := strings.HasSuffix(name, "_total")
			if d.Help == "" || (d.Type == model.MetricTypeCounter) != counter || !model.UTF8Validation.IsValidMetricName(name) {
				t.Errorf("%s: got metadata %+v, want a help text, and type counter if and only if the name ends in _total", name, d)
			}
		}
		if help := metadata["container_cpu_usage_seconds_total"][0].Help; !strings.Contains(help, "integral") {
			t.Errorf("help of container_cpu_usage_seconds_total: got %q, want it to mention the integral", help)
		}
		checkEqual(t, "one", string(s.request("/metadata", "metric", "kube_node_role").Data), `{"kube_node_role":[{"type":"gauge","help":"A role of a node.","unit":""}]}`)
		checkEqual(t, "limited", strings.Count(string(s.request("/metadata", "limit", "3").Data), "help"), 3)
	})
}

func TestSeriesHaveSamplesInTimeRange(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(time.Minute, "prod-eu")
		checkEqual(t, "now", string(s.request("/series", "match[]", "kube_node_role", "match[]", `{__name__="kube_node_role",node="n1"}`).Data),
			`[{"__name__":"kube_node_role","cluster":"prod-eu","job":"kube-state-metrics","node":"n1","role":"worker"}]`)
		checkEqual(t, "long ago", string(s.request("/series", "match[]", "kube_node_role", "start", "1", "end", "2").Data), `[]`)
		checkEqual(t, "labels", s.request("/labels", "match[]", "kube_node_role").strings(t), []string{"__name__", "cluster", "job", "node", "role"})
	})
}

func TestExemplarsAndRulesAreEmpty(t *testing.T) {
	runTest(t, func(s *harness) {
		checkEqual(t, "exemplars", string(s.request("/query_exemplars", "query", "up").Data), `[]`)
		checkEqual(t, "rules", string(s.request("/rules").Data), `{"groups":[]}`)
	})
}

func TestBuildInfoHasEngineVersion(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`prometheus/prometheus v0\.(\d)(\d\d)\.(\d+)`).FindStringSubmatch(string(mod))
	if found == nil || found[1]+"."+strings.TrimPrefix(found[2], "0")+"."+found[3] != prometheusVersion {
		t.Errorf("got version %s, want that of go.mod, %v", prometheusVersion, found)
	}
	runTest(t, func(s *harness) {
		var info map[string]string
		if err := json.Unmarshal(s.request("/status/buildinfo").Data, &info); err != nil || info["version"] != prometheusVersion || info["revision"] != "test" {
			t.Errorf("got %v and error %v, want version %s and revision test", info, err, prometheusVersion)
		}
	})
}

// federate scrapes /federate and returns the number of series by metric name.
func (s *harness) federate(pairs ...string) (map[string]int, error) {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	a, err := s.api.Federation().Serve(context.Background(), Request{Form: form, Authorize: s.authorize})
	if err != nil {
		return nil, err
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(strings.NewReader(string(a.Body)))
	if err != nil {
		return nil, err
	}
	got := map[string]int{}
	for name, f := range families {
		got[name] = len(f.GetMetric())
	}
	return got, nil
}

func TestFederateSelectsClustersAndMetrics(t *testing.T) {
	runTest(t, func(s *harness) {
		s.register("cold")
		s.addRunningClusters(time.Minute, "prod-eu")
		all, err := s.federate("cluster", "prod-eu")
		if err != nil || all["kube_node_info"] != 2 || all["container_cpu_usage_seconds_total"] != 3 || all["up"] != 1 || all["rollcall_port_info"] != 2 {
			t.Errorf("got %v and error %v, want all series of prod-eu", all, err)
		}
		fleet, err := s.federate()
		if err != nil || fleet["up"] != 2 || fleet["rollcall_cluster_nodes"] != 1 || fleet["kube_node_info"] != 0 {
			t.Errorf("got %v and error %v, want the summary series of both clusters", fleet, err)
		}
		some, err := s.federate("match[]", "kube_node_info", "match[]", `{__name__=~"kube_node.*info"}`)
		checkEqual(t, "selected", some, map[string]int{"kube_node_info": 2})
		if err != nil {
			t.Error(err)
		}
		var as *Error
		if _, err := s.federate("cluster", "nowhere"); !errors.As(err, &as) || as.Type != ErrorNotFound {
			t.Errorf("unknown cluster: got error %v, want %s", err, ErrorNotFound)
		}
		s.levels = map[string]Level{"cold": Details}
		if _, err := s.federate("cluster", "prod-eu"); !errors.As(err, &as) || as.Type != ErrorNotFound {
			t.Errorf("hidden cluster: got error %v, want %s", err, ErrorNotFound)
		}
		checkEqual(t, "demand", s.demanded, nil)
	})
}
