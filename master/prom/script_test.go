package prom

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// TestPromQLScripts runs testdata/*.promql, which are written in the language of Prometheus' own
// tests, over the clusters of addThreeClusters. Times are relative to the first report.
// (Prometheus' own scripts are run by TestUpstreamPromQLScripts.)
func TestPromQLScripts(t *testing.T) {
	runScripts(t, "testdata/*.promql", (*harness).addThreeClusters)
}

// runScripts calls setup on a new harness for each script whose path matches a pattern, and runs
// the script.
func runScripts(t *testing.T, pattern string, setup func(*harness)) {
	t.Helper()
	scripts, err := filepath.Glob(pattern)
	if err != nil || len(scripts) == 0 {
		t.Fatalf("got %d scripts and error %v, want some scripts", len(scripts), err)
	}
	for _, path := range scripts {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			runTest(t, func(s *harness) {
				setup(s)
				for _, e := range parseScript(t, string(text)) {
					s.check(e)
				}
			})
		})
	}
}

// addThreeClusters adds prod-eu and lab, which report for ten minutes, and gone, which reports for
// the first five of them.
func (s *harness) addThreeClusters() {
	s.addRunningClusters(5*time.Minute, "gone", "lab", "prod-eu")
	s.endSession("gone")
	s.advance(5*time.Minute, func(n int) {
		if n%3 == 2 {
			s.clusters["lab"].addTypicalUsage()
			s.clusters["prod-eu"].addTypicalUsage()
		}
	}, "lab", "prod-eu")
}

// evaluation is one command of a script with its expected result.
type evaluation struct {
	line          int
	fails         bool
	at, end, step time.Duration
	expr          string
	want          map[string][]float64
}

var command = regexp.MustCompile(`^eval(_fail)? (?:instant at (\S+)|range from (\S+) to (\S+) step (\S+)) (.+)$`)

func parseScript(t *testing.T, text string) []*evaluation {
	var all []*evaluation
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.TrimSpace(line) == "" || line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if err := all[len(all)-1].expect(strings.TrimSpace(line)); err != nil {
				t.Fatal(err)
			}
		default:
			m := command.FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("line %d: unknown command: %s", i+1, line)
			}
			e := &evaluation{line: i + 1, fails: m[1] != "", expr: m[6], want: map[string][]float64{}}
			if m[2] != "" {
				e.at = duration(t, m[2])
			} else {
				e.at, e.end, e.step = duration(t, m[3]), duration(t, m[4]), duration(t, m[5])
			}
			all = append(all, e)
		}
	}
	return all
}

func duration(t *testing.T, s string) time.Duration {
	d, err := model.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(d)
}

// expect adds an expected series such as {a="b"} 1 2x3 _.
func (e *evaluation) expect(line string) error {
	metric, values, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(line)
	if err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	var list []float64
	for _, v := range values {
		if v.Histogram != nil {
			return fmt.Errorf("%s: histograms are not supported", line)
		}
		if v.Omitted {
			list = append(list, math.NaN())
		} else {
			list = append(list, v.Value)
		}
	}
	e.want[metric.String()] = list
	return nil
}

// check evaluates an expression and compares the result.
func (s *harness) check(e *evaluation) {
	s.t.Helper()
	qc, err := s.api.newQueryContext(s.authorize)
	if err != nil {
		s.t.Fatal(err)
	}
	q, err := s.api.engine.NewInstantQuery(context.Background(), queryable{qc}, nil, e.expr, s.start.Add(e.at))
	if e.step > 0 {
		q, err = s.api.engine.NewRangeQuery(context.Background(), queryable{qc}, nil, e.expr, s.start.Add(e.at), s.start.Add(e.end), e.step)
	}
	if err != nil {
		if !e.fails {
			s.t.Errorf("line %d: got error %v, want none", e.line, err)
		}
		return
	}
	defer q.Close()
	result := q.Exec(context.Background())
	if (result.Err != nil) != e.fails {
		s.t.Errorf("line %d: %s: got error %v, want failure %t", e.line, e.expr, result.Err, e.fails)
	}
	if result.Err != nil {
		return
	}
	got := map[string][]float64{}
	switch v := result.Value.(type) {
	case promql.Vector:
		for _, one := range v {
			got[one.Metric.String()] = []float64{one.F}
		}
	case promql.Scalar:
		got[labels.EmptyLabels().String()] = []float64{v.V}
	case promql.Matrix:
		for _, one := range v {
			list := make([]float64, int((e.end-e.at)/e.step)+1)
			for i := range list {
				list[i] = math.NaN()
			}
			for _, p := range one.Floats {
				list[(p.T-s.start.Add(e.at).UnixMilli())/e.step.Milliseconds()] = p.F
			}
			got[one.Metric.String()] = list
		}
	}
	if !equalSeries(got, e.want) {
		s.t.Errorf("line %d: %s\n got %v\nwant %v", e.line, e.expr, got, e.want)
	}
}

// equalSeries reports whether two results are equal within the precision of rates.
func equalSeries(a, b map[string][]float64) bool {
	if len(a) != len(b) {
		return false
	}
	for k, list := range a {
		other := b[k]
		for i := range max(len(list), len(other)) {
			if !nearlyEqual(valueAt(list, i), valueAt(other, i)) {
				return false
			}
		}
	}
	return true
}

// valueAt returns list[i], or NaN beyond the end of the list.
func valueAt(list []float64, i int) float64 {
	if i < len(list) {
		return list[i]
	}
	return math.NaN()
}

// nearlyEqual compares with a relative tolerance of one millionth, as Prometheus' own tests do.
func nearlyEqual(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-6*min(math.Abs(a), math.Abs(b))
}
