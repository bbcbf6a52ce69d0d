package plugin

import (
	"time"

	"github.com/spf13/cobra"

	"rollcall.dev/rollcall/client/join"
)

const rotateKeyLong = `Replace the key of a cluster's agent, and have the hub accept the new key only.

The agent makes the new key; only its pin is read and registered. An agent that dials the hub stays
connected: it uses the old key until the hub accepts the new one, and reads the request within a
minute. A dialed agent is stopped, its key is removed, and it makes a new one when it starts again, so
the cluster is not connected for some seconds.`

const rotateKeyExample = `  kubectl rollcall rotate-key prod-eu --context prod-eu-admin --hub-context hub`

func (p *plugin) rotateKey() *cobra.Command {
	clusters := clusterFlags{plugin: p}
	o := join.RotateOptions{Out: p.Out}
	cmd := &cobra.Command{Use: "rotate-key CLUSTER", Short: "Replace the key of a cluster's agent", Long: rotateKeyLong, Example: rotateKeyExample, Args: cobra.ExactArgs(1), ValidArgsFunction: p.completeClusters}
	clusters.register(cmd)
	cmd.Flags().DurationVar(&o.Wait, "wait", 2*time.Minute, "how long to wait for the agent to stop, to start, and to be connected")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		o.Name = args[0]
		if o.Member, o.Hub, err = clusters.both(); err != nil {
			return err
		}
		return joined(join.RotateKey(cmd.Context(), o))
	}
	_ = cmd.MarkFlagRequired("context")
	return cmd
}
