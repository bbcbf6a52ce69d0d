package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/state"
)

// snapshotMetrics collects the metrics of the current Version, and the number of pending updates, at each scrape.
type snapshotMetrics struct {
	current                              func() *snapshot.Version
	pending                              func() int
	objects, seq, live, age, inboxLength *prometheus.Desc
}

func newSnapshotMetrics(current func() *snapshot.Version, pending func() int) *snapshotMetrics {
	return &snapshotMetrics{
		current: current, pending: pending,
		objects:     prometheus.NewDesc("rollcall_agent_snapshot_objects", "Objects in the snapshot, by kind.", []string{"kind"}, nil),
		seq:         prometheus.NewDesc("rollcall_agent_snapshot_changes_total", "Changes of the snapshot since the agent started.", nil, nil),
		live:        prometheus.NewDesc("rollcall_agent_section_live", "1 if all watches of a section are established, else 0.", []string{"section"}, nil),
		age:         prometheus.NewDesc("rollcall_agent_section_age_seconds", "Seconds since a section was last confirmed to be up to date; absent if it never was.", []string{"section"}, nil),
		inboxLength: prometheus.NewDesc("rollcall_agent_inbox_length", "Updates that are not in the snapshot yet: objects, sections and readings of usage, the latest of each.", nil, nil),
	}
}

func (m *snapshotMetrics) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.objects, m.seq, m.live, m.age, m.inboxLength} {
		descs <- d
	}
}

func (m *snapshotMetrics) Collect(metrics chan<- prometheus.Metric) {
	v := m.current()
	gauge := func(d *prometheus.Desc, value float64, label string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, label)
	}
	for kind := range state.NumKinds {
		gauge(m.objects, float64(v.State.Len(kind)), kind.String())
	}
	metrics <- prometheus.MustNewConstMetric(m.seq, prometheus.CounterValue, float64(v.State.Seq))
	metrics <- prometheus.MustNewConstMetric(m.inboxLength, prometheus.GaugeValue, float64(m.pending()))
	ages := v.Ages(time.Now())
	for name, status := range v.SectionStatuses {
		section := state.SectionName(name).String()
		gauge(m.live, boolValue(status.Live), section)
		if ages[name] >= 0 {
			gauge(m.age, ages[name].Seconds(), section)
		}
	}
}

// boolValue returns 1 for true and 0 for false.
func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
