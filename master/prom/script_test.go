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

// TestScripts runs testdata/*.promql, which are written in the language of PromQL's own
// tests, over three clusters of which one stopped reporting: see played. Instants are
// since the clusters began to report. Prometheus' own scripts are run by
// TestScriptsOfPrometheus.
func TestScripts(t *testing.T) {
	runScripts(t, "testdata/*.promql", (*stage).played)
}

// runScripts plays the clusters for each script whose path matches a pattern, and then
// the script.
func runScripts(t *testing.T, pattern string, play func(*stage)) {
	t.Helper()
	scripts, err := filepath.Glob(pattern)
	if err != nil || len(scripts) == 0 {
		t.Fatal("there are no scripts", err)
	}
	for _, path := range scripts {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			act(t, func(s *stage) {
				play(s)
				for _, e := range parseScript(t, string(text)) {
					s.check(e)
				}
			})
		})
	}
}

// played has prod-eu and lab report for ten minutes, and gone for five.
func (s *stage) played() {
	s.running(5*time.Minute, "gone", "lab", "prod-eu")
	s.end("gone")
	s.pass(5*time.Minute, func(n int) {
		if n%3 == 2 {
			s.clusters["lab"].busy()
			s.clusters["prod-eu"].busy()
		}
	}, "lab", "prod-eu")
}

// evaluation is one command of a script, with what is to come of it.
type evaluation struct {
	line          int
	fails         bool
	at, end, step time.Duration
	words         string
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
				t.Fatalf("line %d is no command: %s", i+1, line)
			}
			e := &evaluation{line: i + 1, fails: m[1] != "", words: m[6], want: map[string][]float64{}}
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

// expect takes a line such as {a="b"} 1 2x3 _.
func (e *evaluation) expect(line string) error {
	metric, values, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(line)
	if err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	var list []float64
	for _, v := range values {
		if v.Histogram != nil {
			return fmt.Errorf("%s: there are no histograms", line)
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

// check evaluates and compares.
func (s *stage) check(e *evaluation) {
	s.t.Helper()
	q, err := s.api.engine.NewInstantQuery(context.Background(), storing{s.api.scene(s.see)}, nil, e.words, s.start.Add(e.at))
	if e.step > 0 {
		q, err = s.api.engine.NewRangeQuery(context.Background(), storing{s.api.scene(s.see)}, nil, e.words, s.start.Add(e.at), s.start.Add(e.end), e.step)
	}
	if err != nil {
		if !e.fails {
			s.t.Errorf("line %d: %v", e.line, err)
		}
		return
	}
	defer q.Close()
	result := q.Exec(context.Background())
	if (result.Err != nil) != e.fails {
		s.t.Errorf("line %d: %s: %v", e.line, e.words, result.Err)
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
	if !alike(got, e.want) {
		s.t.Errorf("line %d: %s\n got %v\nwant %v", e.line, e.words, got, e.want)
	}
}

// alike compares as exactly as rates are.
func alike(a, b map[string][]float64) bool {
	if len(a) != len(b) {
		return false
	}
	for k, list := range a {
		other := b[k]
		for i := range max(len(list), len(other)) {
			if !near(at(list, i), at(other, i)) {
				return false
			}
		}
	}
	return true
}

// at is NaN behind the end of a list, where there are no more points.
func at(list []float64, i int) float64 {
	if i < len(list) {
		return list[i]
	}
	return math.NaN()
}

// near is as PromQL's own tests have it: to a millionth.
func near(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-6*min(math.Abs(a), math.Abs(b))
}
