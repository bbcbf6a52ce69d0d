package oracle

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// ksmJob is the label job of Rollcall's series that correspond to those of kube-state-metrics.
const ksmJob = "kube-state-metrics"

// series is a series with its latest value.
type series struct {
	labels map[string]string
	value  float64
}

// family has all series with one name.
type family []series

// compareSeries compares the labels and values of kube-state-metrics' series with those of Rollcall, which read
// returns.
func compareSeries(ctx context.Context, read func(context.Context) (map[string]family, error), intended *intendedDifferences) ([]string, error) {
	text, err := env.ksm.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	want, err := parseSeries(text)
	if err != nil {
		return nil, fmt.Errorf("kube-state-metrics: %w", err)
	}
	got, err := read(ctx)
	if err != nil {
		return nil, err
	}
	for _, must := range []string{"kube_pod_info", "kube_node_info"} {
		if len(want[must]) == 0 || len(got[must]) == 0 {
			return nil, fmt.Errorf("got no series: kube-state-metrics has %d of %s, Rollcall %d", len(want[must]), must, len(got[must]))
		}
	}
	names := slices.Collect(maps.Keys(want))
	for name := range got {
		if _, ok := want[name]; !ok {
			names = append(names, name)
		}
	}
	var found []string
	comparison := intended.startComparison()
	for _, name := range slices.Sorted(slices.Values(names)) {
		dropped := comparison.labels(name, got[name], want[name])
		found = append(found, comparison.unintended(name, familyDifferences(name, got[name], want[name], dropped))...)
	}
	if len(found) == 0 {
		comparison.commit()
	}
	return found, nil
}

// familyDifferences returns a line for each series that is on one side only or whose values
// differ. It ignores the dropped labels.
func familyDifferences(name string, got, want family, dropped []string) []string {
	actual, expected := got.byLabels(dropped), want.byLabels(dropped)
	var found []string
	for _, key := range slices.Sorted(maps.Keys(expected)) {
		switch values, ok := actual[key]; {
		case !ok:
			found = append(found, fmt.Sprintf("only kube-state-metrics: %s{%s} %s", name, key, expected[key]))
		case values != expected[key]:
			found = append(found, fmt.Sprintf("value differs: %s{%s} %s, kube-state-metrics has %s", name, key, values, expected[key]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(actual)) {
		if _, ok := expected[key]; !ok {
			found = append(found, fmt.Sprintf("only Rollcall: %s{%s} %s", name, key, actual[key]))
		}
	}
	return found
}

// byLabels returns the values by labels. Values are text, since NaN is not equal to itself.
// Values of series that differ only in dropped labels are joined.
func (f family) byLabels(dropped []string) map[string]string {
	lists := map[string][]string{}
	for _, s := range f {
		var pairs []string
		for _, name := range slices.Sorted(maps.Keys(s.labels)) {
			if s.labels[name] != "" && !slices.Contains(dropped, name) {
				pairs = append(pairs, fmt.Sprintf("%s=%q", name, s.labels[name]))
			}
		}
		key := strings.Join(pairs, ",")
		lists[key] = append(lists[key], strconv.FormatFloat(s.value, 'g', -1, 64))
	}
	values := map[string]string{}
	for key, list := range lists {
		slices.Sort(list)
		values[key] = strings.Join(list, " ")
	}
	return values
}

// valuesOf returns the sorted values of one label.
func (f family) valuesOf(label string) []string {
	var values []string
	for _, s := range f {
		values = append(values, s.labels[label])
	}
	slices.Sort(values)
	return values
}

// parseSeries parses Prometheus' text format.
func parseSeries(text []byte) (map[string]family, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	parsed, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("parse series: %w", err)
	}
	families := map[string]family{}
	for name, f := range parsed {
		for _, m := range f.Metric {
			families[name] = append(families[name], series{labelsOf(m), m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()})
		}
	}
	return families, nil
}

// labelsOf returns the labels of a metric.
func labelsOf(m *dto.Metric) map[string]string {
	labels := map[string]string{}
	for _, l := range m.Label {
		labels[l.GetName()] = l.GetValue()
	}
	return labels
}

// federated returns Rollcall's series from /federate.
func federated(ctx context.Context) (map[string]family, error) {
	body, err := getBody(ctx, "/federate?cluster="+clusterName)
	if err != nil {
		return nil, err
	}
	families, err := parseSeries(body)
	if err != nil {
		return nil, fmt.Errorf("/federate: %w", err)
	}
	return withoutScrape(families), nil
}

// queried returns Rollcall's series from a PromQL query.
func queried(ctx context.Context) (map[string]family, error) {
	form := url.Values{"query": {fmt.Sprintf(`{job=%q,cluster=%q}`, ksmJob, clusterName)}}
	body, err := getBody(ctx, "/prometheus/api/v1/query?"+form.Encode())
	if err != nil {
		return nil, err
	}
	var response struct{ Data struct{ Result model.Vector } }
	if err := decode(body, &response); err != nil {
		return nil, err
	}
	families := map[string]family{}
	for _, sample := range response.Data.Result {
		labels := map[string]string{}
		for name, value := range sample.Metric {
			labels[string(name)] = string(value)
		}
		name := labels[model.MetricNameLabel]
		delete(labels, model.MetricNameLabel)
		families[name] = append(families[name], series{labels, float64(sample.Value)})
	}
	return withoutScrape(families), nil
}

// withoutScrape returns the series that correspond to those of kube-state-metrics, without the labels that a
// scrape adds.
func withoutScrape(all map[string]family) map[string]family {
	kept := map[string]family{}
	for name, f := range all {
		for _, s := range f {
			if s.labels["job"] == ksmJob {
				delete(s.labels, "job")
				delete(s.labels, "cluster")
				kept[name] = append(kept[name], s)
			}
		}
	}
	return kept
}
