package oracle

import (
	"fmt"
	"regexp"
	"slices"
	"sync"
)

// intendedDifference is an intended difference from kube-state-metrics, with its reason.
type intendedDifference struct {
	// family is a regular expression that must match the whole name of a series.
	family string
	// label, if it is set, is left out of the comparison. Otherwise differences whose text matches the regular expression
	// line are ignored; an empty one matches all.
	label, line string
	reason      string
}

// Reasons of more than one entry.
const (
	missing   = "Rollcall has no such series or label"
	ownSeries = "kube-state-metrics has no such series"
	byDesign  = "see docs/PROMETHEUS.md, \"Differences from the originals\""
)

// intended lists all intended differences. The test fails if an entry no longer applies.
var intended = []intendedDifference{
	{family: "kube_pod_(init_)?container_.*", line: `container="unlisted"`, reason: "Rollcall lists the containers of the spec; the API server's table also counts others"},
	{family: "(cluster|namespace):.*|namespace_.*", line: "^only Rollcall", reason: "rules of kubernetes-mixin record them"},
	{family: "kube_persistentvolume_info", reason: byDesign},
	{family: "kube_persistentvolume_volume_mode", reason: missing},
	{family: "kube_service_(spec_external_ip|status_load_balancer_ingress)", reason: "rollcall_port_info has them, for each port"},
	{family: "kube_pod_(init_)?container_info", line: `pod="(init-)?stateless"`, reason: "Rollcall uses the image of the spec if the status has none"},
	{family: "kube_node_info", label: "architecture", reason: byDesign},
	{family: "kube_node_info", label: "instance_type", reason: byDesign},
	{family: "kube_node_info", label: "region", reason: byDesign},
	{family: "kube_node_info", label: "zone", reason: byDesign},
	{family: "kube_pod_init_container_(state_started|status_last_terminated_exitcode|status_last_terminated_timestamp)", line: "^only Rollcall", reason: ownSeries},
	{family: "kube_pod_(tolerations|scheduler|service_account|runtimeclass_name_info|overhead_.*|spec_volumes_persistentvolumeclaims_readonly)", reason: missing},
	{family: "kube_pod_status_(ready_time|initialized_time|container_ready_time|scheduled_time|unscheduled_time)", reason: missing},
	{family: "kube_persistentvolumeclaim_access_mode", reason: missing},

	{family: "kube_pod_(init_)?container_info", label: "container_id", reason: missing},
}

// intendedDifferences records which intended differences were found in a comparison.
type intendedDifferences struct {
	rules []rule
	mu    sync.Mutex
	found map[int]bool
}

// rule is a compiled intendedDifference.
type rule struct {
	family, line *regexp.Regexp
	label        string
}

// newIntendedDifferences compiles all intended differences.
func newIntendedDifferences() *intendedDifferences {
	m := &intendedDifferences{found: map[int]bool{}}
	for _, d := range intended {
		m.rules = append(m.rules, rule{regexp.MustCompile("^(?:" + d.family + ")$"), regexp.MustCompile(d.line), d.label})
	}
	return m
}

// unused describes the entries that were not found in any comparison.
func (m *intendedDifferences) unused() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var lines []string
	for i, d := range intended {
		if !m.found[i] {
			lines = append(lines, fmt.Sprintf("family %s, label %q, line %q: %s", d.family, d.label, d.line, d.reason))
		}
	}
	return lines
}

// startComparison starts a comparison. Its differences are recorded when it is committed, since differences
// are meaningless while the cluster changes.
func (m *intendedDifferences) startComparison() *comparison {
	return &comparison{m, map[int]bool{}}
}

// comparison records the intended differences of one comparison.
type comparison struct {
	intended *intendedDifferences
	found    map[int]bool
}

// commit records the differences that were found.
func (c *comparison) commit() {
	c.intended.mu.Lock()
	defer c.intended.mu.Unlock()
	for i := range c.found {
		c.intended.found[i] = true
	}
}

// labels returns the labels of a family that may differ.
func (c *comparison) labels(name string, got, want family) []string {
	var labels []string
	for i, r := range c.intended.rules {
		if r.label == "" || !r.family.MatchString(name) {
			continue
		}
		labels = append(labels, r.label)
		if !slices.Equal(got.valuesOf(r.label), want.valuesOf(r.label)) {
			c.found[i] = true
		}
	}
	return labels
}

// unintended returns the differences of a family that are not listed as intended.
func (c *comparison) unintended(name string, lines []string) []string {
	var of []int
	for i, r := range c.intended.rules {
		if r.label == "" && r.family.MatchString(name) {
			of = append(of, i)
		}
	}
	return slices.DeleteFunc(lines, func(line string) bool {
		at := slices.IndexFunc(of, func(i int) bool { return c.intended.rules[i].line.MatchString(line) })
		if at >= 0 {
			c.found[of[at]] = true
		}
		return at >= 0
	})
}
