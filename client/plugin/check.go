package plugin

import (
	"github.com/spf13/cobra"

	"rollcall.dev/rollcall/client/join"
)

const checkLong = `Check a cluster that has joined, and change nothing: the hub and its keys, the registration, the
agent and its key, the link, and an answer. Each check prints what was found, or the cause of a
failure and what to do. The exit code is 1 if something does not work.

Without --context, only what the hub knows is checked.`

const checkExample = `  # Check the cluster from both sides
  kubectl rollcall check prod-eu --context prod-eu-admin --hub-context hub

  # Check what the hub knows
  kubectl rollcall check prod-eu`

func (p *plugin) check() *cobra.Command {
	clusters := clusterFlags{plugin: p}
	o := join.CheckOptions{Out: p.Out, Ask: p.ask}
	cmd := &cobra.Command{Use: "check CLUSTER", Short: "Check a cluster that has joined, and say what to do", Long: checkLong, Example: checkExample, Args: cobra.ExactArgs(1), ValidArgsFunction: p.completeClusters}
	clusters.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		o.Name, o.HubNamespace = args[0], p.connection.namespace
		if o.Member, o.Hub, err = clusters.both(); err != nil {
			return err
		}
		return joined(join.Check(cmd.Context(), o))
	}
	return cmd
}
