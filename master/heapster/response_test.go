package heapster

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestLists(t *testing.T) {
	m := newMember(t)
	m.read(2, reading(0, 5)...)
	for path, want := range map[string]string{
		"/model/nodes/":                                   `["n1","n2"]`,
		"/model/namespaces":                               `["shop","system"]`,
		"/model/namespaces/shop/pods/":                    `["web-1","web-2"]`,
		"/model/namespaces/shop/pods/web-1/containers":    `["app","proxy"]`,
		"/model/nodes/n1/freecontainers/":                 `[]`,
		"/model/nodes/n1/freecontainers/kubelet/metrics/": `[]`,
		"/model/namespaces/none/pods":                     `[]`,
		"/model/metrics/":                                 `["cpu/limit","cpu/request","cpu/usage_rate","memory/limit","memory/request","memory/usage","memory/working_set"]`,
		"/model/namespaces/shop/metrics":                  `["cpu/limit","cpu/request","cpu/usage_rate","memory/limit","memory/request","memory/usage","memory/working_set"]`,
		"/model/nodes/n1/metrics/": `["cpu/limit","cpu/node_allocatable","cpu/node_capacity","cpu/node_reservation","cpu/node_utilization","cpu/request","cpu/usage","cpu/usage_rate",` +
			`"memory/limit","memory/node_allocatable","memory/node_capacity","memory/node_reservation","memory/node_utilization","memory/request","memory/usage","memory/working_set"]`,
		"/model/namespaces/shop/pods/web-1/metrics":                `["cpu/limit","cpu/request","cpu/usage","cpu/usage_rate","memory/limit","memory/request","memory/usage","memory/working_set"]`,
		"/model/namespaces/shop/pods/web-1/containers/app/metrics": `["cpu/limit","cpu/request","cpu/usage","cpu/usage_rate","memory/limit","memory/request","memory/usage","memory/working_set","uptime"]`,
	} {
		if got, _ := m.query(path, ""); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	keys, _ := m.query("/model/debug/allkeys", "")
	if want := `"namespace:shop/pod:web-1/container:app"`; !strings.Contains(keys, want) || !strings.Contains(keys, `"cluster"`) {
		t.Errorf("got keys %s, want them to contain %s", keys, want)
	}
}

// pointsOf formats the points of a MetricResult, each at a time since t0.
func pointsOf(t *testing.T, body string) string {
	t.Helper()
	var r MetricResult
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	text := ""
	for _, p := range r.Metrics {
		v, _ := json.Marshal(p.Value)
		if p.FloatValue != nil {
			v, _ = json.Marshal(p.FloatValue)
		}
		text += " " + p.Timestamp.Sub(t0).String() + "=" + string(v)
	}
	return strings.TrimSpace(text)
}

func TestMetricsAreSummedFromContainerToCluster(t *testing.T) {
	m := newMember(t)
	m.read(3, reading(0, 5)...)
	m.read(18, reading(15, 7)...)
	for path, want := range map[string]string{
		"/model/namespaces/shop/pods/web-2/containers/app/metrics/cpu/usage_rate": "2s=5 17s=7",
		"/model/namespaces/shop/pods/web-2/containers/app/metrics/cpu-usage":      "2s=5 17s=7",
		"/model/namespaces/shop/pods/web-2/containers/app/metrics/cpu/usage":      "2s=0 17s=105000000",
		"/model/namespaces/shop/pods/web-2/containers/app/metrics/uptime":         "2s=62000 17s=77000",
		"/model/namespaces/shop/pods/web-2/containers/app/metrics/cpu/limit":      "17s=500",
		"/model/namespaces/shop/pods/web-2/containers/app/metrics/memory-working": "2s=5120 17s=7168",
		"/model/namespaces/shop/pods/web-1/metrics/cpu/usage_rate":                "0s=10 15s=14",
		"/model/namespaces/shop/pods/web-1/metrics/cpu/usage":                     "0s=0 15s=210000000",
		"/model/namespaces/shop/pods/web-1/metrics/cpu/request":                   "15s=300",
		"/model/namespaces/shop/metrics/cpu/usage_rate":                           "2s=20 17s=28",
		"/model/namespaces/shop/metrics/memory/usage":                             "2s=20480 17s=28672",
		"/model/namespaces/shop/metrics/cpu/request":                              "17s=600",
		"/model/namespaces/shop/metrics/cpu/usage":                                "",
		"/model/nodes/n2/metrics/cpu/usage_rate":                                  "2s=50 17s=70",
		"/model/nodes/n2/metrics/cpu/node_utilization":                            "2s=0.025 17s=0.035",
		"/model/nodes/n2/metrics/cpu/node_reservation":                            "17s=0.15",
		"/model/nodes/n2/metrics/memory/node_capacity":                            "17s=8589934592",
		"/model/nodes/n2/metrics/cpu/limit":                                       "17s=600",
		"/model/metrics/cpu/usage_rate":                                           "2s=100 17s=140",
		"/model/metrics/memory/working_set":                                       "2s=102400 17s=143360",
		"/model/metrics/cpu/request":                                              "3s=700 18s=700",
		"/model/nodes/n2/freecontainers/kubelet/metrics/cpu/usage_rate":           "",
	} {
		body, _ := m.query(path, "")
		if got := pointsOf(t, body); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestResponseIsHeapstersJSON(t *testing.T) {
	m := newMember(t)
	m.read(2, reading(0, 5)...)
	got, _ := m.query("/model/nodes/n1/metrics/cpu/usage_rate", "")
	if want := `{"metrics":[{"timestamp":"` + stamp(0) + `","value":50}],"latestTimestamp":"` + stamp(0) + `"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	got, _ = m.query("/model/namespaces/shop/pod-list/web-2,gone/metrics/cpu/usage_rate", "")
	want := `{"items":[{"metrics":[{"timestamp":"` + stamp(2) + `","value":10}],"latestTimestamp":"` + stamp(2) + `"},{"metrics":[],"latestTimestamp":"0001-01-01T00:00:00Z"}]}`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestStartAndEndAreInclusive(t *testing.T) {
	m := newMember(t)
	for i := range 4 {
		m.read(15*i+2, reading(15*i, int64(i+1))...)
	}
	query := "start=" + stamp(15) + "&end=" + at(30).In(time.FixedZone("", 3600)).Format("2006-01-02T15:04:05") + "%2B01:00"
	body, _ := m.query("/model/nodes/n1/metrics/cpu/usage_rate", query)
	if got, want := pointsOf(t, body), "15s=20 30s=30"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMissingPointsHaveAWarning(t *testing.T) {
	m := newMember(t)
	m.read(2, reading(0, 5)...)
	const emptyReason = `{"metrics":[],"latestTimestamp":"0001-01-01T00:00:00Z"}`
	for _, c := range []struct{ path, query, message string }{
		{"/model/metrics/network/rx", "", `unknown metric "network/rx"`},
		{"/model/nodes/n9/metrics/cpu/usage_rate", "", `"node:n9" not found`},
		{"/model/namespaces/none/metrics/cpu/usage_rate", "", `"namespace:none" not found`},
		{"/model/namespaces/shop/pods/none/metrics/cpu/usage_rate", "", `"namespace:shop/pod:none" not found`},
		{"/model/namespaces/shop/pods/web-1/containers/none/metrics/cpu/usage_rate", "", `container:none" not found`},
		{"/model/metrics/cpu/node_capacity", "", "no points of cpu/node_capacity"},
		{"/model/metrics/cpu/usage_rate", "labels=resource_id:sda", "no metric has labels"},
		{"/model/metrics/cpu/usage_rate", "end=1999-01-01T00:00:00Z", "no points of cpu/usage_rate in this time range"},
	} {
		body, warning := m.query(c.path, c.query)
		if body != emptyReason || !strings.Contains(warning, c.message) {
			t.Errorf("%s?%s: got %s and warning %q, want no points and a warning with %q", c.path, c.query, body, warning, c.message)
		}
	}
}

func TestBadRequestsAreRejected(t *testing.T) {
	for query, message := range map[string]string{
		"start=yesterday":   `start is "yesterday"`,
		"end=1234567890":    "RFC 3339",
		"start=%zz":         "invalid query string",
		"labels=a":          `invalid label pair "a"`,
		"labels=a:b,:c":     `invalid label pair ":c"`,
		"start=\xff%ff\xfe": "timestamp argument cannot be parsed",
	} {
		_, err := Parse("/model/metrics/cpu/usage_rate", query)
		var bad *BadRequest
		if !errors.As(err, &bad) || !strings.Contains(bad.Message, message) {
			t.Errorf("%s: got error %v, want %q", query, err, message)
		}
	}
	for _, path := range []string{"", "/", "/model", "/model/", "/model/nodes/n1", "/model//metrics", "/model/nodes//metrics/cpu/usage_rate", "/metric-export/x", "/nodes", "/model/namespaces/a/pod-list/b/metrics"} {
		if _, err := Parse(path, ""); !errors.Is(err, ErrNoSuchPath) {
			t.Errorf("%q: got error %v, want ErrNoSuchPath", path, err)
		}
	}
}

func TestCurrentStateIsReturnedWithoutHistory(t *testing.T) {
	m := newMember(t)
	m.use(reading(0, 5)...)
	s := &Source{State: m.state, ReceivedAt: at(3)}
	for path, want := range map[string]string{
		"/model/nodes/n1/metrics/cpu/usage_rate":        "0s=50",
		"/model/namespaces/shop/metrics/cpu/usage_rate": "2s=20",
		"/model/metrics/cpu/usage_rate":                 "2s=100",
		"/model/metrics/cpu/request":                    "2s=700",
	} {
		body, _ := execute(t, s, path, "")
		if got := pointsOf(t, body); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}
