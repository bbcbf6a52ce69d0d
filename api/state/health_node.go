package state

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const nodeReady = "Ready"

// badWhenTrue lists the node conditions that are bad when True: those of Kubernetes itself and
// those of node-problem-detector. badWhenTruePrefix and badWhenTrueSuffix match the others by
// name.
var (
	badWhenTrue       = []string{"MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable", "KernelDeadlock", "ReadonlyFilesystem", "CorruptDockerOverlay2", "CorruptDockerImage"}
	badWhenTruePrefix = []string{"Frequent"}
	badWhenTrueSuffix = []string{"Problem", "Unhealthy", "Pressure"}
	goodWhenTrue      = []string{"Ready", "Healthy", "Available", "IsVoter"}
)

// ConditionHealth says what a node's condition means for the node.
type ConditionHealth uint8

const (
	// ConditionGood means that the condition is as it should be.
	ConditionGood ConditionHealth = iota
	// ConditionBad means that the condition is known to be bad.
	ConditionBad
	// ConditionUnrecognized means that the condition is True and no rule knows whether that is
	// good.
	ConditionUnrecognized
)

// Health returns what the condition means for its node. Unknown is bad for pressure conditions, as
// pressure cannot be ruled out.
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

// isGoodWhenTrue excludes names such as RuntimeUnhealthy and NetworkUnavailable, which end with a
// good word.
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
			node:    n.Name, mute: n.Mute, threshold: conditionThreshold,
		}
	}
	for i := range n.Conditions {
		c := &n.Conditions[i]
		message := cmp.Or(c.Message, c.Reason)
		switch verdict := c.Health(); {
		case c.Type == nodeReady:
		case verdict == ConditionBad && c.Status != True:
			e.add(problem(SeverityWarning, c.Type, c.Since, strings.TrimSuffix(c.Status.String()+": "+message, ": ")))
		case verdict == ConditionBad:
			e.add(problem(SeverityWarning, c.Type, c.Since, message))
		case verdict == ConditionUnrecognized:
			e.add(problem(SeverityInfo, c.Type, c.Since, message))
		}
	}
	if slices.ContainsFunc(n.Taints, func(t Taint) bool { return t.Key == "node.kubernetes.io/unreachable" && t.Effect == "NoSchedule" }) {
		e.add(problem(SeverityWarning, WhatUnreachable, 0, "the node has the taint node.kubernetes.io/unreachable"))
	}
	if n.FlappingSince != 0 && e.now.Before(n.FlappingUntil.Time()) {
		e.reevaluateAt(n.FlappingUntil.Time())
		e.add(problem(SeverityWarning, WhatFlapping, n.FlappingSince, "Ready changed at least three times within 15 minutes"))
	}
	if load := e.state.Load(n.Name); load != nil && n.Capacity.Pods > 0 && load.Pods*100 > n.Capacity.Pods*nearlyFullPercent {
		e.add(problem(SeverityInfo, WhatTooManyPods, 0, fmt.Sprintf("the node has %d pods, the limit is %d", load.Pods, n.Capacity.Pods)))
	}
}

// nodeDown adds the single finding of a node that is not ready, whatever its other conditions are.
// Its pods are counted in this finding later.
func (e *evaluator) nodeDown(n *Node) {
	f := finding{
		Problem: Problem{Severity: SeverityCritical, Kind: "Node", What: WhatNotReady, Where: n.Name, Since: cmp.Or(n.NotReadySince, n.CreatedAt), Message: "the kubelet has not reported yet", Count: 1},
		node:    n.Name, mute: n.Mute, threshold: nodeThreshold,
	}
	if c := n.Condition(nodeReady); c != nil {
		f.Since, f.Message = cmp.Or(n.NotReadySince, c.Since, n.CreatedAt), cmp.Or(c.Message, c.Reason)
	}
	if started := n.CreatedAt.Time().Add(nodeStartupTime); n.CreatedAt != 0 && e.now.Before(started) {
		f.Severity = SeverityInfo
		e.reevaluateAt(started)
	}
	e.down[n.Name] = len(e.found)
	e.add(f)
}

// overcommit adds a finding if the requests of all pods, including unscheduled ones, would not fit
// after the loss of the largest node, or do not fit the only node (KubeCPUOvercommit and
// KubeMemoryOvercommit of kubernetes-mixin).
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
		left, message := allocatable-largest, "the requests of all pods would not fit if the largest node were lost"
		if left <= 0 || requested > allocatable {
			left, message = allocatable, "the requests of all pods, including unscheduled ones, exceed the allocatable resources of all nodes"
		}
		if requested > left {
			e.add(finding{Problem: Problem{Severity: SeverityWarning, Kind: "Cluster", What: what, Where: name, Count: 1, Message: message}})
		}
	}
	check(WhatCPUOvercommit, "cpu", total.CPUMillis, sum.Allocatable.CPUMillis, largestCPU)
	check(WhatMemoryOvercommit, "memory", total.MemoryBytes, sum.Allocatable.MemoryBytes, largestMemory)
}
