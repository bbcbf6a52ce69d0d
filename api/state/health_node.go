package state

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const nodeReady = "Ready"

// badWhenTrue are the conditions of a node that are bad when True: those that
// Kubernetes sets itself, and those of node-problem-detector, whose names begin or end
// as the lists say.
var (
	badWhenTrue       = []string{"MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable", "KernelDeadlock", "ReadonlyFilesystem", "CorruptDockerOverlay2", "CorruptDockerImage"}
	badWhenTruePrefix = []string{"Frequent"}
	badWhenTrueSuffix = []string{"Problem", "Unhealthy", "Pressure"}
	goodWhenTrue      = []string{"Ready", "Healthy", "Available", "IsVoter"}
)

// ConditionHealth is what a condition of a node says of it.
type ConditionHealth uint8

const (
	// ConditionGood: it is as it should be.
	ConditionGood ConditionHealth = iota
	// ConditionBad: it is known to speak against the node.
	ConditionBad
	// ConditionUnrecognized: it is True, and no rule knows whether that is good.
	ConditionUnrecognized
)

// ConditionHealth returns what the condition says of its node. Of the pressure conditions
// Unknown is bad too, as nobody can rule pressure out.
func (c *NodeCondition) Health() ConditionHealth {
	switch {
	case isGoodWhenTrue(c.Type):
		if c.Status == True {
			return ConditionGood
		}
		return ConditionBad
	case isBadWhenTrue(c.Type):
		if c.Status == True || c.Status == Unknown && strings.HasSuffix(c.Type, "Pressure") {
			return ConditionBad
		}
		return ConditionGood
	case c.Status == True:
		return ConditionUnrecognized
	}
	return ConditionGood
}

func isBadWhenTrue(name string) bool {
	return slices.Contains(badWhenTrue, name) ||
		slices.ContainsFunc(badWhenTruePrefix, func(p string) bool { return strings.HasPrefix(name, p) }) ||
		slices.ContainsFunc(badWhenTrueSuffix, func(p string) bool { return strings.HasSuffix(name, p) })
}

// isGoodWhenTrue excludes names such as RuntimeUnhealthy and NetworkUnavailable, which
// end in a good word by accident.
func isGoodWhenTrue(name string) bool {
	return !isBadWhenTrue(name) && !strings.HasSuffix(name, "Unavailable") && !strings.HasSuffix(name, "NotReady") &&
		slices.ContainsFunc(goodWhenTrue, func(p string) bool { return strings.HasSuffix(name, p) })
}

// Condition returns the node's condition of a type, nil for none.
func (n *Node) Condition(name string) *NodeCondition {
	for i := range n.Conditions {
		if n.Conditions[i].Type == name {
			return &n.Conditions[i]
		}
	}
	return nil
}

func (e *evaluator) nodes() {
	for n := range e.state.Nodes() {
		e.node(n)
	}
}

func (e *evaluator) node(n *Node) {
	if n.Ready != True {
		e.nodeDown(n)
		return
	}
	problem := func(s Severity, what string, since Time, message string) finding {
		return finding{
			Problem: Problem{Severity: s, Kind: "Node", What: what, Where: n.Name, Since: since, Message: message, Count: 1},
			node:    n.Name, mute: n.Mute, patience: conditionPatience,
		}
	}
	for i := range n.Conditions {
		c := &n.Conditions[i]
		said := cmp.Or(c.Message, c.Reason)
		switch verdict := c.Health(); {
		case c.Type == nodeReady:
		case verdict == ConditionBad && c.Status != True:
			e.add(problem(SeverityWarning, c.Type, c.Since, strings.TrimSuffix(c.Status.String()+": "+said, ": ")))
		case verdict == ConditionBad:
			e.add(problem(SeverityWarning, c.Type, c.Since, said))
		case verdict == ConditionUnrecognized:
			e.add(problem(SeverityInfo, c.Type, c.Since, said))
		}
	}
	if slices.ContainsFunc(n.Taints, func(t Taint) bool { return t.Key == "node.kubernetes.io/unreachable" && t.Effect == "NoSchedule" }) {
		e.add(problem(SeverityWarning, WhatUnreachable, 0, "the node has the taint node.kubernetes.io/unreachable"))
	}
	if n.FlappingSince != 0 && e.now.Before(n.FlappingUntil.Time()) {
		e.reevaluateAt(n.FlappingUntil.Time())
		e.add(problem(SeverityWarning, WhatFlapping, n.FlappingSince, "Ready has changed at least three times within 15 minutes"))
	}
	if load := e.state.Load(n.Name); load != nil && n.Capacity.Pods > 0 && load.Pods*100 > n.Capacity.Pods*crowdedNode {
		e.add(problem(SeverityInfo, WhatTooManyPods, 0, fmt.Sprintf("%d pods of at most %d", load.Pods, n.Capacity.Pods)))
	}
}

// nodeDown adds the one finding of a node that is not ready, whatever else its
// conditions say. Its pods are counted with it later.
func (e *evaluator) nodeDown(n *Node) {
	f := finding{
		Problem: Problem{Severity: SeverityCritical, Kind: "Node", What: WhatNotReady, Where: n.Name, Since: cmp.Or(n.NotReadySince, n.CreatedAt), Message: "the kubelet has not reported yet", Count: 1},
		node:    n.Name, mute: n.Mute, patience: nodePatience,
	}
	if c := n.Condition(nodeReady); c != nil {
		f.Since, f.Message = cmp.Or(n.NotReadySince, c.Since, n.CreatedAt), cmp.Or(c.Message, c.Reason)
	}
	if grown := n.CreatedAt.Time().Add(youngNode); n.CreatedAt != 0 && e.now.Before(grown) {
		f.Severity = SeverityInfo
		e.reevaluateAt(grown)
	}
	e.down[n.Name] = len(e.found)
	e.add(f)
}

// overcommit adds that the requests of all pods, also of those that wait for a node,
// would not fit if the largest node were lost, or on the only one there is
// (KubeCPUOvercommit and KubeMemoryOvercommit of kubernetes-mixin).
func (e *evaluator) overcommit(sum *Summary) {
	if sum.Nodes.Total == 0 {
		return
	}
	total := Resources{CPUMillis: sum.Requested.CPUMillis, MemoryBytes: sum.Requested.MemoryBytes}
	for p := range e.state.Pods() {
		if p.Node == "" && !p.Phase.Finished() {
			total.CPUMillis = SaturatingAdd(total.CPUMillis, p.Requested.CPUMillis)
			total.MemoryBytes = SaturatingAdd(total.MemoryBytes, p.Requested.MemoryBytes)
		}
	}
	var largestCPU, largestMemory int64
	for n := range e.state.Nodes() {
		largestCPU, largestMemory = max(largestCPU, n.Allocatable.CPUMillis), max(largestMemory, n.Allocatable.MemoryBytes)
	}
	check := func(what, name string, requested, allocatable, largest int64) {
		left, message := allocatable-largest, "the requests of all pods do not fit any more if the largest node is lost"
		if left <= 0 || requested > allocatable {
			left, message = allocatable, "the requests of all pods, with those that wait for a node, are more than all nodes have"
		}
		if requested > left {
			e.add(finding{Problem: Problem{Severity: SeverityWarning, Kind: "Cluster", What: what, Where: name, Count: 1, Message: message}})
		}
	}
	check(WhatCPUOvercommit, "cpu", total.CPUMillis, sum.Allocatable.CPUMillis, largestCPU)
	check(WhatMemoryOvercommit, "memory", total.MemoryBytes, sum.Allocatable.MemoryBytes, largestMemory)
}
