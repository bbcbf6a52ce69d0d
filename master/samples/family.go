package samples

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
)

// Family is a metric of Prometheus.
type Family struct {
	Name, Help string
	Type       model.MetricType
	Scope      Scope
	// Job has the names and values of the labels that a scrape would add.
	Job []string
	// Collect adds the series of one cluster.
	Collect func(c *Cluster, out *Collector)
}

// Scope is what the series of a Family reveal of a cluster.
type Scope uint8

const (
	// Summary is for the counts of the cluster's summary and the status of its session.
	Summary Scope = iota
	// Details is for everything else.
	Details
)

// These are the labels of the scrapes that common dashboards expect.
var (
	kubeStateLabels = []string{"job", "kube-state-metrics"}
	cadvisorLabels  = []string{"job", "kubelet", "metrics_path", "/metrics/cadvisor"}
	resourceLabels  = []string{"job", "kubelet", "metrics_path", "/metrics/resource"}
	kubeletLabels   = []string{"job", "kubelet", "metrics_path", "/metrics"}
	rollcallLabels  = []string{"job", "rollcall"}
)

// Families are all metrics, sorted by name.
var Families = sortFamilies(nodeFamilies(), podFamilies(), containerFamilies(), usageFamilies(), clusterFamilies(), portFamilies(),
	serviceFamilies(), storageFamilies(), kubeletFamilies(), problemFamilies(), mixinFamilies())

func sortFamilies(parts ...[]Family) []Family {
	all := slices.Concat(parts...)
	slices.SortFunc(all, func(a, b Family) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// FamilyOf returns the Family with a name, nil if there is none.
func FamilyOf(name string) *Family {
	i, ok := slices.BinarySearchFunc(Families, name, func(f Family, name string) int { return strings.Compare(f.Name, name) })
	if !ok {
		return nil
	}
	return &Families[i]
}

// Encoder receives the series of a Family.
type Encoder interface {
	// Add adds a series. labels has the names and values of the labels besides the Job of the Family and the cluster; a
	// label with an empty value is to be left out. The slice may be overwritten after the call.
	Add(samples Func, labels []string)
	// AddUnique adds a series unless one with the same labels was added since the last ResetUnique.
	AddUnique(samples Func, labels []string)
	// ResetUnique is called before the series of each object.
	ResetUnique()
}

// Collector passes series to an Encoder.
type Collector struct {
	to     Encoder
	labels []string // of the last series
}

// NewCollector returns a Collector. It can be used for any number of families, one after the other.
func NewCollector(to Encoder) *Collector { return &Collector{to: to} }

// Add passes a series on. labels are names and values; empty values mean no label.
func (c *Collector) Add(s Func, labels ...string) {
	c.labels = append(c.labels[:0], labels...)
	c.to.Add(s, c.labels)
}

func (c *Collector) addUnique(s Func, labels ...string) {
	c.labels = append(c.labels[:0], labels...)
	c.to.AddUnique(s, c.labels)
}

func (c *Collector) resetUnique() { c.to.ResetUnique() }

// valueOf returns the value of a label in a list of names and values, "" if it is missing.
func valueOf(name string, labels []string) string {
	for i := 0; i < len(labels); i += 2 {
		if labels[i] == name {
			return labels[i+1]
		}
	}
	return ""
}

// addFunc adds a series of an object. Its value is constant since the object last changed.
type addFunc func(value float64, pairs ...string)

// objectSeries returns a collect function that calls f for each object of a kind. If f adds the
// same labels twice for an object, as its lists can have duplicates, the first series wins.
func objectSeries[T state.Object](kind state.Kind, f func(o T, add addFunc)) func(*Cluster, *Collector) {
	return objectSeriesIn(kind, func(_ *state.State, o T, add addFunc) { f(o, add) })
}

// objectSeriesIn is objectSeries for series that depend on other objects too.
func objectSeriesIn[T state.Object](kind state.Kind, f func(s *state.State, o T, add addFunc)) func(*Cluster, *Collector) {
	return func(c *Cluster, out *Collector) {
		s := c.state()
		if s == nil {
			return
		}
		for e := range s.Entries(kind) {
			constant := c.entryInterval(e).constant
			out.resetUnique()
			f(s, e.Object.(T), func(value float64, pairs ...string) { out.addUnique(constant(value), pairs...) })
		}
	}
}

// addTime adds a series with a time in Unix seconds, unless it is zero.
func addTime(add addFunc, at state.Time, pairs ...string) {
	if at != 0 {
		add(float64(at), pairs...)
	}
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// addEnum adds a series for each of values, in the label named label: 1 for the current value, 0
// for all others.
func addEnum(add addFunc, current string, values []string, label string, pairs ...string) {
	for _, value := range values {
		add(boolValue(value == current), append(slices.Clip(pairs), label, value)...)
	}
}
