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
	return addList(p, resource[state.PortView]{
		kind:      portKind,
		filters:   []string{"port", "protocol", "namespace", "node", "pod", "owner", "kind", "query"},
		query:     queryList(func(c *client.Client) client.ListFunc[state.PortView] { return c.Ports }),
		newCache:  watchList(client.Ports, (*client.Cache).Ports, func(h client.Handler[state.PortView]) client.Handlers { return client.Handlers{Port: h} }),
		kinds:     []string{"NodePort", "HealthCheckNodePort", "HostPort", "HostNetwork", "LoadBalancer", "ExternalIP", "Kubelet"},
		emptyText: freePortText,
	}, &cobra.Command{
		Use:   "ports [cluster...]",
		Short: "List used ports of nodes and load balancers, their users and their targets",
		Long: `List used ports of nodes and load balancers, their users and their targets.

A port with node * is used on every node. With --port, and no other filter than
--protocol and --node, a cluster without a row is reported to have the port free: it is
not allocated and not declared. Host processes and undeclared ports of hostNetwork pods
may still use it.`,
		Example: `  # Find out what uses a port
  kubectl rollcall ports prod-eu --port 31234

  # Find the clusters where it is free
  kubectl rollcall ports --port 31234 --protocol TCP

  # List the ports that lead to a pod
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
		{"Used-By", false, func(p *state.PortView, _ time.Time) string { return portUser(p) }},
		{"Ready", false, func(p *state.PortView, _ time.Time) string { return readyTargets(p) }},
		{"Targets", false, func(p *state.PortView, _ time.Time) string { return joinFirst(targets(p), 2) }},
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

// portName returns a name that is unique within a namespace.
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

// portUser returns the Service or pod that uses the port, or the port's kind.
func portUser(p *state.PortView) string {
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

// targets returns the targets of a port: a pod and its port, or an address without a pod.
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
	var all []string
	for _, k := range p.Conflicts {
		all = append(all, fmt.Sprintf("%s %s/%s on %s", k.Kind, k.Namespace, k.Service+k.Pod, k.Node))
	}
	return strings.Join(all, ",")
}

// freePortText returns the text that a port is free, with the reason in the master's note.
// It returns "" if note is empty, as after a query with other filters.
func freePortText(f client.Filter, cluster, note string) string {
	if note == "" {
		return ""
	}
	_, reason, _ := strings.Cut(note, ": ")
	where := cluster
	if f.Node != "" {
		where = f.Node + " of " + cluster
	}
	return fmt.Sprintf("%s is free on %s: %s", portNumber(f.Port, f.Protocol), where, reason)
}
