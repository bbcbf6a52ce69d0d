package oracle

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"rollcall.dev/rollcall/api/state"
)

// Patterns in the output of kubectl describe node.
var (
	describedNode      = regexp.MustCompile(`(?m)^Name:\s+(\S+)$`)
	describedPods      = regexp.MustCompile(`(?m)^Non-terminated Pods:\s+\((\d+) in total\)$`)
	describedAmount    = regexp.MustCompile(`(?m)^  (\S+)\s+(\S+)(?: \(\d+%\))?\s+(\S+)(?: \(\d+%\))?$`)
	describedSeparator = regexp.MustCompile(`(?m)^  -+\s.*$`)
)

// describedNodes returns requests and limits of each resource and the number of pods of each
// node as in `kubectl describe node`, by node and resource, in base units.
func describedNodes() (map[string]string, error) {
	out, err := env.cluster.Kubectl("describe", "nodes")
	if err != nil {
		return nil, err
	}
	amounts := map[string]string{}
	for _, text := range strings.Split("\n"+out, "\nName:")[1:] {
		name := describedNode.FindStringSubmatch("Name:" + text)
		pods := describedPods.FindStringSubmatch(text)
		_, table, found := strings.Cut(text, "Allocated resources:")
		if name == nil || pods == nil || !found {
			return nil, fmt.Errorf("kubectl describe node: cannot parse %q", text)
		}
		amounts[name[1]+" pods"] = pods[1]
		table, _, _ = strings.Cut(table, "\nEvents:")
		if separator := describedSeparator.FindStringIndex(table); separator != nil {
			table = table[separator[1]:]
		}
		for _, row := range describedAmount.FindAllStringSubmatch(table, -1) {
			requests, err := amountOf(row[1], row[2])
			if err != nil {
				return nil, err
			}
			limits, err := amountOf(row[1], row[3])
			if err != nil {
				return nil, err
			}
			addAmount(amounts, name[1], row[1], requests, limits)
		}
	}
	return amounts, nil
}

// amountOf parses an amount that kubectl prints. It returns base units: millicores for CPU.
func amountOf(name, text string) (int64, error) {
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return 0, fmt.Errorf("kubectl describe node: parse %s %q: %w", name, text, err)
	}
	if name == "cpu" {
		return q.MilliValue(), nil
	}
	return q.Value(), nil
}

// addAmount adds an amount unless it is zero: kubectl lists the resources of
// the node, Rollcall those that pods request.
func addAmount(amounts map[string]string, node, name string, requests, limits int64) {
	if requests != 0 || limits != 0 {
		amounts[node+" "+name] = fmt.Sprintf("requests %d, limits %d", requests, limits)
	}
}

// compareNodes compares the requests, limits and numbers of pods of all nodes.
func compareNodes(ctx context.Context) ([]string, error) {
	want, err := describedNodes()
	if err != nil {
		return nil, err
	}
	d, err := getDocument(ctx)
	if err != nil {
		return nil, err
	}
	got := map[string]string{}
	for _, n := range d.Nodes {
		load := n.NodeLoad
		if load == nil {
			load = &state.NodeLoad{}
		}
		got[n.Name+" pods"] = strconv.FormatInt(load.Pods, 10)
		addAmount(got, n.Name, "cpu", load.Requested.CPUMillis, load.Limits.CPUMillis)
		addAmount(got, n.Name, "memory", load.Requested.MemoryBytes, load.Limits.MemoryBytes)
		addAmount(got, n.Name, "ephemeral-storage", load.Requested.EphemeralStorageBytes, load.Limits.EphemeralStorageBytes)
		names := map[string]bool{}
		for _, extended := range []map[string]int64{load.Requested.Extended, load.Limits.Extended} {
			for name := range extended {
				names[name] = true
			}
		}
		for name := range names {
			addAmount(got, n.Name, name, load.Requested.Extended[name], load.Limits.Extended[name])
		}
	}
	return differencesOf("node", "kubectl describe", got, want), nil
}
