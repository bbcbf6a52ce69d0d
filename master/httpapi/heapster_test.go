package httpapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/history"
)

// shopWithHistory returns shop with a history of two readings. Its last report has the second.
func shopWithHistory(t *testing.T) (*fake, func(*Config)) {
	t.Helper()
	f := shop(t)
	v := f.Reports["prod-eu"]
	h := history.New(history.Config{Window: time.Minute * 15})
	for i, cpu := range []int64{10, 30} {
		received := v.ReceivedAt.Add(time.Duration(i-1) * 15 * time.Second)
		next, err := state.Apply(stateOf(t, v), state.Delta{
			Epoch: v.Epoch, From: v.Seq, To: v.Seq + 1,
			Usage: &state.Usage{N: uint64(i + 2), BySlot: []state.Used{{CPUMillis: cpu, MemoryBytes: 1 << 20, SampledAt: state.TimeOf(received.Add(-time.Second))}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		v.LazyState = wire.NewLazyState(next)
		h.Add("prod-eu", v.LazyState, v.Summary, received)
	}
	return f, func(c *Config) {
		c.History = func(cluster string) *history.ClusterHistory { return h.Read(cluster, time.Now()) }
	}
}

func TestHeapsterPaths(t *testing.T) {
	f, past := shopWithHistory(t)
	api := f.api(past)
	for _, path := range []string{"metrics/cpu/usage_rate", "metrics/cpu%2Fusage_rate", "metrics/cpu-usage", "metrics/cpu/usage_rate/"} {
		w := get(api, "/heapster/203.0.113.7/api/v1/model/nodes/n1/"+path)
		if body := w.Body.String(); w.Code != http.StatusOK || strings.Count(body, `"timestamp"`) != 2 || !strings.Contains(body, `"value":30}]`) {
			t.Errorf("%s: got %d %s, want 200 and two points", path, w.Code, body)
		}
		if got := w.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("%s: got Content-Type %s, want application/json", path, got)
		}
	}
	if len(f.Demanded) != 4 {
		t.Errorf("got demand %d times, want 4", len(f.Demanded))
	}
	for path, want := range map[string]string{
		"model/nodes/":         `["n1"]`,
		"model/nodes":          `["n1"]`,
		"metric-export-schema": `{"metrics":[{"name":"uptime"`,
		"metric-export/":       `[{"metrics":{`,
	} {
		if w := get(api, "/heapster/prod-eu/api/v1/"+path); w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want %s…", path, w.Code, w.Body, want)
		}
	}
	if f.Demanded = nil; get(api, "/heapster/prod-eu/api/v1/metric-export-schema").Code != http.StatusOK || len(f.Demanded) != 0 {
		t.Errorf("got demand for %v by the schema, want 200 and none", f.Demanded)
	}
}

func TestHeapsterErrorsAreAsInHeapster(t *testing.T) {
	f, past := shopWithHistory(t)
	api := f.api(past)
	for _, tc := range []struct {
		path   string
		status int
		words  string
	}{
		{"prod-eu/api/v1/model/metrics/cpu/usage_rate?start=now", 400, `start is "now"`},
		{"prod-eu/api/v1/model/nothing", 404, "NoSuchPath"},
		{"prod-eu/api/v2/model/metrics", 404, "NoSuchPath"},
		{"prod-eu//api/v1/model/metrics", 404, "NoSuchPath"},
		{"nobody/api/v1/model/metrics", 404, "NotFound"},
	} {
		w := get(api, "/heapster/"+tc.path)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.words) {
			t.Errorf("%s: got %d %s, want %d with %q", tc.path, w.Code, w.Body, tc.status, tc.words)
		}
	}
	if len(f.Demanded) != 0 {
		t.Errorf("got demand for %v by rejected requests, want none", f.Demanded)
	}
	w := get(api, "/heapster/prod-eu/api/v1/model/metrics/network/rx")
	if want := `299 rollcall "unknown metric`; w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Warning"), want) {
		t.Errorf("unknown metric: got %d, Warning %q, want 200 and %s…", w.Code, w.Header().Get("Warning"), want)
	}
	if w := do(api, httptest.NewRequest(http.MethodPost, "/heapster/prod-eu/api/v1/model/metrics", nil)); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: got %d, want 405", w.Code)
	}
}

func TestHeapsterRequiresAccessToDetails(t *testing.T) {
	f, past := shopWithHistory(t)
	var reviewed []Access
	api := f.api(func(c *Config) {
		past(c)
		c.Authenticate = func(*http.Request) (Authorizer, error) {
			return func(_ context.Context, want Access) error {
				reviewed = append(reviewed, want)
				return ErrForbidden
			}, nil
		}
	})
	for _, path := range []string{"model/nodes", "metric-export-schema", "model/metrics/cpu/usage_rate?start=now"} {
		if w := get(api, "/heapster/prod-eu/api/v1/"+path); w.Code != http.StatusForbidden {
			t.Errorf("%s: got %d, want 403", path, w.Code)
		}
	}
	want := Access{Verb: "get", Details: true, Cluster: "prod-eu"}
	if len(reviewed) != 3 || reviewed[0] != want || len(f.Demanded) != 0 {
		t.Errorf("got reviews %+v, want %+v (demand for %v)", reviewed, want, f.Demanded)
	}
}
