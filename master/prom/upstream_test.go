package prom

import (
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/history"
)

// TestScriptsOfPrometheus runs the scripts that Prometheus tests PromQL with, as they are
// in its module, over our Queryable. Each series that a script loads is the memory of a
// container in the history, in thousandths, and has its name and labels by a family of
// its own; its time is that of a reading. So matchers, labels, times, gaps, stale markers
// and values go the way that they go for a client.
//
// Left out is what the history cannot hold: histograms, values that are negative or no
// whole thousandths, times between seconds, start timestamps, and series with a label
// `cluster`; and what a script expects besides values: warnings, order, and strings. What
// a query could select of that is not evaluated. The engine is made as for Prometheus'
// own tests, whose options are not those of ours: it is the storage that is tested.
func TestScriptsOfPrometheus(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/prometheus/prometheus").Output()
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "promql/promqltest/testdata/*.test"))
	if err != nil || len(scripts) == 0 {
		t.Fatal("there are no scripts", err)
	}
	ours := families
	t.Cleanup(func() { families = ours })
	ran, all := 0, 0
	for _, path := range scripts {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			l := newLoaded(t)
			l.play(linesOf(string(text)))
			t.Logf("%d of %d evaluations", l.ran, l.all)
			ran, all = ran+l.ran, all+l.all
		})
	}
	if ran < all*2/5 {
		t.Errorf("%d of %d evaluations were run: fewer than there were", ran, all)
	}
}

// beginning is when scripts begin, in the history's milliseconds; they say 0.
const beginning = 1_000_000_000_000

// loaded is a stage on which scripts load series.
type loaded struct {
	*stage
	series []*loadedSeries
	// filled says that the history has them all.
	filled bool
	// strange are names of which something could not be loaded; anyStrange: it is not
	// known of which.
	strange    map[string]bool
	anyStrange bool
	parser     parser.Parser
	// ran and all count evaluations.
	ran, all int
}

// loadedSeries has its samples by time, in the script's seconds.
type loadedSeries struct {
	labels  labels.Labels
	samples map[int64]float64
}

func newLoaded(t *testing.T) *loaded {
	options := parser.Options{EnableExperimentalFunctions: true, ExperimentalDurationExpr: true, EnableExtendedRangeSelectors: true, EnableBinopFillModifiers: true}
	l := &loaded{stage: newStage(t), parser: parser.NewParser(options)}
	l.start = time.Unix(0, 0).UTC()
	l.register("")
	l.api.engine = promql.NewEngine(promql.EngineOpts{
		MaxSamples: DefaultMaxSamples, Timeout: queryTimeout, NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		EnableAtModifier: true, EnableNegativeOffset: true, EnableDelayedNameRemoval: true, Parser: l.parser,
	})
	l.clear()
	return l
}

func (l *loaded) clear() {
	l.series, l.filled, l.strange, l.anyStrange = nil, false, map[string]bool{}, false
}

// linesOf are a script's lines; comments are empty.
func linesOf(text string) []string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if lines[i] = strings.TrimSpace(line); strings.HasPrefix(lines[i], "#") {
			lines[i] = ""
		}
	}
	return lines
}

var (
	loadCommand = regexp.MustCompile(`^load(_with_nhcb)?\s+(\S+)$`)
	evalCommand = regexp.MustCompile(`^eval(_\w+)? `)
)

func (l *loaded) play(lines []string) {
	for i := 0; i < len(lines); i++ {
		line, end := lines[i], i+1
		for end < len(lines) && lines[end] != "" {
			end++
		}
		load := loadCommand.FindStringSubmatch(line)
		switch {
		case line == "":
		case line == "clear":
			l.clear()
		case load != nil:
			l.load(load[2], lines[i+1:end], load[1] != "")
			i = end - 1
		case evalCommand.MatchString(line):
			l.evaluate(i+1, line, lines[i+1:end])
			i = end - 1
		default:
			l.t.Fatalf("line %d is no command: %s", i+1, line)
		}
	}
}

// load takes in series, and remembers which it could not; histograms are those that are
// to be made of buckets besides.
func (l *loaded) load(step string, lines []string, histograms bool) {
	every, err := model.ParseDuration(step)
	if err != nil {
		l.t.Fatal(err)
	}
	l.filled = false
	for _, line := range lines {
		metric, values, err := l.parser.ParseSeriesDesc(line)
		name := metric.Get(nameLabel)
		if histograms {
			l.strange[suffix.ReplaceAllString(name, "")] = true
		}
		switch {
		case err != nil || name == "":
			l.anyStrange = true
		case metric.Has(clusterLabel) || !l.find(metric).add(time.Duration(every), values):
			l.strange[name] = true
		}
	}
}

var suffix = regexp.MustCompile("_(bucket|count|sum)$")

func (l *loaded) find(metric labels.Labels) *loadedSeries {
	for _, s := range l.series {
		if labels.Equal(s.labels, metric) {
			return s
		}
	}
	s := &loadedSeries{metric, map[int64]float64{}}
	l.series = append(l.series, s)
	return s
}

// add says whether all values are such as the history holds.
func (s *loadedSeries) add(every time.Duration, values []parser.SequenceValue) bool {
	for i, v := range values {
		at := time.Duration(i) * every
		thousandths := math.Round(v.Value * 1000)
		switch {
		case v.Omitted:
			continue
		case v.Histogram != nil || at%time.Second != 0:
			return false
		case value.IsStaleNaN(v.Value):
		case !(v.Value >= 0 && v.Value < 1e12) || thousandths/1000 != v.Value:
			return false
		}
		s.samples[int64(at/time.Second)] = v.Value
	}
	return true
}

// evaluate runs a command, if all that it is about is there.
func (l *loaded) evaluate(number int, line string, expected []string) {
	l.all++
	e, ok := l.read(number, line, expected)
	if !ok || l.isStrange(e.words) {
		return
	}
	l.ran++
	l.fill()
	l.check(e)
}

// read is false where it is not values that a script wants.
func (l *loaded) read(number int, line string, expected []string) (*evaluation, bool) {
	m := command.FindStringSubmatch(line)
	if m == nil {
		return nil, false
	}
	e := &evaluation{line: number, words: m[6], fails: m[1] != "", want: map[string][]float64{}}
	if m[2] != "" {
		e.at = duration(l.testing(), m[2])
	} else {
		e.at, e.end, e.step = duration(l.testing(), m[3]), duration(l.testing(), m[4]), duration(l.testing(), m[5])
	}
	for _, line := range expected {
		kind, rest, _ := strings.Cut(line, " ")
		number, err := strconv.ParseFloat(line, 64)
		switch {
		case err == nil:
			e.want[labels.EmptyLabels().String()] = []float64{number}
		case kind == "expect" && strings.HasPrefix(rest, "fail"):
			e.fails = true
		case kind == "expect" && (strings.HasPrefix(rest, "string") || strings.HasPrefix(rest, "range")):
			return nil, false
		case kind == "expect":
		case e.expect(line) != nil:
			return nil, false
		}
	}
	return e, true
}

func (l *loaded) testing() *testing.T { return l.t.(*testing.T) }

// isStrange says that a query may be about something that could not be loaded.
func (l *loaded) isStrange(words string) (strange bool) {
	expr, err := l.parser.ParseExpr(words)
	if err != nil {
		return false
	}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		for name := range l.strange {
			strange = strange || ok && matches(selector.LabelMatchers, nameLabel, name)
		}
		strange = strange || ok && l.anyStrange
		return nil
	})
	return strange
}

// fill has the history of one cluster be what was loaded, a reading for each instant.
func (l *loaded) fill() {
	if l.filled {
		return
	}
	l.filled = true
	l.api.config.History = history.New(history.Config{Window: 100 * 365 * 24 * time.Hour})
	families = l.families()
	town := &town{state: &state.State{Epoch: 7}}
	times := map[int64]bool{}
	for _, s := range l.series {
		for at := range s.samples {
			times[at] = true
		}
	}
	for _, at := range slices.Sorted(maps.Keys(times)) {
		l.readingAt(town, at)
	}
}

// readingAt is of the series that have a value at an instant; those that end go.
func (l *loaded) readingAt(town *town, at int64) {
	used := map[state.Key]state.Used{}
	d := state.Delta{Epoch: 7, From: town.state.Seq, To: town.state.Seq + 1}
	for i, s := range l.series {
		v, ok := s.samples[at]
		c := &state.Container{Namespace: "ns", Pod: "pod", Name: fmt.Sprint(i), Node: "node"}
		_, known := town.state.Get(c.Key())
		switch {
		case ok && value.IsStaleNaN(v) && known:
			d.Removes = append(d.Removes, c.Key())
		case ok && !value.IsStaleNaN(v):
			if !known {
				d.Upserts = append(d.Upserts, state.Entry{Seq: d.To, Slot: uint32(i), Object: c})
			}
			used[c.Key()] = state.Used{MemoryBytes: int64(math.Round(v * 1000)), SampledAt: state.Time(beginning/1000 + at)}
		}
	}
	town.apply(d)
	d = state.Delta{Epoch: 7, From: town.state.Seq, To: town.state.Seq + 1, Usage: &state.Usage{N: d.To, BySlot: make([]state.Used, len(l.series))}}
	for key, u := range used {
		e, _ := town.state.Get(key)
		d.Usage.BySlot[e.Slot] = u
	}
	town.apply(d)
	l.api.config.History.Add("", town.state, state.Summary{}, time.UnixMilli(beginning+at*1000))
}

// families are one for each name that was loaded.
func (l *loaded) families() []family {
	names := map[string]bool{}
	for _, s := range l.series {
		names[s.labels.Get(nameLabel)] = true
	}
	var all []family
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, family{name, "", model.MetricTypeGauge, Details, nil, func(c *cluster, out *sink) { l.each(name, c, out) }})
	}
	return all
}

func (l *loaded) each(name string, c *cluster, out *sink) {
	for s := range c.past.Series(state.KindContainer) {
		i, err := strconv.Atoi(s.Container)
		if err != nil {
			l.t.Fatal(err)
		}
		if l.series[i].labels.Get(nameLabel) != name {
			continue
		}
		var pairs []string
		l.series[i].labels.Range(func(one labels.Label) {
			if one.Name != nameLabel {
				pairs = append(pairs, one.Name, one.Value)
			}
		})
		out.add(earlier(samplesOf(s, history.Memory, 1000)), pairs...)
	}
}

// earlier are points as if the history began at 0.
func earlier(p points) points {
	return func(from, to int64, yield func(point) bool) {
		p(from+beginning, to+beginning, func(one point) bool {
			one.t -= beginning
			return yield(one)
		})
	}
}
