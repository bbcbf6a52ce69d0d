package heapster

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestExportHasNodesPodsAndContainers(t *testing.T) {
	m := newMember(t)
	m.read(2, reading(0, 5)...)
	m.read(17, reading(15, 7)...)
	body, _ := m.query("/metric-export", "")
	var all []Timeseries
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, series := range all {
		kinds[series.Labels["container_name"]]++
	}
	if want := map[string]int{"machine": 2, "/pod": 3, "app": 2, "proxy": 2, "dns": 1}; !reflect.DeepEqual(kinds, want) {
		t.Errorf("got %v, want %v", kinds, want)
	}
	got, _ := json.Marshal(all[0])
	value := func(start int, v string) string {
		return `[{"start":"` + stamp(start) + `","end":"` + stamp(15) + `","value":` + v + `}]`
	}
	want := `{"metrics":{"cpu/limit":` + value(15, "500") + `,"cpu/usage":` + value(-5, "105000000") + `,"memory/limit":` + value(15, "1048576") +
		`,"memory/usage":` + value(15, "7168") + `,"memory/working_set":` + value(15, "7168") + `,"uptime":` + value(-60, "75000") +
		`},"labels":{"container_base_image":"registry/app","container_name":"app","hostname":"n1.example","namespace_name":"shop","nodename":"n1","pod_name":"web-1"}}`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSchemaListsWhatExportHas(t *testing.T) {
	m := newMember(t)
	m.read(2, reading(0, 5)...)
	body, _ := execute(t, nil, "/metric-export-schema/", "")
	var schema TimeseriesSchema
	if err := json.Unmarshal([]byte(body), &schema); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, metric := range schema.Metrics {
		known[metric.Name] = true
	}
	for _, l := range append(schema.CommonLabels, schema.PodLabels...) {
		known[l.Key] = true
	}
	for _, series := range m.source().export() {
		for name := range series.Metrics {
			if !known[name] {
				t.Errorf("got no metric %s in the schema, want it, as export has it", name)
			}
		}
		for name := range series.Labels {
			if !known[name] {
				t.Errorf("got no label %s in the schema, want it, as export has it", name)
			}
		}
	}
	if len(schema.Metrics) != 6 {
		t.Errorf("got %d metrics in the schema, want 6", len(schema.Metrics))
	}
}
