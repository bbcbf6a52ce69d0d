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
		Short: "List clusters and their status",
		Long: `List clusters and their status.

Without a name, all clusters are listed as they were last observed, without starting a
session. OBSERVED is the age of a row. Clusters that are named are queried, and start a
session if they have none.`,
		Example: `  # List all clusters
  kubectl rollcall status

  # Show the current status of prod-eu, with the versions of Kubernetes, agent and master
  kubectl rollcall status prod-eu -o wide

  # Watch the status of all clusters
  kubectl rollcall status -w`,
		ValidArgsFunction: p.completeClusters,
	}
	out := newOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, clusters []string) error {
		printer, err := newPrinter(p, clusterKind, out, hiddenColumns{cluster: true})
		if err != nil {
			return err
		}
		master, closeClient, err := p.connection.open(cmd.Context())
		if err != nil {
			return err
		}
		defer closeClient()
		s := statusCommand{p, master, printer}
		if out.wide() {
			s.printMasterVersion(cmd.Context())
		}
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
	return string(c.Session.Phase)
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

// healthy returns the health in the last summary, or Unknown if that may be outdated. It is
// the same as the condition Healthy of the ClusterStatus.
func healthy(c *client.Cluster) string {
	switch {
	case c.Summary == nil, c.Suspended, c.Stale && c.Session.Unreachable():
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

// statusCommand is one run of the command.
type statusCommand struct {
	*plugin
	master  *client.Client
	printer *printer[client.Cluster]
}

// printMasterVersion prints the version of the master before the table, to stderr. An error is that of the list,
// too, which is printed next.
func (s *statusCommand) printMasterVersion(ctx context.Context) {
	if v, err := s.master.Version(ctx); err == nil {
		fmt.Fprintf(s.ErrOut, "Master version: %s\n", state.CleanLine(v.Version))
	}
}

// all prints all clusters as they were last observed.
func (s *statusCommand) all(ctx context.Context) error {
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
	err := s.printer.printList(items)
	for _, i := range items {
		s.warnSession(i.row)
	}
	return err
}

// named queries clusters and prints them, with the fields that only the list has.
func (s *statusCommand) named(ctx context.Context, clusters []string) error {
	results := make([]result[client.Cluster], len(clusters))
	var group errgroup.Group
	group.SetLimit(maxConcurrent)
	for i, name := range clusters {
		group.Go(func() error {
			results[i] = s.query(ctx, name)
			return nil
		})
	}
	_ = group.Wait() // the errors are in the results
	failure := reportErrors(ctx, s.plugin, results)
	if failure != nil && !errors.Is(failure, errReported) {
		return failure
	}
	listed := s.clustersByName(ctx)
	var items []item[client.Cluster]
	for _, r := range results {
		s.warn(r.cluster, r.meta)
		for i := range r.rows {
			row := &r.rows[i]
			if known, ok := listed[row.Name]; ok {
				row.KubernetesVersion, row.AgentVersion, row.ClusterIPs = known.KubernetesVersion, known.AgentVersion, known.ClusterIPs
			}
			items = append(items, item[client.Cluster]{row.Name, row})
		}
	}
	if len(items) == 0 {
		return failure
	}
	if err := s.printer.write(items, len(clusters) == 1); err != nil {
		return err
	}
	for _, i := range items {
		s.warnSession(i.row)
	}
	return failure
}

// warnSession prints the message of a session whose agent answers, such as that its version is not supported.
func (s *statusCommand) warnSession(c *client.Cluster) {
	if c.Session.Message != "" && !c.Suspended && !c.Session.Unreachable() {
		fmt.Fprintf(s.ErrOut, "Warning: %s: %s\n", c.Name, state.CleanText(c.Session.Message))
	}
}

func (s *statusCommand) query(ctx context.Context, cluster string) result[client.Cluster] {
	d, err := s.master.Summary(ctx, cluster, client.ListOptions{Timeout: s.connection.timeout})
	if err != nil {
		return result[client.Cluster]{cluster: cluster, err: err}
	}
	return result[client.Cluster]{cluster, []client.Cluster{clusterOf(d)}, d.ClusterMeta, nil}
}

// clustersByName returns the list of clusters by name, for the fields that a summary does
// not have. On an error it returns the clusters that it has: a caller who may see a cluster
// may not be allowed to list them.
func (s *statusCommand) clustersByName(ctx context.Context) map[string]client.Cluster {
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

// resolveNames replaces cluster IPs by names, since a watch of all clusters has only names.
// It keeps the names that are not in the list: the master rejects them.
func (s *statusCommand) resolveNames(ctx context.Context, clusters []string) []string {
	names := slices.Clone(clusters)
	var listed map[string]client.Cluster
	for i, name := range names {
		ip, err := netip.ParseAddr(name)
		if err != nil {
			continue
		}
		if listed == nil {
			listed = s.clustersByName(ctx)
		}
		for _, c := range listed {
			if slices.ContainsFunc(c.ClusterIPs, func(other string) bool { return sameAddress(other, ip) }) {
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

// watch prints clusters, and then their changes. The clusters that are named keep
// reporting.
func (s *statusCommand) watch(ctx context.Context, clusters []string) error {
	clusters = s.resolveNames(ctx, clusters)
	o := client.WatchClustersOptions{Demand: clusters, OnRetry: func(err error, _ time.Duration) { s.printError("", err) }}
	printed := map[string]*client.Cluster{}
	var initial []item[client.Cluster]
	initialized := false
	for e, err := range s.master.WatchClusters(ctx, o) {
		if err != nil {
			return err
		}
		if e.InitialEnd && !initialized {
			initialized = true
			if err := s.printer.printEvent(client.Added, initial...); err != nil {
				return err
			}
		}
		c, ok := e.Object.(*client.Cluster)
		if !ok || len(clusters) > 0 && !slices.Contains(clusters, c.Name) {
			continue
		}
		if e.Type != client.Deleted && reflect.DeepEqual(printed[c.Name], c) {
			continue
		}
		printed[c.Name] = c
		row := item[client.Cluster]{c.Name, c}
		if !initialized {
			initial = append(initial, row)
			continue
		}
		if e.Type == client.Deleted {
			delete(printed, c.Name)
		}
		if err := s.printer.printEvent(e.Type, row); err != nil {
			return err
		}
	}
	return nil
}
