package plugin

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/client"
)

func (p *plugin) ports() *cobra.Command {
	return show(p, resource[state.PortView]{
		kind:    portKind,
		filters: []string{"port", "protocol", "namespace", "node", "pod", "owner", "kind", "query"},
		ask:     asks(func(c *client.Client) client.ListFunc[state.PortView] { return c.Ports }),
		follow:  follows(client.Ports, (*client.Cache).Ports, func(h client.Handler[state.PortView]) client.Handlers { return client.Handlers{Port: h} }),
		kinds:   []string{"NodePort", "HealthCheckNodePort", "HostPort", "HostNetwork", "LoadBalancer", "ExternalIP", "Kubelet"},
		empty:   free,
	}, &cobra.Command{
		Use:   "ports [cluster...]",
		Short: "Taken ports of nodes and load balancers, who has them, and where they lead",
		Long: `Taken ports of nodes and load balancers, who has them, and where they lead.

A row with node * is taken on every node. With --port alone, or with --protocol and
--node, a cluster without such a row is said to have the port free: not allocated and
not declared. Processes of a node, and ports that a pod of its network does not
declare, may use it all the same.`,
		Example: `  # Who has this port?
  kubectl rollcall ports prod-eu --port 31234

  # In which clusters is it free?
  kubectl rollcall ports --port 31234 --protocol TCP

  # Everything that leads to one pod
  kubectl rollcall ports prod-eu -n shop --pod web-7d4b9c-x2x9p -o wide`,
	})
}

var portKind = &kind[state.PortView]{
	kind: "Port", plural: "ports",
	name:      portName,
	namespace: func(p *state.PortView) string { return p.Namespace },
	columns: []column[state.PortView]{
		{"Port", false, func(p *state.PortView, _ time.Time) string { return portNumber(p.Port.Port, p.Protocol) }},
		{"Kind", false, func(p *state.PortView, _ time.Time) string { return p.Kind.String() }},
		{"Node", false, func(p *state.PortView, _ time.Time) string { return p.Node }},
		{"Address", false, func(p *state.PortView, _ time.Time) string { return orAll(p.Address) }},
		{namespaceColumn, false, func(p *state.PortView, _ time.Time) string { return p.Namespace }},
		{"Holder", false, func(p *state.PortView, _ time.Time) string { return holder(p) }},
		{"Ready", false, func(p *state.PortView, _ time.Time) string { return readyTargets(p) }},
		{"Leads-To", false, func(p *state.PortView, _ time.Time) string { return few(targets(p), 2) }},
		{"Policy", true, func(p *state.PortView, _ time.Time) string { return p.ExternalTrafficPolicy.String() }},
		{"Conflicts", true, func(p *state.PortView, _ time.Time) string { return conflicts(p) }},
		{"All-Targets", true, func(p *state.PortView, _ time.Time) string { return strings.Join(targets(p), ",") }},
	},
}

func portNumber(port uint16, protocol state.Protocol) string {
	if protocol == state.ProtocolUnknown {
		return fmt.Sprint(port)
	}
	return fmt.Sprintf("%d/%s", port, protocol)
}

// portName tells the rows of a namespace apart.
func portName(p *state.PortView) string {
	parts := []string{p.Node, p.Address, portNumber(p.Port.Port, p.Protocol), p.Kind.String(), p.Service + p.Pod}
	return strings.Join(parts, ":")
}

func orAll(address string) string {
	if address == "" {
		return "*"
	}
	return address
}

// holder is who has the port.
func holder(p *state.PortView) string {
	switch {
	case p.Service != "" && p.ServicePort != nil && p.ServicePort.Name != "":
		return fmt.Sprintf("service/%s:%s", p.Service, p.ServicePort.Name)
	case p.Service != "":
		return "service/" + p.Service
	case p.Pod != "":
		return "pod/" + p.Pod
	}
	return strings.ToLower(p.Kind.String())
}

func readyTargets(p *state.PortView) string {
	if len(p.Targets) == 0 {
		return ""
	}
	var ready int64
	for _, t := range p.Targets {
		if t.Ready {
			ready++
		}
	}
	return ratio(ready, int64(len(p.Targets)))
}

// targets are where a port leads: a pod and its port, or an address that no pod
// stands behind.
func targets(p *state.PortView) []string {
	var all []string
	for _, t := range p.Targets {
		to := "pod/" + t.Pod
		if t.Pod == "" && len(t.Addresses) > 0 {
			to = t.Addresses[0]
		}
		if t.ContainerPort != 0 {
			to += fmt.Sprintf(":%d", t.ContainerPort)
		}
		if t.Node != "" {
			to += "@" + t.Node
		}
		if !t.Ready {
			to += "(not ready)"
		}
		all = append(all, to)
	}
	return all
}

func conflicts(p *state.PortView) string {
	var with []string
	for _, k := range p.Conflicts {
		with = append(with, fmt.Sprintf("%s %s/%s on %s", k.Kind, k.Namespace, k.Service+k.Pod, k.Node))
	}
	return strings.Join(with, ",")
}

// free answers «who has this port?» where nobody has. note is what the master says of
// it; empty where the question was narrower.
func free(f client.Filter, cluster, note string) string {
	if note == "" {
		return ""
	}
	_, why, _ := strings.Cut(note, ": ")
	where := cluster
	if f.Node != "" {
		where = f.Node + " of " + cluster
	}
	return fmt.Sprintf("%s is free on %s: %s", portNumber(f.Port, f.Protocol), where, why)
}
