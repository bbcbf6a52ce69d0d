package httpapi

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var variable = regexp.MustCompile(`\{\w+\}`)

// targetOf returns a path with values for its variables.
func targetOf(path, cluster string) string {
	return variable.ReplaceAllStringFunc(path, func(name string) string {
		return map[string]string{
			"{cluster}": cluster, "{label}": "node", "{node}": "n1", "{namespace}": "shop", "{pod}": "web-1", "{pods}": "web-1,web-2",
			"{container}": "app", "{metric}": "cpu/usage_rate",
		}[name]
	})
}

// parsedHere reports whether this package parses the parameters of a path, and so rejects unknown ones.
func parsedHere(path string) bool {
	return path != "/federate" && !strings.HasPrefix(path, "/prometheus/") && !strings.HasPrefix(path, "/heapster/")
}

// responsesTo returns the responses to a query by GET and, if the path supports it, by POST.
func (c *contract) responsesTo(api http.Handler, path string, query url.Values) []*httptest.ResponseRecorder {
	target := targetOf(path, "prod-eu")
	all := []*httptest.ResponseRecorder{get(api, target+"?"+query.Encode())}
	c.checkResponse(path, all[0])
	if c.Paths[path].Post != nil {
		all = append(all, post(api, target, query))
		c.checkRoute(path, c.Paths[path].Post, all[1])
	}
	return all
}

func TestPrometheusAndHeapsterResponsesMatchTheDocument(t *testing.T) {
	f, past := shopWithHistory(t)
	api := f.prometheusAPI(past)
	c := readContract(t, api)
	good := url.Values{"query": {`kube_node_info{cluster="prod-eu"}`}, "start": {"2020-01-01T00:00:00Z"}, "end": {"2020-01-01T00:01:00Z"}, "step": {"15s"}, "match[]": {"up"}}
	count := 0
	for path := range c.Paths {
		if parsedHere(path) {
			continue
		}
		count++
		for _, w := range c.responsesTo(api, path, good) {
			if w.Code != 200 {
				t.Errorf("%s: got %d %s, want 200", path, w.Code, w.Body)
			}
		}
		c.responsesTo(api, path, url.Values{"query": {"up * on (x) up"}, "match[]": {"("}, "start": {"noon"}})
	}
	if count < 30 {
		t.Errorf("got %d routes, want at least 30", count)
	}
}

var instantNow = regexp.MustCompile(`\b\d{10,13}(\.\d+)?\b`)

// timeless returns the body without the time of the response.
func timeless(w *httptest.ResponseRecorder) string {
	return instantNow.ReplaceAllString(w.Body.String(), "now")
}

// TestPrometheusAndHeapsterParametersMatchTheDocument checks that an invalid value causes an error
// if the parameter is documented, and is ignored otherwise.
func TestPrometheusAndHeapsterParametersMatchTheDocument(t *testing.T) {
	f, past := shopWithHistory(t)
	api := f.prometheusAPI(past)
	c := readContract(t, api)
	good := func() url.Values {
		return url.Values{"query": {"1"}, "start": {"2020-01-01T00:00:00Z"}, "end": {"2020-01-01T00:01:00Z"}, "step": {"15s"}, "match[]": {"up"}, "time": {"1"}}
	}
	for path, methods := range c.Paths {
		if parsedHere(path) {
			continue
		}
		documented := map[string]bool{}
		for _, p := range methods.Get.Parameters {
			documented[p.Name] = documented[p.Name] || p.In == "query"
		}
		before := c.responsesTo(api, path, good())
		for _, name := range []string{"query", "time", "start", "end", "step", "timeout", "lookback_delta", "limit", "match[]", "metric", "cluster"} {
			query := good()
			query.Set(name, "(~")
			for i, w := range c.responsesTo(api, path, query) {
				if same := w.Code == before[i].Code && timeless(w) == timeless(before[i]); same == documented[name] {
					t.Errorf("%s: invalid value of %s: got %d %s, want an effect: %t", path, name, w.Code, w.Body, documented[name])
				}
			}
		}
	}
}
