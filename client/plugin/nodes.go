package plugin

import (
	"strings"
	"time"

	"github.com/spf13/cobra"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/client"
)

func (p *plugin) nodes() *cobra.Command {
	return addList(p, resource[state.NodeView]{
		kind:     nodeKind,
		filters:  []string{"node", "state", "query"},
		query:    queryList(func(c *client.Client) client.ListFunc[state.NodeView] { return c.Nodes }),
		newCache: watchList(client.Nodes, (*client.Cache).Nodes, func(h client.Handler[state.NodeView]) client.Handlers { return client.Handlers{Node: h} }),
		states:   []string{"Ready", "NotReady", "Unknown"},
	}, &cobra.Command{
		Use:   "nodes [cluster...]",
		Short: "List nodes, their status and load",
		Example: `  # List the nodes of prod-eu with their requests and usage
  kubectl rollcall nodes prod-eu

  # List the nodes of all clusters that are not ready
  kubectl rollcall nodes --state NotReady

  # Sort nodes by requested CPU
  kubectl rollcall nodes prod-eu --sort-by .status.requested.cpuMillis`,
	})
}

var nodeKind = &kind[state.NodeView]{
	kind: "Node", plural: "nodes",
	name:      func(n *state.NodeView) string { return n.Name },
	namespace: func(*state.NodeView) string { return "" },
	columns: []column[state.NodeView]{
		{"Name", false, func(n *state.NodeView, _ time.Time) string { return n.Name }},
		{"Status", false, func(n *state.NodeView, _ time.Time) string { return nodeStatus(n) }},
		{"Roles", false, func(n *state.NodeView, _ time.Time) string { return strings.Join(n.Roles, ",") }},
		{"Pods", false, func(n *state.NodeView, _ time.Time) string { return ratio(n.NodeLoad.Pods, n.Allocatable.Pods) }},
		{"CPU-Req", false, func(n *state.NodeView, _ time.Time) string { return nodeDisplay(n).CPURequested }},
		{"Mem-Req", false, func(n *state.NodeView, _ time.Time) string { return nodeDisplay(n).MemoryRequested }},
		{"CPU", false, func(n *state.NodeView, _ time.Time) string { return orUnknown(nodeDisplay(n).CPUUsed) }},
		{"Mem", false, func(n *state.NodeView, _ time.Time) string { return orUnknown(nodeDisplay(n).MemoryUsed) }},
		{"Age", false, func(n *state.NodeView, now time.Time) string { return since(n.CreatedAt.Time(), now) }},
		{"Version", false, func(n *state.NodeView, _ time.Time) string { return n.KubeletVersion }},
		{"Internal-IP", true, func(n *state.NodeView, _ time.Time) string { return addresses(n, "InternalIP") }},
		{"External-IP", true, func(n *state.NodeView, _ time.Time) string { return addresses(n, "ExternalIP") }},
		{"Zone", true, func(n *state.NodeView, _ time.Time) string { return n.Zone }},
		{"Instance-Type", true, func(n *state.NodeView, _ time.Time) string { return n.InstanceType }},
		{"OS-Image", true, func(n *state.NodeView, _ time.Time) string { return n.OSImage }},
		{"Kernel-Version", true, func(n *state.NodeView, _ time.Time) string { return n.KernelVersion }},
		{"Container-Runtime", true, func(n *state.NodeView, _ time.Time) string { return n.ContainerRuntime }},
	},
}

// nodeStatus returns a node's status as kubectl prints it, with its failing conditions.
func nodeStatus(n *state.NodeView) string {
	status := []string{"NotReady"}
	if n.Ready == state.True {
		status[0] = "Ready"
	}
	for i := range n.Conditions {
		c := &n.Conditions[i]
		switch {
		case c.Type == "Ready" || c.Health() != state.ConditionBad:
		case c.Status == state.True:
			status = append(status, c.Type)
		default:
			status = append(status, c.Type+"="+c.Status.String())
		}
	}
	if !n.Schedulable {
		status = append(status, "SchedulingDisabled")
	}
	return strings.Join(status, ",")
}

// nodeDisplay returns the percentages of a node. They are rounded as in all other tables.
func nodeDisplay(n *state.NodeView) state.Display {
	sum := state.Summary{Allocatable: n.Allocatable, Requested: n.Requested}
	if n.Used != nil {
		sum.Used = &state.UsedSum{CPUMillis: n.Used.CPUMillis, MemoryBytes: n.Used.MemoryBytes}
	}
	return state.DisplayOf(sum)
}

func addresses(n *state.NodeView, kind string) string {
	var matching []string
	for _, a := range n.Addresses {
		if a.Type == kind {
			matching = append(matching, a.Address)
		}
	}
	return strings.Join(matching, ",")
}
