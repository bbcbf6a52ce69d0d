package prom

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// checkAllocs reports an error if f allocates more than the given number of bytes.
func checkAllocs(t testing.TB, what string, most uint64, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > most {
		t.Errorf("%.60s: got %d KiB of allocations, want at most %d KiB", what, got>>10, most>>10)
	}
}

func TestEstimateProgramSize(t *testing.T) {
	for _, tc := range []struct {
		expr string
		most int // 0: want an error; 1: invalid or almost empty
	}{
		{"", 1},
		{"prod-.+", 20},
		{"(a|b|c)", 20},
		{"a{3}", 20},
		{"[a-z]+", 10},
		{`\d+`, 10},
		{"(", 3},
		{"a{2000}", 1},
		{"(?i)prod", 10},
		{strings.Repeat("namespace-1|", 900), maxProgram},
		{"(" + strings.Repeat("namespace-1|", 900) + "x)", maxProgram},
		{"(?i)" + strings.Repeat("[a-z]", 40), 1000},
		{strings.Repeat("a", maxRegexp+1), 0},
		{"(?:" + strings.Repeat("a", 100) + "){1000}", 0},
		{"((a{100}){100}){100}", 1},
		{"(?:(?:abcdefghijklmnopqrstuvwxyz){30}){30}", 0},
		{"(?:abcdefghijklmnopqrstuvwxyz?){0,1000}", 0},
		{strings.Repeat(`\pL`, maxClasses+1), 0},
		{`(?:\pL){1000}`, 0},
		{`(?:(?:\pL\PN){10}){100}`, 0},
		{"(?i)" + strings.Repeat(`[\x{42}-\x{1e943}]`, maxClasses+1), 0},
		{`(?:[^\pL\pN]){900}`, 0},
		{strings.Repeat("(", 900) + strings.Repeat("){9}", 900), 1},
	} {
		checkAllocs(t, tc.expr, 8<<20, func() {
			got, err := estimateProgramSize(tc.expr)
			if tc.most == 0 && err == nil || tc.most > 0 && (err != nil || got > tc.most) {
				t.Errorf("%.40q: got %d, %v, want at most %d", tc.expr, got, err, tc.most)
			}
		})
	}
}

func TestProgramSizesOfARequestAreSummed(t *testing.T) {
	var names []string
	for i := range 900 {
		names = append(names, fmt.Sprintf("%d-namespace", i))
	}
	one := "(" + strings.Join(names, "|") + ")"
	form := url.Values{"match[]": slices.Repeat([]string{`up{namespace=~"` + one + `"}`}, 4)}
	if _, err := checkForm(form); err != nil {
		t.Errorf("four lists: got error %v, want none", err)
	}
	form["match[]"] = append(form["match[]"], form["match[]"]...)
	if _, err := checkForm(form); !errors.Is(err, errTooManyPrograms) {
		t.Errorf("eight lists: got error %v, want %v", err, errTooManyPrograms)
	}
}

// requestForm sends a form to a route.
func (s *harness) requestForm(path string, form url.Values) apiResult {
	s.t.Helper()
	if path == "/federate" {
		a, err := s.api.Federation().Serve(s.t.Context(), Request{Form: form, Authorize: s.authorize})
		if err == nil {
			a.Close()
			return apiResult{code: 200}
		}
		return s.parse(a, err)
	}
	var pairs []string
	for name, values := range form {
		for _, v := range values {
			pairs = append(pairs, name, v)
		}
	}
	return s.request(path, pairs...)
}

func TestOrdinaryQueriesAreAccepted(t *testing.T) {
	namespaces := "(" + strings.Repeat("team-namespace-01|", 500) + "x)"
	for _, query := range []string{
		`sum by (cluster, namespace) (rate(container_cpu_usage_seconds_total{cluster=~"prod-.+",container!="",image!=""}[2m]))`,
		`sum(rate(container_cpu_usage_seconds_total{namespace=~"` + namespaces + `"}[2m])) / sum(kube_pod_container_resource_limits{namespace=~"` + namespaces + `"})`,
		`label_replace(label_replace(up, "a", "$1-$2", "cluster", "([^-]+)-(.*)"), "b", "$1", "a", "(.*)")`,
		`label_join(kube_pod_info, "pod_of", "/", "cluster", "namespace", "pod")`,
		`max_over_time(sum(rollcall_cluster_pods)[1h:30s])`,
		`count_values by (cluster) ("version", kube_node_info)`,
		`quantile_over_time(0.9, rollcall_container_cpu_cores[5m]) > 0.5 or vector(0)`,
	} {
		form := url.Values{"query": {query}}
		check, err := checkForm(form)
		if err != nil {
			t.Errorf("%.60s: got error %v, want none", query, err)
			continue
		}
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
		if err != nil {
			t.Fatal(err)
		}
		ce, err := estimateCost(expr, check.programs, time.Hour, 15*time.Second)
		if err != nil {
			t.Errorf("%.60s: got error %v, want none", query, err)
			continue
		}
		if ce.countValues == 0 {
			if err := ce.check(15_000, 100, func([]string) int { return 1000 }); err != nil {
				t.Errorf("%.60s for 15000 series: got error %v, want none", query, err)
			}
		}
	}
}

func TestPreallocatedPointsAreLimited(t *testing.T) {
	const day = 24 * time.Hour
	for _, tc := range []struct {
		query  string
		series int
		over   time.Duration
		groups int
		ok     bool
	}{
		{"up", 300_000, 400 * day, 0, true}, // its points share one buffer
		{"rate(up[5m])", 300_000, 400 * day, 0, true},
		{"sum(rate(up[5m]))", 300_000, 400 * day, 0, true},
		{"up * 2", 3000, 400 * day, 0, true},
		{"up * 2", 4000, 400 * day, 0, false},
		{"up * 2", 200_000, 0, 0, true},
		{"sum(up * 2)", 4000, 400 * day, 0, false},
		{"sum by (pod) (up)", 4000, 400 * day, 100, true},
		{"sum by (pod) (up) / 2", 4000, 400 * day, 4000, false},
		{"sum without (pod) (up)", 4000, 400 * day, 0, false},
		{"topk(5, up)", 4000, 400 * day, 0, false},
		{"topk(5, sum by (pod) (up))", 4000, 400 * day, 5, true},
		{"absent(up)", 300_000, 400 * day, 0, true},
		{`label_replace(up, "a", "$1", "b", "(.*)")`, 300_000, 0, 0, true},
		{`label_replace(up, "a", "$1$1$1$1", "b", "(.*)")`, 300_000, 0, 0, false},
		{`label_replace(up, "a", "x", "b", "(a|b|c|.*?){50}")`, 300_000, 0, 0, false},
		{`count_values("v", up)`, 4, 400 * day, 0, false},
		{`count_values("v", up)`, 300_000, 0, 0, true},
	} {
		step := tc.over / 10_000
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(tc.query)
		if err != nil {
			t.Fatal(err)
		}
		ce, err := estimateCost(expr, 0, tc.over, step)
		if err == nil {
			err = ce.check(tc.series, 100, func([]string) int { return tc.groups })
		}
		if (err == nil) != tc.ok {
			t.Errorf("%s for %d series over %s: got error %v, want ok %t", tc.query, tc.series, tc.over, err, tc.ok)
		}
	}
}

func TestSeriesAreCountedPerRequest(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(time.Minute, "prod-eu")
		half := `count({cluster="prod-eu",__name__=~"kube.+"})`
		n, err := strconv.Atoi(s.request("/query", "query", half).vector(t)[""])
		if err != nil || n == 0 {
			t.Fatalf("got %d series and error %v, want some series", n, err)
		}
		s.api.maxSeries = n + n/2
		tooMany := fmt.Sprintf("more than %d series", s.api.maxSeries)
		checkEqual(t, "one selector", s.request("/query", "query", half).code, 200)
		for path, form := range map[string]url.Values{
			"/query":             {"query": {half + "+" + half}},
			"/series":            {"match[]": {`{__name__=~"kube.+"}`, `{job="kube-state-metrics"}`}},
			"/labels":            {"match[]": {`{__name__=~"kube.+"}`, `{job="kube-state-metrics"}`}},
			"/label/node/values": {"match[]": {`{__name__=~"kube.+"}`, `{job="kube-state-metrics"}`}},
			"/federate":          {"match[]": {`{__name__=~"kube.+"}`, `{job="kube-state-metrics"}`}},
		} {
			if got := s.requestForm(path, form); got.code != 422 || !strings.Contains(got.Error, tooMany) {
				t.Errorf("%s: got %d %s, want 422 with %q", path, got.code, got.Error, tooMany)
			}
		}
	})
}

func TestCollectorStopsOnCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &seriesCollector{ctx: ctx, limit: maxSeries}
	for i := range 10_000 {
		if i == 100 {
			cancel()
		}
		out.Add(nil, []string{"a", "b"})
	}
	if len(out.series) >= 100+checkEvery || !errors.Is(out.err, context.Canceled) {
		t.Errorf("got %d series and error %v, want less than %d and %v", len(out.series), out.err, 100+checkEvery, context.Canceled)
	}
}

func TestLongResponsesAreStreamedWithQuerySemaphore(t *testing.T) {
	runTest(t, func(s *harness) {
		s.register("a")
		var parts []string
		for i := range 10 {
			parts = append(parts, fmt.Sprintf(`label_replace(vector(time()),"a","%d","","")`, i))
		}
		form := url.Values{"query": {strings.Join(parts, " or ")}, "start": {"0"}, "end": {"9000"}, "step": {"1"}}
		serve := s.api.handler("query_range", s.api.queryRange)
		response, err := serve(s.t.Context(), Request{Form: form, Authorize: s.authorize})
		if err != nil || response.Stream == nil || response.Body != nil {
			t.Errorf("got error %v and a body of %d bytes, want a stream", err, len(response.Body))
			return
		}
		checkEqual(t, "running queries while it is read", len(s.api.querySem), 1)
		var body bytes.Buffer
		if err := response.Stream(&body); err != nil || body.Len() < maxBuffered || !strings.HasSuffix(body.String(), `"9000"]]}]}}`) {
			t.Errorf("got error %v and %d bytes, want a complete body of at least %d bytes", err, body.Len(), maxBuffered)
		}
		response.Close()
		checkEqual(t, "running queries after Close", len(s.api.querySem), 0)
		form.Set("end", "10")
		if response, err = serve(s.t.Context(), Request{Form: form, Authorize: s.authorize}); err != nil || response.Stream != nil {
			t.Errorf("short response: got error %v, streamed %t, want it buffered", err, response.Stream != nil)
		}
		checkEqual(t, "running queries after a short response", len(s.api.querySem), 0)
		response.Close()
	})
}

func TestResponsesAreLimited(t *testing.T) {
	m, part := &meter{}, make([]byte, flushSize)
	var err error
	n := 0
	checkAllocs(t, "endless response", 8<<20, func() {
		for err == nil {
			_, err = m.Write(part)
			n += len(part)
		}
	})
	var as *Error
	if !errors.As(err, &as) || as.Type != ErrorExecution || n != maxResponse+flushSize {
		t.Errorf("got error %v after %d bytes, want %s after %d", err, n, ErrorExecution, maxResponse+flushSize)
	}
}

func FuzzChecks(f *testing.F) {
	for _, b := range expensiveQueries() {
		f.Add(b.query)
	}
	for _, text := range []string{`up{cluster=~"prod-.+"}`, "{`a`=~'b'}", `label_replace(up,"a","$1","b","(?i)[\x{42}-\x{1e943}]")`, "sum by (a) (rate(up[5m] @ end() offset 1m))[1h:]", `up{a=~"(?:\pL){20}"} # c`} {
		f.Add(text)
	}
	p := parser.NewParser(parser.Options{})
	f.Fuzz(func(t *testing.T, text string) {
		var check *textCheck
		var err error
		checkAllocs(t, text, 16<<20, func() { check, err = checkForm(url.Values{"query": {text}}) })
		if err != nil {
			return
		}
		// Parsing an accepted text twice has to need bounded memory.
		checkAllocs(t, text, 64<<20, func() {
			if _, err := p.ParseMetricSelector(text); err == nil {
				return
			}
			if expr, err := p.ParseExpr(text); err == nil {
				_, _ = estimateCost(expr, check.programs, time.Hour, 15*time.Second)
			}
		})
	})
}

func BenchmarkChecks(b *testing.B) {
	p := parser.NewParser(parser.Options{})
	for name, query := range map[string]string{
		"rate":     `sum by (cluster, namespace) (rate(container_cpu_usage_seconds_total{cluster=~"prod-.+",container!="",image!=""}[2m]))`,
		"quotient": `sum by (cluster) (kube_pod_container_resource_requests{cluster="a",resource="cpu"}) / sum by (cluster) (kube_node_status_allocatable{cluster="a",resource="cpu"})`,
		"list":     `sum(up{namespace=~"` + strings.Repeat("team-namespace-01|", 100) + `x"})`,
	} {
		expr, err := p.ParseExpr(query)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("check/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				check, err := checkForm(url.Values{"query": {query}})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := estimateCost(expr, check.programs, time.Hour, 15*time.Second); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("parse/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.ParseExpr(query); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestShippedDashboardsAreWithinLimits(t *testing.T) {
	files, err := filepath.Glob("../../config/grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d dashboards and error %v, want some dashboards", len(files), err)
	}
	variable := regexp.MustCompile(`\$\{?__(rate_interval|interval|range)\}?`)
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"expr": ("(?:[^"\\]|\\.)*")`).FindAllSubmatch(text, -1) {
			var query string
			if err := json.Unmarshal(m[1], &query); err != nil {
				t.Fatal(err)
			}
			query = variable.ReplaceAllString(query, "1m")
			check, err := checkForm(url.Values{"query": {query}})
			if err != nil {
				t.Errorf("%s: %s: got error %v, want none", file, query, err)
				continue
			}
			expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
			if err != nil {
				t.Errorf("%s: %s: got error %v, want none", file, query, err)
				continue
			}
			if _, err := estimateCost(expr, check.programs, 6*time.Hour, 15*time.Second); err != nil {
				t.Errorf("%s: %s: got error %v, want none", file, query, err)
			}
			n++
		}
	}
	if n < 10 {
		t.Errorf("got %d queries, want at least 10", n)
	}
}
