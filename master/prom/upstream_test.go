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
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/samples"
)

// TestUpstreamPromQLScripts runs the scripts with which Prometheus tests PromQL, from its module,
// over our Queryable. Each series that a script loads is stored in the history as the memory of a
// container, in thousandths, and gets its name and labels from a family of its own. So matchers,
// labels, times, gaps, stale markers and values take the same path as for a client.
//
// Evaluations that may select unsupported data are skipped: histograms, values that are negative
// or not whole thousandths, times between seconds, start timestamps, and series with a label
// "cluster". Of the expectations, warnings, order and strings are not checked. The engine has the
// options of Prometheus' own tests instead of ours, as the test is about the storage.
func TestUpstreamPromQLScripts(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/prometheus/prometheus").Output()
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "promql/promqltest/testdata/*.test"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("got %d scripts and error %v, want some scripts", len(scripts), err)
	}
	ran, all := 0, 0
	for _, path := range scripts {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			l := newScriptRunner(t)
			l.run(linesOf(string(text)))
			t.Logf("%d of %d evaluations", l.ran, l.all)
			ran, all = ran+l.ran, all+l.all
		})
	}
	if ran < all*2/5 {
		t.Errorf("got %d of %d evaluations, want at least two fifths", ran, all)
	}
}

// scriptEpoch is the time in the history, in Unix milliseconds, that stands for time 0 of a script.
const scriptEpoch = 1_000_000_000_000

// scriptRunner is a harness that runs scripts.
type scriptRunner struct {
	*harness
	series []*scriptSeries
	// filled means that the history contains series.
	filled bool
	// unsupported has the metric names of series that could not be loaded. anyUnsupported means
	// that a name is not known.
	unsupported    map[string]bool
	anyUnsupported bool
	parser         parser.Parser
	// ran and all count evaluations.
	ran, all int
}

// scriptSeries has samples by time, in seconds of the script.
type scriptSeries struct {
	labels  labels.Labels
	samples map[int64]float64
}

func newScriptRunner(t *testing.T) *scriptRunner {
	options := parser.Options{EnableExperimentalFunctions: true, ExperimentalDurationExpr: true, EnableExtendedRangeSelectors: true, EnableBinopFillModifiers: true}
	l := &scriptRunner{harness: newHarness(t), parser: parser.NewParser(options)}
	l.start = time.Unix(0, 0).UTC()
	l.register("")
	l.api.engine = promql.NewEngine(promql.EngineOpts{
		MaxSamples: DefaultMaxSamples, Timeout: queryTimeout, NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		EnableAtModifier: true, EnableNegativeOffset: true, EnableDelayedNameRemoval: true, Parser: l.parser,
	})
	l.clear()
	return l
}

func (l *scriptRunner) clear() {
	l.series, l.filled, l.unsupported, l.anyUnsupported = nil, false, map[string]bool{}, false
}

// linesOf returns the lines of a script, with comments replaced by empty lines.
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

func (l *scriptRunner) run(lines []string) {
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
			l.t.Fatalf("line %d: unknown command: %s", i+1, line)
		}
	}
}

// load adds series, and remembers the unsupported ones. If histograms is set, the script also makes
// histograms from the loaded buckets.
func (l *scriptRunner) load(step string, lines []string, histograms bool) {
	every, err := model.ParseDuration(step)
	if err != nil {
		l.t.Fatal(err)
	}
	l.filled = false
	for _, line := range lines {
		metric, values, err := l.parser.ParseSeriesDesc(line)
		name := metric.Get(nameLabel)
		if histograms {
			l.unsupported[suffix.ReplaceAllString(name, "")] = true
		}
		switch {
		case err != nil || name == "":
			l.anyUnsupported = true
		case metric.Has(clusterLabel) || !l.find(metric).add(time.Duration(every), values):
			l.unsupported[name] = true
		}
	}
}

var suffix = regexp.MustCompile("_(bucket|count|sum)$")

func (l *scriptRunner) find(metric labels.Labels) *scriptSeries {
	for _, s := range l.series {
		if labels.Equal(s.labels, metric) {
			return s
		}
	}
	s := &scriptSeries{metric, map[int64]float64{}}
	l.series = append(l.series, s)
	return s
}

// add adds samples. It returns false if the history does not support one of them.
func (s *scriptSeries) add(every time.Duration, values []parser.SequenceValue) bool {
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

// evaluate runs a command, unless it needs unsupported data.
func (l *scriptRunner) evaluate(number int, line string, expected []string) {
	l.all++
	e, ok := l.read(number, line, expected)
	if !ok || l.selectsUnsupported(e.expr) {
		return
	}
	l.ran++
	l.fillHistory()
	l.check(e)
}

// read parses a command. It returns false if the script expects something other than values.
func (l *scriptRunner) read(number int, line string, expected []string) (*evaluation, bool) {
	m := command.FindStringSubmatch(line)
	if m == nil {
		return nil, false
	}
	e := &evaluation{line: number, expr: m[6], fails: m[1] != "", want: map[string][]float64{}}
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

func (l *scriptRunner) testing() *testing.T { return l.t.(*testing.T) }

// selectsUnsupported reports whether an expression may select unsupported series.
func (l *scriptRunner) selectsUnsupported(text string) (unsupported bool) {
	expr, err := l.parser.ParseExpr(text)
	if err != nil {
		return false
	}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		for name := range l.unsupported {
			unsupported = unsupported || ok && matches(selector.LabelMatchers, nameLabel, name)
		}
		unsupported = unsupported || ok && l.anyUnsupported
		return nil
	})
	return unsupported
}

// fillHistory stores all loaded series in the history of one cluster.
func (l *scriptRunner) fillHistory() {
	if l.filled {
		return
	}
	l.filled = true
	l.api.config.History = history.New(history.Config{Window: 100 * 365 * 24 * time.Hour})
	l.api.families = l.families()
	fake := &fakeCluster{state: &state.State{Epoch: 7}}
	times := map[int64]bool{}
	for _, s := range l.series {
		for at := range s.samples {
			times[at] = true
		}
	}
	for _, at := range slices.Sorted(maps.Keys(times)) {
		l.addReading(fake, at)
	}
}

// addReading adds a reading of the series that have a value at a time, and removes those that are
// stale.
func (l *scriptRunner) addReading(fake *fakeCluster, at int64) {
	used := map[state.Key]state.Used{}
	d := state.Delta{Epoch: 7, From: fake.state.Seq, To: fake.state.Seq + 1}
	for i, s := range l.series {
		v, ok := s.samples[at]
		c := &state.Container{Namespace: "ns", Pod: "pod", Name: fmt.Sprint(i), Node: "node"}
		_, known := fake.state.Get(c.Key())
		switch {
		case ok && value.IsStaleNaN(v) && known:
			d.Removes = append(d.Removes, c.Key())
		case ok && !value.IsStaleNaN(v):
			if !known {
				d.Upserts = append(d.Upserts, state.Entry{Seq: d.To, Slot: uint32(i), Object: c})
			}
			used[c.Key()] = state.Used{MemoryBytes: int64(math.Round(v * 1000)), SampledAt: state.Time(scriptEpoch/1000 + at)}
		}
	}
	fake.apply(d)
	d = state.Delta{Epoch: 7, From: fake.state.Seq, To: fake.state.Seq + 1, Usage: &state.Usage{N: d.To, BySlot: make([]state.Used, len(l.series))}}
	for key, u := range used {
		e, _ := fake.state.Get(key)
		d.Usage.BySlot[e.Slot] = u
	}
	fake.apply(d)
	l.api.config.History.Add("", wire.NewLazyState(fake.state), state.Summary{}, time.UnixMilli(scriptEpoch+at*1000))
}

// families returns a family for each loaded name.
func (l *scriptRunner) families() []samples.Family {
	names := map[string]bool{}
	for _, s := range l.series {
		names[s.labels.Get(nameLabel)] = true
	}
	var all []samples.Family
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, samples.Family{
			Name: name, Type: model.MetricTypeGauge, Scope: samples.Details,
			Collect: func(c *samples.Cluster, out *samples.Collector) { l.collect(name, c, out) },
		})
	}
	return all
}

func (l *scriptRunner) collect(name string, c *samples.Cluster, out *samples.Collector) {
	for s := range c.History.Series(state.KindContainer) {
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
		out.Add(samplesOf(s), pairs...)
	}
}

// samplesOf returns the samples of a series in thousandths, shifted by scriptEpoch so that they start at 0.
func samplesOf(series history.Series) samples.Func {
	return func(from, to int64, yield func(samples.Sample) bool) {
		for s := range series.Samples(history.Memory, from+scriptEpoch, to+scriptEpoch) {
			one := samples.Sample{Time: s.Time - scriptEpoch, Value: float64(s.Value) / 1000}
			if s.Stale {
				one.Value = samples.StaleNaN
			}
			if !yield(one) {
				return
			}
		}
	}
}
