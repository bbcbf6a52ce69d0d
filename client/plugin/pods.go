package plugin

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/client"
)

func (p *plugin) pods() *cobra.Command {
	return addList(p, resource[state.PodView]{
		kind:     podKind,
		filters:  []string{"namespace", "node", "pod", "owner", "state", "query"},
		query:    queryList(func(c *client.Client) client.ListFunc[state.PodView] { return c.Pods }),
		newCache: watchList(client.Pods, (*client.Cache).Pods, func(h client.Handler[state.PodView]) client.Handlers { return client.Handlers{Pod: h} }),
		states:   []string{"Pending", "Running", "Succeeded", "Failed", "Unknown"},
	}, &cobra.Command{
		Use:   "pods [cluster...]",
		Short: "List pods, their nodes and owners",
		Example: `  # List all pods of prod-eu
  kubectl rollcall pods prod-eu

  # List the pods of a Deployment in all clusters
  kubectl rollcall pods --owner Deployment/web -n shop

  # List the pending pods of a node
  kubectl rollcall pods prod-eu --node node-2 --state Pending -o wide`,
	})
}

var podKind = &kind[state.PodView]{
	kind: "Pod", plural: "pods",
	name:      func(p *state.PodView) string { return p.Name },
	namespace: func(p *state.PodView) string { return p.Namespace },
	columns: []column[state.PodView]{
		{namespaceColumn, false, func(p *state.PodView, _ time.Time) string { return p.Namespace }},
		{"Name", false, func(p *state.PodView, _ time.Time) string { return p.Name }},
		{"Ready", false, func(p *state.PodView, _ time.Time) string { return p.Ready.String() }},
		{"Status", false, func(p *state.PodView, _ time.Time) string { return p.Status }},
		{"Restarts", false, func(p *state.PodView, now time.Time) string { return podRestarts(p, now) }},
		{"Owner", false, func(p *state.PodView, _ time.Time) string { return p.Owner.Kind + "/" + p.Owner.Name }},
		{"Node", false, func(p *state.PodView, _ time.Time) string { return p.Node }},
		{"Age", false, func(p *state.PodView, now time.Time) string { return since(p.CreatedAt.Time(), now) }},
		{"IP", true, func(p *state.PodView, _ time.Time) string { return strings.Join(p.PodIPs, ",") }},
		{"CPU-Req", true, func(p *state.PodView, _ time.Time) string { return millis(p.Requested.CPUMillis) }},
		{"Mem-Req", true, func(p *state.PodView, _ time.Time) string { return mebibytes(p.Requested.MemoryBytes) }},
		{"QoS", true, func(p *state.PodView, _ time.Time) string { return p.QOSClass.String() }},
		{"Priority-Class", true, func(p *state.PodView, _ time.Time) string { return p.PriorityClass }},
		{"Claims", true, func(p *state.PodView, _ time.Time) string { return claims(p) }},
	},
}

// podRestarts returns a pod's restarts as kubectl prints them.
func podRestarts(p *state.PodView, now time.Time) string {
	if p.Restarts == 0 || p.LastRestartAt == 0 {
		return fmt.Sprint(p.Restarts)
	}
	return fmt.Sprintf("%d (%s ago)", p.Restarts, since(p.LastRestartAt.Time(), now))
}

func claims(p *state.PodView) string {
	var names []string
	for _, v := range p.Storage {
		names = append(names, v.Claim)
	}
	return strings.Join(names, ",")
}
