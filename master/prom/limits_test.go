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

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/promql/parser"

	"rollcall.dev/rollcall/api/state"
)

// within fails where f allocates more than so many bytes.
func within(t testing.TB, what string, most uint64, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > most {
		t.Errorf("%.60s: %d KiB were allocated, want %d KiB at most", what, got>>10, most>>10)
	}
}

func TestProgramOf(t *testing.T) {
	for _, tc := range []struct {
		expr string
		most int // 0: it is refused; 1: it is no expression, or next to nothing
	}{
		{"", 1}, {"prod-.+", 20}, {"(a|b|c)", 20}, {"a{3}", 20}, {"[a-z]+", 10}, {`\d+`, 10}, {"(", 3}, {"a{2000}", 1}, {"(?i)prod", 10},
		{strings.Repeat("namespace-1|", 900), maxProgram}, {"(" + strings.Repeat("namespace-1|", 900) + "x)", maxProgram},
		{"(?i)" + strings.Repeat("[a-z]", 40), 1000},
		{strings.Repeat("a", maxRegexp+1), 0}, {"(?:" + strings.Repeat("a", 100) + "){1000}", 0},
		{"((a{100}){100}){100}", 1}, {"(?:(?:abcdefghijklmnopqrstuvwxyz){30}){30}", 0}, {"(?:abcdefghijklmnopqrstuvwxyz?){0,1000}", 0},
		{strings.Repeat(`\pL`, maxClasses+1), 0}, {`(?:\pL){1000}`, 0}, {`(?:(?:\pL\PN){10}){100}`, 0}, {"(?i)" + strings.Repeat(`[\x{42}-\x{1e943}]`, maxClasses+1), 0},
		{`(?:[^\pL\pN]){900}`, 0}, {strings.Repeat("(", 900) + strings.Repeat("){9}", 900), 1},
	} {
		within(t, tc.expr, 8<<20, func() {
			got, err := programOf(tc.expr)
			if tc.most == 0 && err == nil || tc.most > 0 && (err != nil || got > tc.most) {
				t.Errorf("%.40q: %d %v, want %d at most", tc.expr, got, err, tc.most)
			}
		})
	}
}

func TestProgramsOfARequestAreCountedTogether(t *testing.T) {
	var names []string
	for i := range 900 {
		names = append(names, fmt.Sprintf("%d-namespace", i))
	}
	one := "(" + strings.Join(names, "|") + ")"
	form := url.Values{"match[]": slices.Repeat([]string{`up{namespace=~"` + one + `"}`}, 4)}
	if _, err := checkForm(form); err != nil {
		t.Errorf("four lists: %v", err)
	}
	form["match[]"] = append(form["match[]"], form["match[]"]...)
	if _, err := checkForm(form); !errors.Is(err, errTooManyPrograms) {
		t.Errorf("eight lists: %v, want %v", err, errTooManyPrograms)
	}
}

// bomb is a query that was small and took all memory, or all time, and the same in small.
type bomb struct {
	name, query, words string
}

// replaced nests label_replace so often, each with a value that is 400 times as long.
func replaced(times int) string {
	query := "vector(1)"
	for range times {
		query = `label_replace(` + query + `,"a","` + strings.Repeat("$1", 400) + `","a","(.*)")`
	}
	return strings.Replace(query, "vector(1)", `label_replace(vector(1),"a","xxxxxxxx","","")`, 1)
}

func joined(times int) string {
	query := `label_replace(vector(1),"a","x","","")`
	for range times {
		query = `label_join(` + query + `,"a","","a","a")`
	}
	return query
}

func bombs() []bomb {
	classes := `(?:` + strings.Repeat(`\pL`, 20) + `){1000}`
	many := make([]string, 8)
	for i := range many {
		many[i] = `up{a=~"(?:` + strings.Repeat(`\\pL`, 1000) + `){1000}"}`
	}
	return []bomb{
		{"replacements, nested", replaced(2), "label values of more than 65536 bytes"},
		{"more replacements, nested", replaced(26), "label values of more than 65536 bytes"},
		{"labels joined, nested", joined(16), "label values of more than 65536 bytes"},
		{"more labels joined, nested", joined(48), "label values of more than 65536 bytes"},
		{"a long replacement", `label_replace(up,"a","` + strings.Repeat("${1}", 2000) + `","cluster","(.*)")`, "label values of more than 65536 bytes"},
		{"many replacements", strings.Repeat(`label_replace(`, 51) + "up" + strings.Repeat(`,"a","b","c","d")`, 51), "more than 50 label_replace"},
		{"a repeated class", "up{a=~`" + classes + "`}", "instructions"},
		{"repeated classes", strings.Join(many, "+"), "classes of Unicode"},
		{"a repeated class in label_replace", `label_replace(up,"a","$1","cluster",` + "`" + classes + "`)", "instructions"},
		{"a repeat of repeats", `up{a!~"(?:(?:abcdefghijklmnopqrstuvwxyz){30}){30}"}`, "instructions"},
		{"a long query", "up" + strings.Repeat(" ", maxQuery), "bytes long"},
		{"parentheses", strings.Repeat("(", 9000) + "1" + strings.Repeat(")", 9000), "nested more than 100 deep"},
		{"signs", strings.Repeat("-", 9000) + "1", "more than 500 operators"},
		{"sums", "1" + strings.Repeat("+1", 9000), "more than 500 operators"},
		{"selectors", "up" + strings.Repeat(" or up", 101), "more than 100 selectors"},
		{"a long subquery", "sum_over_time(up[1y:1ms])", "more than 11000 steps"},
		{"a subquery in another", "sum_over_time(sum_over_time(up[6h:1m])[7d:10s])", "more than 11000 steps"},
		{"a subquery without a step", "sum_over_time(up[10y:])", "more than 11000 steps"},
		{"counted values", `max_over_time(count_values("v", vector(time()))[10000s:1s])`, "count_values"},
		{"many counted values", strings.Repeat(`count_values("v",up) or `, 5) + "up", "more than 4 count_values"},
	}
}

func TestBombsAreRefused(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "prod-eu")
		for _, b := range bombs() {
			for _, path := range []string{"/query", "/query_exemplars", "/query_range"} {
				within(t, b.name, 16<<20, func() {
					got := s.ask(path, "query", b.query, "start", "0", "end", "60", "step", "15")
					if got.code != 400 || got.ErrorType != ErrorBadData || !strings.Contains(got.Error, b.words) {
						t.Errorf("%s %s: %d %s %.200s, want %s", path, b.name, got.code, got.ErrorType, got.Error, b.words)
					}
				})
				if t.Failed() {
					return // the next one may take all memory
				}
			}
		}
	})
}

func TestBombsInSelectorsAreRefused(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "prod-eu")
		classes := "up{a=~`(?:" + strings.Repeat(`\pL`, 20) + "){1000}`}"
		for _, path := range []string{"/series", "/labels", "/label/node/values", "/federate"} {
			for _, selectors := range [][]string{{classes}, {"up", classes}, slices.Repeat([]string{"up"}, 101), {"up{" + strings.Repeat("a!=`b`,", 501) + "}"}, {"up" + strings.Repeat(" ", maxQuery)}} {
				within(t, path, 16<<20, func() {
					got := s.asks(path, url.Values{"match[]": selectors})
					if got.code != 400 || got.ErrorType != ErrorBadData || !strings.Contains(got.Error, `"match[]"`) {
						t.Errorf("%s with %d selectors: %d %.200s", path, len(selectors), got.code, got.Error)
					}
				})
			}
		}
	})
}

// asks is a request of a route, by a form.
func (s *stage) asks(path string, form url.Values) reply {
	s.t.Helper()
	if path == "/federate" {
		a, err := s.api.Federation().Serve(s.t.Context(), Request{Form: form, See: s.see})
		if err == nil {
			a.Close()
			return reply{code: 200}
		}
		return s.read(a, err)
	}
	var pairs []string
	for name, values := range form {
		for _, v := range values {
			pairs = append(pairs, name, v)
		}
	}
	return s.ask(path, pairs...)
}

func TestOrdinaryQueriesAreNotRefused(t *testing.T) {
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
			t.Errorf("%.60s: %v", query, err)
			continue
		}
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
		if err != nil {
			t.Fatal(err)
		}
		p, err := planOf(expr, check.programs, time.Hour, 15*time.Second)
		if err != nil {
			t.Errorf("%.60s: %v", query, err)
			continue
		}
		if p.countValues == 0 {
			if err := p.afford(15_000, 100, func([]string) int { return 1000 }); err != nil {
				t.Errorf("%.60s for 15000 series: %v", query, err)
			}
		}
	}
}

func TestRoomForStepsIsBoundedByWhatTheEngineMakes(t *testing.T) {
	const day = 24 * time.Hour
	for _, tc := range []struct {
		query  string
		series int
		over   time.Duration
		groups int
		ok     bool
	}{
		{"up", 300_000, 400 * day, 0, true}, // whose points share their room
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
		p, err := planOf(expr, 0, tc.over, step)
		if err == nil {
			err = p.afford(tc.series, 100, func([]string) int { return tc.groups })
		}
		if (err == nil) != tc.ok {
			t.Errorf("%s for %d series over %s: %v", tc.query, tc.series, tc.over, err)
		}
	}
}

func TestSeriesAreCountedByRequestAndNotBySelector(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "prod-eu")
		half := `count({cluster="prod-eu",__name__=~"kube.+"})`
		n, err := strconv.Atoi(s.ask("/query", "query", half).vector(t)[""])
		if err != nil || n == 0 {
			t.Fatalf("%d series, %v", n, err)
		}
		s.api.maxSeries = n + n/2
		tooMany := fmt.Sprintf("more than %d series", s.api.maxSeries)
		same(t, "one selector", s.ask("/query", "query", half).code, 200)
		for path, form := range map[string]url.Values{
			"/query":             {"query": {half + "+" + half}},
			"/series":            {"match[]": {`{__name__=~"kube.+"}`, `{job="kube-state-metrics"}`}},
			"/labels":            {"match[]": {`{__name__=~"kube.+"}`, `{job="kube-state-metrics"}`}},
			"/label/node/values": {"match[]": {`{__name__=~"kube.+"}`, `{job="kube-state-metrics"}`}},
			"/federate":          {"match[]": {`{__name__=~"kube.+"}`, `{job="kube-state-metrics"}`}},
		} {
			if got := s.asks(path, form); got.code != 422 || !strings.Contains(got.Error, tooMany) {
				t.Errorf("%s: %d %s", path, got.code, got.Error)
			}
		}
	})
}

func TestSelectionEndsWithTheRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &sink{ctx: ctx, left: maxSeries}
	for i := range 10_000 {
		if i == 100 {
			cancel()
		}
		out.add(nil, "a", "b")
	}
	if len(out.series) >= 100+checkEvery || !errors.Is(out.err, context.Canceled) {
		t.Errorf("%d series were made, %v", len(out.series), out.err)
	}
}

func TestLongAnswersAreStreamedAndHoldTheirTurn(t *testing.T) {
	act(t, func(s *stage) {
		s.register("a")
		var parts []string
		for i := range 10 {
			parts = append(parts, fmt.Sprintf(`label_replace(vector(time()),"a","%d","","")`, i))
		}
		form := url.Values{"query": {strings.Join(parts, " or ")}, "start": {"0"}, "end": {"9000"}, "step": {"1"}}
		serve := s.api.limited("query_range", s.api.queryRange)
		answer, err := serve(s.t.Context(), Request{Form: form, See: s.see})
		if err != nil || answer.Stream == nil || answer.Body != nil {
			t.Errorf("%v, %d bytes are held", err, len(answer.Body))
			return
		}
		same(t, "turns while it is read", len(s.api.turns), 1)
		var body bytes.Buffer
		if err := answer.Stream(&body); err != nil || body.Len() < maxHeld || !strings.HasSuffix(body.String(), `"9000"]]}]}}`) {
			t.Errorf("%v, %d bytes", err, body.Len())
		}
		answer.Close()
		same(t, "turns afterwards", len(s.api.turns), 0)
		form.Set("end", "10")
		if answer, err = serve(s.t.Context(), Request{Form: form, See: s.see}); err != nil || answer.Stream != nil {
			t.Errorf("a short answer: %v, streamed %t", err, answer.Stream != nil)
		}
		same(t, "turns after a short answer", len(s.api.turns), 0)
		answer.Close()
	})
}

func TestAnswersAreBounded(t *testing.T) {
	m, part := &measure{}, make([]byte, chunk)
	var err error
	n := 0
	within(t, "an endless answer", 8<<20, func() {
		for err == nil {
			_, err = m.Write(part)
			n += len(part)
		}
	})
	var as *Error
	if !errors.As(err, &as) || as.Type != ErrorExecution || n != maxAnswer+chunk {
		t.Errorf("%v after %d bytes", err, n)
	}
}

func TestNothingIsReadForWhoMaySeeNoCluster(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "secret", "other")
		s.levels = map[string]Level{}
		for range maxQueries {
			s.api.turns <- struct{}{}
			s.api.parsing <- struct{}{}
		}
		begin := time.Now()
		for _, query := range []string{"1+1", "(", "vector(1)", `up{cluster="secret"}`, `up{cluster="unknown"}`, `up{a=~"("}`} {
			for _, path := range []string{"/query", "/query_exemplars"} {
				got := s.ask(path, "query", query)
				same(t, path+" "+query, []any{got.code, got.ErrorType}, []any{403, ErrorForbidden})
			}
			for _, path := range []string{"/series", "/labels", "/label/node/values", "/federate"} {
				got := s.asks(path, url.Values{"match[]": {query}})
				same(t, path+" "+query, []any{got.code, got.ErrorType}, []any{403, ErrorForbidden})
			}
		}
		same(t, "waited", time.Since(begin), 0)
		same(t, "demand", s.wanted, nil)
	})
}

func TestAccessIsDecidedBeforeATurnIsTaken(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "prod-eu", "lab")
		see := func(ctx context.Context, clusters []string, named bool) (map[string]Level, error) {
			same(t, "turns while the hub is asked", len(s.api.turns), 0)
			return s.see(ctx, clusters, named)
		}
		for _, r := range append(s.api.Routes(), s.api.Federation()) {
			form := url.Values{"query": {`up{cluster="lab"} + on() up`}, "match[]": {"up", `up{cluster="lab"}`}, "cluster": {"lab"}, "start": {"0"}, "end": {"10"}, "step": {"5"}}
			a, err := r.Serve(s.t.Context(), Request{Form: form, Label: "cluster", See: see})
			if err != nil && r.Path != "/query" && r.Path != "/query_range" {
				t.Errorf("%s: %v", r.Path, err)
			}
			a.Close()
		}
	})
}

func TestEveryRouteWithPromQLWaitsItsTurn(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "prod-eu")
		for range maxQueries {
			s.api.turns <- struct{}{}
		}
		for _, r := range append(s.api.Routes(), s.api.Federation()) {
			reads := slices.ContainsFunc(r.Takes, func(p Parameter) bool { return p.Name == "query" || p.Name == "match[]" })
			form := url.Values{"query": {"up"}, "match[]": {"up"}, "start": {"0"}, "end": {"10"}, "step": {"5"}, "timeout": {"1s"}}
			_, err := r.Serve(s.t.Context(), Request{Form: form, Label: "node", See: s.see})
			var as *Error
			if timeout := errors.As(err, &as) && as.Type == ErrorTimeout; timeout != reads {
				t.Errorf("%s: %v, want that it waits: %t", r.Path, err, reads)
			}
		}
	})
}

func TestNoMoreQueriesWaitThanMay(t *testing.T) {
	act(t, func(s *stage) {
		s.register("a")
		for range maxQueries {
			s.api.turns <- struct{}{}
		}
		s.api.waiting.Store(maxWaiting)
		got := s.ask("/query", "query", "1")
		same(t, "one more", []any{got.code, got.ErrorType}, []any{503, ErrorUnavailable})
		same(t, "waiting", s.api.waiting.Load(), maxWaiting)
	})
}

func TestAHubWithoutClustersAnswersWhoMaySeeAll(t *testing.T) {
	act(t, func(s *stage) {
		same(t, "1+1", s.ask("/query", "query", "1+1").code, 200)
		s.levels = map[string]Level{}
		same(t, "1+1 without a right", s.ask("/query", "query", "1+1").code, 403)
	})
}

// TestHiddenClustersAreAskedForAsUnknownOnes counts what is asked of the hub: an answer must
// not take longer for a cluster that there is.
func TestHiddenClustersAreAskedForAsUnknownOnes(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "mine", "secret", "lab")
		s.levels = map[string]Level{"mine": Details}
		asked := func(path string, form url.Values) (names []string, got reply) {
			serve := s.api.Federation().Serve
			for _, r := range s.api.Routes() {
				if r.Path == path {
					serve = r.Serve
				}
			}
			a, err := serve(s.t.Context(), Request{Form: form, Label: "node", See: func(ctx context.Context, clusters []string, named bool) (map[string]Level, error) {
				names = append(names, fmt.Sprint(named, len(clusters)))
				names = append(names, clusters...)
				return s.see(ctx, clusters, named)
			}})
			if err != nil {
				return names, s.read(a, err)
			}
			return names, reply{code: 200, Data: slices.Clone(a.Body)}
		}
		for _, selector := range []string{
			`{cluster="X"}`, `{cluster=~"X"}`, `{cluster=~"X|Y"}`, `{cluster=~"X|mine"}`, `{cluster=~"X.*"}`, `{cluster=~".*X"}`, `{cluster!~"mine|X"}`, `{cluster!="X"}`, `{cluster="X",cluster!="y"}`,
		} {
			for path, form := range map[string]func(string) url.Values{
				"/query": func(sel string) url.Values {
					return url.Values{"query": {"count(" + sel + ") or vector(7)"}, "time": {"0"}}
				},
				"/series":                func(sel string) url.Values { return url.Values{"match[]": {sel}} },
				"/labels":                func(sel string) url.Values { return url.Values{"match[]": {sel}} },
				"/label/{label}/values":  func(sel string) url.Values { return url.Values{"match[]": {sel}} },
				"/federate by match[]":   func(sel string) url.Values { return url.Values{"match[]": {sel}} },
				"/federate by a cluster": func(string) url.Values { return url.Values{"cluster": {"X"}} },
				"/federate by clusters":  func(string) url.Values { return url.Values{"cluster": {"mine", "X"}} },
			} {
				var calls, texts [2]string
				for i, name := range []string{"secret", "nowher"} {
					f := form(strings.ReplaceAll(selector, "X", name))
					if f.Has("cluster") {
						f["cluster"] = slices.Collect(func(yield func(string) bool) {
							for _, c := range f["cluster"] {
								yield(strings.ReplaceAll(c, "X", name))
							}
						})
					}
					names, got := asked(path, f)
					calls[i] = strings.ReplaceAll(strings.Join(names, " "), name, "X")
					if i == 1 { // where all clusters are asked for, the hidden one is among them
						calls[i] = strings.ReplaceAll(calls[i], "secret", "X")
					}
					texts[i] = strings.ReplaceAll(fmt.Sprint(got.code, got.Error, string(got.Data)), name, "X")
				}
				if calls[0] != calls[1] || texts[0] != texts[1] {
					t.Errorf("%s %s: of a hidden cluster it is asked %s, of an unknown one %s;\n%s\n%s", path, selector, calls[0], calls[1], texts[0], texts[1])
				}
			}
		}
	})
}

func FuzzChecks(f *testing.F) {
	for _, b := range bombs() {
		f.Add(b.query)
	}
	for _, text := range []string{`up{cluster=~"prod-.+"}`, "{`a`=~'b'}", `label_replace(up,"a","$1","b","(?i)[\x{42}-\x{1e943}]")`, "sum by (a) (rate(up[5m] @ end() offset 1m))[1h:]", `up{a=~"(?:\pL){20}"} # c`} {
		f.Add(text)
	}
	p := parser.NewParser(parser.Options{})
	f.Fuzz(func(t *testing.T, text string) {
		var check *textCheck
		var err error
		within(t, text, 16<<20, func() { check, err = checkForm(url.Values{"query": {text}}) })
		if err != nil {
			return
		}
		// What the checks let through can be parsed, twice, in bounded memory.
		within(t, text, 64<<20, func() {
			if _, err := p.ParseMetricSelector(text); err == nil {
				return
			}
			if expr, err := p.ParseExpr(text); err == nil {
				_, _ = planOf(expr, check.programs, time.Hour, 15*time.Second)
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
				if _, err := planOf(expr, check.programs, time.Hour, 15*time.Second); err != nil {
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

func TestOneClusterCannotKeepOthersFromBeingScraped(t *testing.T) {
	act(t, func(s *stage) {
		s.running(time.Minute, "prod-eu", "hostile")
		k := *shop()[4].(*state.Container)
		k.Image = "a\xff\x1b[31m\n\"} 1"
		s.clusters["hostile"].put(&k)
		s.report("hostile")
		for _, accept := range []string{"", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"} {
			a, err := s.api.Federation().Serve(s.t.Context(), Request{Form: url.Values{"match[]": {"kube_pod_container_info"}}, See: s.see, Accept: accept})
			if err != nil {
				t.Fatal(err)
			}
			decoder, images := expfmt.NewDecoder(bytes.NewReader(a.Body), expfmt.Format(a.Type)), map[string]string{}
			var f dto.MetricFamily
			if err := decoder.Decode(&f); err != nil {
				t.Fatalf("%s: %v in %q", a.Type, err, a.Body)
			}
			for _, m := range f.Metric {
				values := map[string]string{}
				for _, l := range m.Label {
					values[l.GetName()] = l.GetValue()
				}
				images[values[clusterLabel]] = values["image"]
			}
			same(t, a.Type, images, map[string]string{"prod-eu": "shop:1", "hostile": "a\ufffd\x1b[31m\n\"} 1"})
		}
		same(t, "counted", testutil.ToFloat64(s.api.metrics.cleaned), 2)
	})
}

func TestOurDashboardsAreWithinTheLimits(t *testing.T) {
	files, err := filepath.Glob("../../config/grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no dashboards", err)
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
				t.Errorf("%s: %s: %v", file, query, err)
				continue
			}
			expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
			if err != nil {
				t.Errorf("%s: %s: %v", file, query, err)
				continue
			}
			if _, err := planOf(expr, check.programs, 6*time.Hour, 15*time.Second); err != nil {
				t.Errorf("%s: %s: %v", file, query, err)
			}
			n++
		}
	}
	if n < 10 {
		t.Errorf("%d queries were found", n)
	}
}
