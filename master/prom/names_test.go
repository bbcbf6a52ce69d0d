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

func TestAVariableOffersClustersThatNobodyAskedForYet(t *testing.T) {
	act(t, func(s *stage) {
		s.register("cold")
		s.running(time.Minute, "prod-eu")
		same(t, "clusters", s.ask("/label/cluster/values").names(t), []string{"cold", "prod-eu"})
		same(t, "of a metric", s.ask("/label/cluster/values", "match[]", `kube_node_info`).names(t), []string{"cold", "prod-eu"})
		same(t, "of a metric that there is not", s.ask("/label/cluster/values", "match[]", `nothing`).names(t), []string{})
		same(t, "by another label", s.ask("/label/cluster/values", "match[]", `kube_node_info{node="n1"}`).names(t), []string{"prod-eu"})
		same(t, "nodes", s.ask("/label/node/values", "match[]", `kube_node_info{cluster="prod-eu"}`).names(t), []string{"n1", "n2"})
		same(t, "unknown label", s.ask("/label/colour/values").names(t), []string{})
		same(t, "demand", s.wanted, nil)
	})
}

func TestAllNamesAreOfferedAndDescribed(t *testing.T) {
	act(t, func(s *stage) {
		names := s.ask("/label/__name__/values").names(t)
		var metadata map[string][]described
		if err := json.Unmarshal(s.ask("/metadata").Data, &metadata); err != nil {
			t.Fatal(err)
		}
		same(t, "number", len(metadata), len(names))
		if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
			t.Errorf("names are not by name, or one is there twice: %q", names)
		}
		for _, name := range names {
			d := metadata[name][0]
			counter := strings.HasSuffix(name, "_total")
			if d.Help == "" || (d.Type == model.MetricTypeCounter) != counter || !model.UTF8Validation.IsValidMetricName(name) {
				t.Errorf("%s is described as %+v", name, d)
			}
		}
		if help := metadata["container_cpu_usage_seconds_total"][0].Help; !strings.Contains(help, "integral") {
			t.Errorf("help of container_cpu_usage_seconds_total does not say what it is: %s", help)
		}
		same(t, "one", string(s.ask("/metadata", "metric", "kube_node_role").Data), `{"kube_node_role":[{"type":"gauge","help":"A role of a node.","unit":""}]}`)
		same(t, "limited", strings.Count(string(s.ask("/metadata", "limit", "3").Data), "help"), 3)
	})
}

func TestSeriesAreThoseWithSamplesInTheTime(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "prod-eu")
		same(t, "now", string(s.ask("/series", "match[]", "kube_node_role", "match[]", `{__name__="kube_node_role",node="n1"}`).Data),
			`[{"__name__":"kube_node_role","cluster":"prod-eu","job":"kube-state-metrics","node":"n1","role":"worker"}]`)
		same(t, "long ago", string(s.ask("/series", "match[]", "kube_node_role", "start", "1", "end", "2").Data), `[]`)
		same(t, "labels", s.ask("/labels", "match[]", "kube_node_role").names(t), []string{"__name__", "cluster", "job", "node", "role"})
	})
}

func TestWhatDashboardsAskThatThereIsNotIsEmpty(t *testing.T) {
	act(t, func(s *stage) {
		same(t, "exemplars", string(s.ask("/query_exemplars", "query", "up").Data), `[]`)
		same(t, "rules", string(s.ask("/rules").Data), `{"groups":[]}`)
	})
}

func TestTheVersionIsThatOfTheEngine(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`prometheus/prometheus v0\.(\d)(\d\d)\.(\d+)`).FindStringSubmatch(string(mod))
	if found == nil || found[1]+"."+strings.TrimPrefix(found[2], "0")+"."+found[3] != compatible {
		t.Errorf("go.mod has %v, and clients are told %s", found, compatible)
	}
	act(t, func(s *stage) {
		var info map[string]string
		if err := json.Unmarshal(s.ask("/status/buildinfo").Data, &info); err != nil || info["version"] != compatible || info["revision"] != "test" {
			t.Errorf("%v %v", info, err)
		}
	})
}

// federated is what a scrape of /federate finds: names and how many series of each.
func (s *stage) federated(pairs ...string) (map[string]int, error) {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	a, err := s.api.Federation().Serve(context.Background(), Request{Form: form, See: s.see})
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

func TestFederationIsOfWhatIsNamed(t *testing.T) {
	act(t, func(s *stage) {
		s.register("cold")
		s.running(time.Minute, "prod-eu")
		all, err := s.federated("cluster", "prod-eu")
		if err != nil || all["kube_node_info"] != 2 || all["container_cpu_usage_seconds_total"] != 3 || all["up"] != 1 || all["rollcall_port_info"] != 2 {
			t.Errorf("%v, %v", all, err)
		}
		fleet, err := s.federated()
		if err != nil || fleet["up"] != 2 || fleet["rollcall_cluster_nodes"] != 1 || fleet["kube_node_info"] != 0 {
			t.Errorf("%v, %v", fleet, err)
		}
		some, err := s.federated("match[]", "kube_node_info", "match[]", `{__name__=~"kube_node.*info"}`)
		same(t, "selected", some, map[string]int{"kube_node_info": 2})
		if err != nil {
			t.Error(err)
		}
		var as *Error
		if _, err := s.federated("cluster", "nowhere"); !errors.As(err, &as) || as.Type != ErrorNotFound {
			t.Errorf("a cluster that is not there: %v", err)
		}
		s.levels = map[string]Level{"cold": Details}
		if _, err := s.federated("cluster", "prod-eu"); !errors.As(err, &as) || as.Type != ErrorNotFound {
			t.Errorf("a cluster that may not be seen: %v", err)
		}
		same(t, "demand", s.wanted, nil)
	})
}
