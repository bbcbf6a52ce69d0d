package plugin

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"rollcall.dev/rollcall/client/join"
)

const leaveLong = `Delete the registration of a cluster on the hub, which cuts its link at once, and then remove the
agent from the cluster of --context. It removes what "kubectl rollcall join" has applied, and
prints what stays behind.

It also works if the cluster does not exist any more, or without --context.`

const leaveExample = `  # Remove the registration and the agent
  kubectl rollcall leave prod-eu --context prod-eu-admin --hub-context hub

  # The cluster is gone
  kubectl rollcall leave prod-eu --hub-context hub`

func (p *plugin) leave() *cobra.Command {
	clusters := clusterFlags{plugin: p}
	o := join.LeaveOptions{Out: p.Out, Ask: p.ask}
	var dryRun string
	cmd := &cobra.Command{Use: "leave CLUSTER", Short: "Remove a cluster from the hub", Long: leaveLong, Example: leaveExample, Args: cobra.ExactArgs(1), ValidArgsFunction: p.completeClusters}
	clusters.register(cmd)
	dryRunFlag(cmd, &dryRun)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		o.Name = args[0]
		if o.DryRun, err = parseDryRun(dryRun); err != nil {
			return err
		}
		if o.Member, o.Hub, err = clusters.both(); err != nil {
			return err
		}
		return joined(join.Leave(cmd.Context(), o))
	}
	return cmd
}

// dryRunFlag adds the flag --dry-run of kubectl.
func dryRunFlag(cmd *cobra.Command, value *string) {
	cmd.Flags().StringVar(value, "dry-run", string(join.DryRunNone), "none; client: check, and send no change; server: send changes that are only validated")
	completeFlag(cmd, "dry-run", string(join.DryRunNone), string(join.DryRunClient), string(join.DryRunServer))
}

func parseDryRun(value string) (join.DryRun, error) {
	if d := join.DryRun(value); slices.Contains([]join.DryRun{join.DryRunNone, join.DryRunClient, join.DryRunServer}, d) {
		return d, nil
	}
	return "", fmt.Errorf("--dry-run %q is neither none, client nor server", value)
}
