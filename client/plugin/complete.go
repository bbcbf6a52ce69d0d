package plugin

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"rollcall.dev/rollcall/client"
)

// completeTimeout is how long a person waits for a completion.
const completeTimeout = 3 * time.Second

// complete completes a flag's values.
func complete(cmd *cobra.Command, flag string, values ...string) {
	// It fails for flags that are not there, which a test would tell.
	_ = cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return begins(values, begun), cobra.ShellCompDirectiveNoFileComp
	})
}

func begins(values []string, begun string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return !strings.HasPrefix(v, begun) })
}

// completeClusters completes the names of clusters by asking the master.
func (p *plugin) completeClusters(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
	defer cancel()
	master, closed, err := p.connection.open(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer closed()
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
	return begins(names, begun), cobra.ShellCompDirectiveNoFileComp
}
