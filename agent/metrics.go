package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/state"
)

// snapshotMetrics are read off the present Version, and what waits to be in the next one,
// at each scrape.
type snapshotMetrics struct {
	current                       func() *snapshot.Version
	waiting                       func() int
	objects, seq, live, at, inbox *prometheus.Desc
}

func newSnapshotMetrics(current func() *snapshot.Version, waiting func() int) *snapshotMetrics {
	return &snapshotMetrics{
		current: current, waiting: waiting,
		objects: prometheus.NewDesc("rollcall_agent_snapshot_objects", "Objects in the snapshot, by kind.", []string{"kind"}, nil),
		seq:     prometheus.NewDesc("rollcall_agent_snapshot_changes_total", "Changes of the snapshot since the agent began.", nil, nil),
		live:    prometheus.NewDesc("rollcall_agent_section_live", "1 where all of a section is watched right now.", []string{"section"}, nil),
		at:      prometheus.NewDesc("rollcall_agent_section_age_seconds", "How long ago a section was last known to be true; absent: never.", []string{"section"}, nil),
		inbox:   prometheus.NewDesc("rollcall_agent_inbox_length", "Objects, sections and readings of usage that came in and are not in the snapshot yet, the latest of each.", nil, nil),
	}
}

func (m *snapshotMetrics) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.objects, m.seq, m.live, m.at, m.inbox} {
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
	metrics <- prometheus.MustNewConstMetric(m.inbox, prometheus.GaugeValue, float64(m.waiting()))
	ages := v.Ages(time.Now())
	for name, r := range v.SectionStatuses {
		section := state.SectionName(name).String()
		gauge(m.live, one(r.Live), section)
		if ages[name] >= 0 {
			gauge(m.at, ages[name].Seconds(), section)
		}
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
