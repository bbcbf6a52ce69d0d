package plugin

import (
	"cmp"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/client"
)

func (p *plugin) containers() *cobra.Command {
	return addList(p, resource[state.ContainerView]{
		kind:     containerKind,
		filters:  []string{"namespace", "node", "pod", "owner", "state", "kind", "query"},
		query:    queryList(func(c *client.Client) client.ListFunc[state.ContainerView] { return c.Containers }),
		newCache: watchList(client.Containers, (*client.Cache).Containers, func(h client.Handler[state.ContainerView]) client.Handlers { return client.Handlers{Container: h} }),
		states:   []string{"running", "waiting", "terminated", "unknown"},
		kinds:    []string{"main", "init", "sidecar", "ephemeral"},
	}, &cobra.Command{
		Use:   "containers [cluster...]",
		Short: "List containers, their state and usage",
		Example: `  # List waiting containers and their reasons
  kubectl rollcall containers prod-eu --state waiting

  # List containers that ran out of memory, in all clusters
  kubectl rollcall containers -q OOMKilled -o wide

  # List the containers of an image
  kubectl rollcall containers -q registry.example/web:1.7 -o name`,
	})
}

var containerKind = &kind[state.ContainerView]{
	kind: "Container", plural: "containers",
	name:      func(c *state.ContainerView) string { return c.Pod + "/" + c.Name },
	namespace: func(c *state.ContainerView) string { return c.Namespace },
	columns: []column[state.ContainerView]{
		{namespaceColumn, false, func(c *state.ContainerView, _ time.Time) string { return c.Namespace }},
		{"Pod", false, func(c *state.ContainerView, _ time.Time) string { return c.Pod }},
		{"Name", false, func(c *state.ContainerView, _ time.Time) string { return c.Name }},
		{"Kind", false, func(c *state.ContainerView, _ time.Time) string { return c.Kind.String() }},
		{"State", false, func(c *state.ContainerView, _ time.Time) string { return containerState(c) }},
		{"Ready", false, func(c *state.ContainerView, _ time.Time) string { return fmt.Sprint(c.Ready) }},
		{"Restarts", false, func(c *state.ContainerView, now time.Time) string { return restarts(c, now) }},
		{"CPU", false, func(c *state.ContainerView, _ time.Time) string { return usedCPU(c.Used) }},
		{"Mem", false, func(c *state.ContainerView, _ time.Time) string { return usedMemory(c.Used) }},
		{"Node", false, func(c *state.ContainerView, _ time.Time) string { return c.Node }},
		{"Age", false, func(c *state.ContainerView, now time.Time) string { return since(c.StartedAt.Time(), now) }},
		{"Last", true, func(c *state.ContainerView, _ time.Time) string { return lastEnd(c) }},
		{"CPU-Req", true, func(c *state.ContainerView, _ time.Time) string { return millis(c.Requests.CPUMillis) }},
		{"CPU-Lim", true, func(c *state.ContainerView, _ time.Time) string { return millis(c.Limits.CPUMillis) }},
		{"Mem-Req", true, func(c *state.ContainerView, _ time.Time) string { return mebibytes(c.Requests.MemoryBytes) }},
		{"Mem-Lim", true, func(c *state.ContainerView, _ time.Time) string { return mebibytes(c.Limits.MemoryBytes) }},
		{"Image", true, func(c *state.ContainerView, _ time.Time) string { return c.Image }},
	},
}

// containerState returns the reason, as kubectl prints it for pods, or the state if there is
// no reason.
func containerState(c *state.ContainerView) string {
	if c.State == state.Terminated && c.ExitCode != nil && *c.ExitCode != 0 {
		return fmt.Sprintf("%s:%d", cmp.Or(c.Reason, "terminated"), *c.ExitCode)
	}
	return cmp.Or(c.Reason, c.State.String())
}

func restarts(c *state.ContainerView, now time.Time) string {
	if c.Restarts == 0 || c.Last == nil || c.Last.FinishedAt.IsZero() {
		return fmt.Sprint(c.Restarts)
	}
	return fmt.Sprintf("%d (%s ago)", c.Restarts, since(c.Last.FinishedAt.Time(), now))
}

func lastEnd(c *state.ContainerView) string {
	if c.Last == nil {
		return ""
	}
	return fmt.Sprintf("%s:%d", cmp.Or(c.Last.Reason, "ended"), c.Last.ExitCode)
}
