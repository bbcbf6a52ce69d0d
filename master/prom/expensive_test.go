package prom

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// expensiveQuery is a short query that would need too much memory or time, with the text of the
// error that rejects it.
type expensiveQuery struct {
	name, query, message string
}

// nestedReplace returns nested calls of label_replace. Each makes the value 400 times as long.
func nestedReplace(times int) string {
	query := "vector(1)"
	for range times {
		query = `label_replace(` + query + `,"a","` + strings.Repeat("$1", 400) + `","a","(.*)")`
	}
	return strings.Replace(query, "vector(1)", `label_replace(vector(1),"a","xxxxxxxx","","")`, 1)
}

func nestedJoin(times int) string {
	query := `label_replace(vector(1),"a","x","","")`
	for range times {
		query = `label_join(` + query + `,"a","","a","a")`
	}
	return query
}

func expensiveQueries() []expensiveQuery {
	classes := `(?:` + strings.Repeat(`\pL`, 20) + `){1000}`
	many := make([]string, 8)
	for i := range many {
		many[i] = `up{a=~"(?:` + strings.Repeat(`\\pL`, 1000) + `){1000}"}`
	}
	return []expensiveQuery{
		{"replacements, nested", nestedReplace(2), "label values of more than 65536 bytes"},
		{"more replacements, nested", nestedReplace(26), "label values of more than 65536 bytes"},
		{"labels joined, nested", nestedJoin(16), "label values of more than 65536 bytes"},
		{"more labels joined, nested", nestedJoin(48), "label values of more than 65536 bytes"},
		{"a long replacement", `label_replace(up,"a","` + strings.Repeat("${1}", 2000) + `","cluster","(.*)")`, "label values of more than 65536 bytes"},
		{"many replacements", strings.Repeat(`label_replace(`, 51) + "up" + strings.Repeat(`,"a","b","c","d")`, 51), "more than 50 label_replace"},
		{"a repeated class", "up{a=~`" + classes + "`}", "instructions"},
		{"repeated classes", strings.Join(many, "+"), "Unicode classes"},
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

func TestExpensiveQueriesAreRejected(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(time.Minute, "prod-eu")
		for _, b := range expensiveQueries() {
			for _, path := range []string{"/query", "/query_exemplars", "/query_range"} {
				checkAllocs(t, b.name, 16<<20, func() {
					got := s.request(path, "query", b.query, "start", "0", "end", "60", "step", "15")
					if got.code != 400 || got.ErrorType != ErrorBadData || !strings.Contains(got.Error, b.message) {
						t.Errorf("%s %s: got %d %s %.200s, want 400 bad_data with %q", path, b.name, got.code, got.ErrorType, got.Error, b.message)
					}
				})
				if t.Failed() {
					return // the next query could exhaust the memory
				}
			}
		}
	})
}

func TestExpensiveSelectorsAreRejected(t *testing.T) {
	runTest(t, func(s *harness) {
		s.addRunningClusters(time.Minute, "prod-eu")
		classes := "up{a=~`(?:" + strings.Repeat(`\pL`, 20) + "){1000}`}"
		for _, path := range []string{"/series", "/labels", "/label/node/values", "/federate"} {
			for _, selectors := range [][]string{{classes}, {"up", classes}, slices.Repeat([]string{"up"}, 101), {"up{" + strings.Repeat("a!=`b`,", 501) + "}"}, {"up" + strings.Repeat(" ", maxQuery)}} {
				checkAllocs(t, path, 16<<20, func() {
					got := s.requestForm(path, url.Values{"match[]": selectors})
					if got.code != 400 || got.ErrorType != ErrorBadData || !strings.Contains(got.Error, `"match[]"`) {
						t.Errorf("%s with %d selectors: got %d %.200s, want 400 bad_data for match[]", path, len(selectors), got.code, got.Error)
					}
				})
			}
		}
	})
}
