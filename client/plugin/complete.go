package plugin

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"rollcall.dev/rollcall/client"
)

// completeTimeout limits the requests of a completion.
const completeTimeout = 3 * time.Second

// completeFlag registers the values of a flag for completion.
func completeFlag(cmd *cobra.Command, flag string, values ...string) {
	// It fails only for unknown flags.
	_ = cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return withPrefix(values, prefix), cobra.ShellCompDirectiveNoFileComp
	})
}

func withPrefix(values []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return !strings.HasPrefix(v, prefix) })
}

// completeClusters completes the names of clusters, which it gets from the master.
func (p *plugin) completeClusters(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
	defer cancel()
	master, closeClient, err := p.connection.open(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer closeClient()
	list, err := master.Clusters(ctx, client.ClusterOptions{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, c := range list.Clusters {
		if !slices.Contains(args, c.Name) {
			names = append(names, c.Name)
		}
	}
	return withPrefix(names, prefix), cobra.ShellCompDirectiveNoFileComp
}
