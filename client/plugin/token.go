package plugin

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"rollcall.dev/rollcall/client/join"
)

const tokenLong = `Create a join token: a file with which somebody without access to the hub joins one cluster.

The token has a one-time private key, and the address and the public keys of the hub. It works
once, for the given name, until it expires. The hub stores the public part of its key only. Anyone who
has the token can join in the place of the cluster until then: send it on a private way.

The token is printed to standard output, and everything else to standard error.`

//nolint:gosec // an example without a token
const tokenExample = `  # On the hub
  kubectl rollcall token create prod-eu --ttl 15m > prod-eu.token

  # In the cluster that joins
  kubectl rollcall join --token-file prod-eu.token --context prod-eu-admin`

func (p *plugin) token() *cobra.Command {
	root := &cobra.Command{Use: "token", Short: "Create join tokens", Args: cobra.NoArgs}
	clusters := clusterFlags{plugin: p}
	o := join.TokenOptions{Out: p.ErrOut}
	cmd := &cobra.Command{Use: "create CLUSTER", Short: "Create a join token for a cluster", Long: tokenLong, Example: tokenExample, Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions}
	f := cmd.Flags()
	f.SortFlags = false
	clusters.registerHub(cmd)
	f.DurationVar(&o.TTL, "ttl", 15*time.Minute, "for how long the token is valid, at most 168h")
	f.StringVar(&o.HubAddress, "hub-address", "", hubAddressUsage)
	f.StringVar(&o.HubServerName, "hub-server-name", "", hubServerNameUsage)
	f.StringToStringVar(&o.Labels, "label", nil, "label of the ClusterAgent, such as region=eu; can be repeated")
	f.BoolVar(&o.Replace, "replace", false, "also for a cluster that has joined already, whose agent has lost its key")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		o.Name, o.HubNamespace = args[0], p.connection.namespace
		if o.Hub, err = clusters.hub(); err != nil {
			return err
		}
		token, err := join.CreateToken(cmd.Context(), o)
		if err != nil {
			return joined(err)
		}
		_, err = fmt.Fprintln(p.Out, token.Encode())
		fmt.Fprintf(p.ErrOut, "\nIn the cluster that joins: kubectl rollcall join --token-file FILE, or --token-file - to read it from standard input\n")
		return err
	}
	root.AddCommand(cmd)
	return root
}
