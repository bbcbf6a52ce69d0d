package oracle

import (
	"fmt"
	"regexp"
	"slices"
	"sync"
)

// meantDifference is a difference from kube-state-metrics that is meant, and why.
type meantDifference struct {
	// family is a regular expression of names of series, all of a name.
	family string
	// label is left out of the comparison where it is set. Else lines are differences that
	// do not count: a regular expression, found in the line that tells of one; all if empty.
	label, line string
	reason      string
}

// Reasons of several entries.
const (
	beingChanged = "being changed: "
	notKept      = "Rollcall does not keep it"
	ownSeries    = "kube-state-metrics has no such series"
)

// meant are all differences that are meant. One that there is no more fails the test.
var meant = []meantDifference{
	{family: "namespace_workload_pod:kube_pod_owner:relabel", reason: "a rule of kubernetes-mixin records it, which needs ReplicaSets"},
	{family: "kube_pod_(init_)?container_.*", line: `container="stranger"`, reason: "containers are those of the spec; the API server's table counts others too"},
	{family: "kube_pod_(tolerations|scheduler|service_account|runtimeclass_name_info|overhead_.*|spec_volumes_persistentvolumeclaims_readonly)", reason: notKept},
	{family: "kube_pod_status_(ready_time|initialized_time|container_ready_time|scheduled_time|unscheduled_time)", reason: notKept},
	{family: "kube_persistentvolumeclaim_access_mode", reason: notKept},
	{family: "kube_node_info", label: "kubeproxy_version", reason: beingChanged + "kube-state-metrics always says deprecated"},

	{family: "kube_(pod|service)_.*", label: "uid", reason: beingChanged + "missing"},
	{family: "kube_node_info", label: "architecture", reason: beingChanged + "too many"},
	{family: "kube_node_info", label: "instance_type", reason: beingChanged + "too many"},
	{family: "kube_node_info", label: "region", reason: beingChanged + "too many"},
	{family: "kube_node_info", label: "zone", reason: beingChanged + "too many"},
	{family: "kube_node_info", label: "pod_cidr", reason: beingChanged + "missing"},
	{family: "kube_node_info", label: "internal_ip", reason: beingChanged + "kube-state-metrics has the last of the addresses, Rollcall the first"},
	{family: "kube_node_status_addresses", reason: beingChanged + "missing"},
	{family: "kube_persistentvolume_.*", reason: beingChanged + "missing"},
	{family: "kube_persistentvolumeclaim_(created|resource_requests_storage_bytes|status_phase)", reason: beingChanged + "missing"},
	{family: "kube_persistentvolumeclaim_info", label: "volumemode", reason: beingChanged + "missing"},
	{family: "kube_persistentvolumeclaim_info", label: "volumename", reason: beingChanged + "missing"},
	{family: "kube_persistentvolumeclaim_info", line: "^only kube-state-metrics", reason: beingChanged + "only claims that pods mount"},
	{family: "kube_pod_(completion_time|deletion_timestamp|ips|restart_policy|start_time|status_ready|status_scheduled)", reason: beingChanged + "missing"},
	{family: "kube_pod_container_status_last_terminated_timestamp", reason: beingChanged + "missing"},
	{family: "kube_pod_init_container_(state_started|status_last_terminated_exitcode)", line: "^only Rollcall", reason: beingChanged + ownSeries},
	{family: "kube_pod_(init_)?container_info", label: "container_id", reason: notKept},
	{family: "kube_pod_(init_)?container_info", label: "image", reason: beingChanged + "the spec's instead of the status's"},
	{family: "kube_pod_init_container_info", label: "restart_policy", reason: beingChanged + "missing"},
	{family: "kube_pod_(init_)?container_(info|status_.*)", line: "^only Rollcall", reason: beingChanged + "containers without a status have series"},
	{family: "kube_pod_(init_)?container_status_(terminated|waiting|last_terminated)_reason", line: `^only kube-state-metrics: .*pod="[^"]*"} 1$`, reason: beingChanged + "an empty reason has no series"},
	{family: "kube_pod_container_resource_requests", line: `pod="resizing"`, reason: beingChanged + "what is in force instead of the spec's, during a resize"},
	{family: "kube_pod_info", label: "host_ip", reason: beingChanged + "missing"},
	{family: "kube_pod_info", label: "priority_class", reason: beingChanged + "missing"},
	{family: "kube_pod_info", label: "created_by_kind", reason: beingChanged + "the workload instead of the controller"},
	{family: "kube_pod_info", label: "created_by_name", reason: beingChanged + "the workload instead of the controller"},
	{family: "kube_pod_owner", label: "owner_kind", reason: beingChanged + "the workload instead of the controller"},
	{family: "kube_pod_owner", label: "owner_name", reason: beingChanged + "the workload instead of the controller"},
	{family: "kube_pod_owner", label: "owner_is_controller", reason: beingChanged + "pods without a controller have an owner"},
	{family: "kube_pod_spec_volumes_persistentvolumeclaims_info", label: "volume", reason: beingChanged + "missing"},
	{family: "kube_pod_spec_volumes_persistentvolumeclaims_info", label: "mount_path", reason: beingChanged + "too many"},
	{family: "kube_pod_status_reason", reason: beingChanged + "all reasons, and not each of kube-state-metrics' with 0 or 1"},
	{family: "kube_pod_status_unschedulable", line: "^only kube-state-metrics", reason: beingChanged + "not those with scheduling gates, nor those that have a node"},
	{family: "kube_service_.*", reason: beingChanged + "only Services that take ports, without their labels"},
}

// meantDifferences knows which of the list have been seen.
type meantDifferences struct {
	rules []rule
	mu    sync.Mutex
	seen  map[int]bool
}

// rule is a meantDifference that can be matched.
type rule struct {
	family, line *regexp.Regexp
	label        string
}

func newMeantDifferences() *meantDifferences {
	m := &meantDifferences{seen: map[int]bool{}}
	for _, d := range meant {
		m.rules = append(m.rules, rule{regexp.MustCompile("^(?:" + d.family + ")$"), regexp.MustCompile(d.line), d.label})
	}
	return m
}

// unused lists what was not seen in any comparison.
func (m *meantDifferences) unused() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var lines []string
	for i, d := range meant {
		if !m.seen[i] {
			lines = append(lines, fmt.Sprintf("family %s, label %q, line %q: %s", d.family, d.label, d.line, d.reason))
		}
	}
	return lines
}

// begin is one comparison. What it sees counts once it is committed: while the cluster
// changes there are differences that mean nothing.
func (m *meantDifferences) begin() *comparison {
	return &comparison{m, map[int]bool{}}
}

type comparison struct {
	meant *meantDifferences
	seen  map[int]bool
}

func (c *comparison) commit() {
	c.meant.mu.Lock()
	defer c.meant.mu.Unlock()
	for i := range c.seen {
		c.meant.seen[i] = true
	}
}

// labels are those of a family that may differ.
func (c *comparison) labels(name string, got, want family) []string {
	var labels []string
	for i, r := range c.meant.rules {
		if r.label == "" || !r.family.MatchString(name) {
			continue
		}
		labels = append(labels, r.label)
		if !slices.Equal(got.valuesOf(r.label), want.valuesOf(r.label)) {
			c.seen[i] = true
		}
	}
	return labels
}

// unmeant are those differences of a family that count.
func (c *comparison) unmeant(name string, lines []string) []string {
	var of []int
	for i, r := range c.meant.rules {
		if r.label == "" && r.family.MatchString(name) {
			of = append(of, i)
		}
	}
	return slices.DeleteFunc(lines, func(line string) bool {
		at := slices.IndexFunc(of, func(i int) bool { return c.meant.rules[i].line.MatchString(line) })
		if at >= 0 {
			c.seen[of[at]] = true
		}
		return at >= 0
	})
}
