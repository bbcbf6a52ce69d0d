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

// targetOf is a path with something in place of its variables.
func targetOf(path, cluster string) string {
	return variable.ReplaceAllStringFunc(path, func(name string) string {
		return map[string]string{
			"{cluster}": cluster, "{label}": "node", "{node}": "n1", "{namespace}": "shop", "{pod}": "web-1", "{pods}": "web-1,web-2",
			"{container}": "app", "{metric}": "cpu/usage_rate",
		}[name]
	})
}

// isOurs says that parameters are read by our rules, which refuse what they do not know.
func isOurs(path string) bool {
	return path != "/federate" && !strings.HasPrefix(path, "/prometheus/") && !strings.HasPrefix(path, "/heapster/")
}

// answersOf are the answers to a question, by GET and as far as there is one by POST.
func (c *contract) answersOf(api http.Handler, path string, question url.Values) []*httptest.ResponseRecorder {
	target := targetOf(path, "prod-eu")
	all := []*httptest.ResponseRecorder{get(api, target+"?"+question.Encode())}
	c.holds(path, all[0])
	if c.Paths[path].Post != nil {
		all = append(all, post(api, target, question))
		c.holdsBy(path, c.Paths[path].Post, all[1])
	}
	return all
}

func TestOthersAnswersAreAsTheDocumentSays(t *testing.T) {
	f, past := measured(t)
	api := f.queried(past)
	c := readContract(t, api)
	good := url.Values{"query": {`kube_node_info{cluster="prod-eu"}`}, "start": {"2020-01-01T00:00:00Z"}, "end": {"2020-01-01T00:01:00Z"}, "step": {"15s"}, "match[]": {"up"}}
	count := 0
	for path := range c.Paths {
		if isOurs(path) {
			continue
		}
		count++
		for _, w := range c.answersOf(api, path, good) {
			if w.Code != 200 {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
		c.answersOf(api, path, url.Values{"query": {"up * on (x) up"}, "match[]": {"("}, "start": {"noon"}})
	}
	if count < 30 {
		t.Errorf("%d routes", count)
	}
}

var instantNow = regexp.MustCompile(`\b\d{10,13}(\.\d+)?\b`)

// timeless is a body without the time of its answer.
func timeless(w *httptest.ResponseRecorder) string {
	return instantNow.ReplaceAllString(w.Body.String(), "now")
}

// A parameter that cannot be read is told of where the document has it, and means
// nothing where it does not.
func TestOthersParametersAreThoseOfTheDocument(t *testing.T) {
	f, past := measured(t)
	api := f.queried(past)
	c := readContract(t, api)
	good := func() url.Values {
		return url.Values{"query": {"1"}, "start": {"2020-01-01T00:00:00Z"}, "end": {"2020-01-01T00:01:00Z"}, "step": {"15s"}, "match[]": {"up"}, "time": {"1"}}
	}
	for path, methods := range c.Paths {
		if isOurs(path) {
			continue
		}
		documented := map[string]bool{}
		for _, p := range methods.Get.Parameters {
			documented[p.Name] = documented[p.Name] || p.In == "query"
		}
		before := c.answersOf(api, path, good())
		for _, name := range []string{"query", "time", "start", "end", "step", "timeout", "lookback_delta", "limit", "match[]", "metric", "cluster"} {
			question := good()
			question.Set(name, "(~")
			for i, w := range c.answersOf(api, path, question) {
				if same := w.Code == before[i].Code && timeless(w) == timeless(before[i]); same == documented[name] {
					t.Errorf("%s: %s that cannot be read is answered %d %s; documented: %t", path, name, w.Code, w.Body, documented[name])
				}
			}
		}
	}
}
