package plugin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/client"
)

func (p *plugin) status() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [cluster...]",
		Short: "Clusters: how they are heard of, and how they are",
		Long: `Clusters: how they are heard of, and how they are.

Without a name all clusters are shown as they were last heard of, and none is woken;
OBSERVED says how long ago that was. A cluster that is named is asked.`,
		Example: `  # All clusters
  kubectl rollcall status

  # prod-eu as it is now, and what it runs
  kubectl rollcall status prod-eu -o wide

  # Transitions, as they come
  kubectl rollcall status -w`,
		ValidArgsFunction: p.completeClusters,
	}
	out := newOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, clusters []string) error {
		printer, err := newPrinter(p, clusterKind, out, hidden{cluster: true})
		if err != nil {
			return err
		}
		master, closed, err := p.connection.open(cmd.Context())
		if err != nil {
			return err
		}
		defer closed()
		s := statuses{p, master, printer}
		switch {
		case out.watch:
			return s.watch(cmd.Context(), clusters)
		case len(clusters) > 0:
			return s.named(cmd.Context(), clusters)
		}
		return s.all(cmd.Context())
	}
	return cmd
}

var clusterKind = &kind[client.Cluster]{
	kind: "Cluster", plural: "clusters",
	name:      func(c *client.Cluster) string { return c.Name },
	namespace: func(*client.Cluster) string { return "" },
	columns: []column[client.Cluster]{
		{"Name", false, func(c *client.Cluster, _ time.Time) string { return c.Name }},
		{"Session", false, func(c *client.Cluster, _ time.Time) string { return phase(c) }},
		{"Nodes", false, func(c *client.Cluster, _ time.Time) string { return display(c).Nodes }},
		{"Containers", false, func(c *client.Cluster, _ time.Time) string { return display(c).Containers }},
		{"CPU-Req", false, func(c *client.Cluster, _ time.Time) string { return display(c).CPURequested }},
		{"Mem-Req", false, func(c *client.Cluster, _ time.Time) string { return display(c).MemoryRequested }},
		{"CPU", false, func(c *client.Cluster, _ time.Time) string { return orUnknown(display(c).CPUUsed) }},
		{"Mem", false, func(c *client.Cluster, _ time.Time) string { return orUnknown(display(c).MemoryUsed) }},
		{"Healthy", false, func(c *client.Cluster, _ time.Time) string { return healthy(c) }},
		{"Problems", false, func(c *client.Cluster, _ time.Time) string { return problemCount(c) }},
		{"Observed", false, func(c *client.Cluster, now time.Time) string { return since(c.ObservedAt, now) }},
		{"Version", true, func(c *client.Cluster, _ time.Time) string { return c.KubernetesVersion }},
		{"Agent", true, func(c *client.Cluster, _ time.Time) string { return c.AgentVersion }},
		{"Cluster-IPs", true, func(c *client.Cluster, _ time.Time) string { return strings.Join(c.ClusterIPs, ",") }},
		{"Message", true, func(c *client.Cluster, _ time.Time) string { return c.Session.Message }},
	},
}

func phase(c *client.Cluster) string {
	if c.Suspended {
		return "Suspended"
	}
	return c.Session.Phase
}

func display(c *client.Cluster) state.Display {
	switch {
	case c.Summary != nil:
		return state.DisplayOf(*c.Summary)
	case c.Display != nil:
		return *c.Display
	}
	return state.Display{}
}

func healthy(c *client.Cluster) string {
	switch {
	case c.Summary == nil:
		return "Unknown"
	case c.Summary.Healthy:
		return "True"
	}
	return "False"
}

func problemCount(c *client.Cluster) string {
	if c.Summary == nil {
		return ""
	}
	return fmt.Sprint(c.Summary.ProblemCount)
}

// statuses is one run of the command.
type statuses struct {
	*plugin
	master  *client.Client
	printer *printer[client.Cluster]
}

// all are the clusters as they were last heard of.
func (s *statuses) all(ctx context.Context) error {
	var items []item[client.Cluster]
	for c, err := range s.master.AllClusters(ctx, client.ClusterOptions{}) {
		if err != nil {
			return err
		}
		items = append(items, item[client.Cluster]{c.Name, &c})
	}
	if len(items) == 0 {
		fmt.Fprintln(s.ErrOut, "No clusters found.")
	}
	return s.printer.some(items)
}

// named asks the clusters, and shows what the list says of them by then.
func (s *statuses) named(ctx context.Context, clusters []string) error {
	answers := make([]answer[client.Cluster], len(clusters))
	var asking errgroup.Group
	asking.SetLimit(maxAsked)
	for i, name := range clusters {
		asking.Go(func() error {
			answers[i] = s.ask(ctx, name)
			return nil
		})
	}
	_ = asking.Wait() // the errors are in the answers
	failure := failed(ctx, s.plugin, answers)
	if failure != nil && !errors.Is(failure, errTold) {
		return failure
	}
	listed := s.listed(ctx)
	var items []item[client.Cluster]
	for _, a := range answers {
		s.warn(a.cluster, a.head)
		for i := range a.rows {
			row := &a.rows[i]
			if known, ok := listed[row.Name]; ok {
				row.KubernetesVersion, row.AgentVersion, row.ClusterIPs = known.KubernetesVersion, known.AgentVersion, known.ClusterIPs
			}
			items = append(items, item[client.Cluster]{row.Name, row})
		}
	}
	if len(items) == 0 {
		return failure
	}
	if err := s.printer.all(items, len(clusters) == 1); err != nil {
		return err
	}
	return failure
}

func (s *statuses) ask(ctx context.Context, cluster string) answer[client.Cluster] {
	d, err := s.master.Summary(ctx, cluster, client.ListOptions{Timeout: s.connection.timeout})
	if err != nil {
		return answer[client.Cluster]{cluster: cluster, err: err}
	}
	return answer[client.Cluster]{cluster, []client.Cluster{clusterOf(d)}, d.ClusterMeta, nil}
}

// listed are the clusters by name, for what no summary tells. Who may see a cluster may
// have to do without them.
func (s *statuses) listed(ctx context.Context) map[string]client.Cluster {
	all := map[string]client.Cluster{}
	for c, err := range s.master.AllClusters(ctx, client.ClusterOptions{}) {
		if err != nil {
			return all
		}
		all[c.Name] = c
	}
	return all
}

func clusterOf(d *client.Document) client.Cluster {
	display := state.DisplayOf(*d.Summary)
	return client.Cluster{
		Name: d.Cluster, UID: d.UID, Session: d.Session, ResourceVersion: d.ResourceVersion, ObservedAt: d.ObservedAt, ReceivedAt: d.ReceivedAt,
		Stale: d.Stale, Summary: d.Summary, Display: &display,
	}
}

// called are the names of clusters, some of which may be given by a cluster IP: the fleet
// is told of by names alone. What the list does not have is the master's to refuse.
func (s *statuses) called(ctx context.Context, given []string) []string {
	names := slices.Clone(given)
	var listed map[string]client.Cluster
	for i, name := range names {
		ip, err := netip.ParseAddr(name)
		if err != nil {
			continue
		}
		if listed == nil {
			listed = s.listed(ctx)
		}
		for _, c := range listed {
			if slices.ContainsFunc(c.ClusterIPs, func(of string) bool { return sameAddress(of, ip) }) {
				names[i] = c.Name
			}
		}
	}
	return names
}

func sameAddress(text string, ip netip.Addr) bool {
	other, err := netip.ParseAddr(text)
	return err == nil && other.Unmap() == ip.Unmap()
}

// watch prints the clusters, and then what changes of them. Those that are named are
// kept reporting.
func (s *statuses) watch(ctx context.Context, clusters []string) error {
	clusters = s.called(ctx, clusters)
	o := client.WatchClustersOptions{Demand: clusters, OnRetry: func(err error, _ time.Duration) { s.complain("", err) }}
	shown := map[string]*client.Cluster{}
	var first []item[client.Cluster]
	begun := false
	for e, err := range s.master.WatchClusters(ctx, o) {
		if err != nil {
			return err
		}
		if e.InitialEnd && !begun {
			begun = true
			if err := s.printer.event(client.Added, first...); err != nil {
				return err
			}
		}
		c, ok := e.Object.(*client.Cluster)
		if !ok || len(clusters) > 0 && !slices.Contains(clusters, c.Name) {
			continue
		}
		if e.Type != client.Deleted && reflect.DeepEqual(shown[c.Name], c) {
			continue
		}
		shown[c.Name] = c
		one := item[client.Cluster]{c.Name, c}
		if !begun {
			first = append(first, one)
			continue
		}
		if e.Type == client.Deleted {
			delete(shown, c.Name)
		}
		if err := s.printer.event(e.Type, one); err != nil {
			return err
		}
	}
	return nil
}
