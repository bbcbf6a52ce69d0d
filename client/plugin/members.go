package plugin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"rollcall.dev/rollcall/client"
	"rollcall.dev/rollcall/client/join"
)

// clusterFlags are the flags that name the contexts of a hub and a member.
type clusterFlags struct {
	plugin        *plugin
	memberContext string
	hubKubeconfig string
}

// register adds the flags. --context is the member's, as opposed to that of other commands.
func (c *clusterFlags) register(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&c.memberContext, "context", "", "context of the cluster")
	_ = cmd.RegisterFlagCompletionFunc("context", c.plugin.completeContexts) // it fails only for unknown flags
	c.registerHub(cmd)
}

// registerHub adds the flags for the hub only.
func (c *clusterFlags) registerHub(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.plugin.connection.context, "hub-context", "", "context of the hub; default: the current context")
	f.StringVar(&c.hubKubeconfig, "hub-kubeconfig", "", "kubeconfig of the hub; default: --kubeconfig")
	_ = cmd.RegisterFlagCompletionFunc("hub-context", c.plugin.completeContexts) // it fails only for unknown flags
}

// completeContexts completes the contexts of the kubeconfig.
func (p *plugin) completeContexts(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	config, err := loadKubeconfig(p.connection.kubeconfig)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return withPrefix(slices.Sorted(maps.Keys(config.Contexts)), prefix), cobra.ShellCompDirectiveNoFileComp
}

// loadKubeconfig reads a kubeconfig, or the default one if path is empty.
func loadKubeconfig(path string) (*clientcmdapi.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = path
	config, err := rules.Load()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	return config, nil
}

// hub returns the cluster of the masters, and has the plugin connect to it.
func (c *clusterFlags) hub() (*join.Cluster, error) {
	connection := &c.plugin.connection
	memberKubeconfig := connection.kubeconfig
	if c.hubKubeconfig != "" {
		connection.kubeconfig = c.hubKubeconfig
	}
	current, err := currentContext(connection.kubeconfig)
	if err != nil {
		return nil, err
	}
	name := cmp.Or(connection.context, current)
	if c.memberContext != "" && connection.context == "" && name == c.memberContext && memberKubeconfig == connection.kubeconfig {
		return nil, fmt.Errorf("%s is the context of the cluster and also the current one, so it is not known which one is the hub: set --hub-context", name)
	}
	config, err := connection.hub()
	if err != nil {
		return nil, err
	}
	return join.NewCluster(name, config)
}

// both returns the member, or nil without --context, and the hub.
func (c *clusterFlags) both() (member, hub *join.Cluster, err error) {
	if c.memberContext != "" {
		if member, err = memberOf(c.plugin.connection.kubeconfig, c.memberContext); err != nil {
			return nil, nil, err
		}
	}
	hub, err = c.hub()
	return member, hub, err
}

// memberOf returns the cluster of a context, or of the current one if it is empty.
func memberOf(kubeconfig, kubeContext string) (*join.Cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: kubeContext}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read the context %s of the kubeconfig: %w", kubeContext, err)
	}
	config.UserAgent = userAgent
	if kubeContext == "" {
		if kubeContext, err = currentContext(kubeconfig); err != nil {
			return nil, err
		}
	}
	return join.NewCluster(kubeContext, config)
}

func currentContext(kubeconfig string) (string, error) {
	config, err := loadKubeconfig(kubeconfig)
	if err != nil {
		return "", err
	}
	return config.CurrentContext, nil
}

// ask asks the masters for the whole state of a cluster.
func (p *plugin) ask(ctx context.Context, cluster string) (join.Answer, error) {
	master, closeClient, err := p.connection.open(ctx)
	if err != nil {
		return join.Answer{}, err
	}
	defer closeClient()
	document, err := master.Get(ctx, cluster, client.ListOptions{Timeout: p.connection.timeout})
	switch {
	case isNotFound(err):
		return join.Answer{}, join.ErrUnknownCluster
	case err != nil:
		return join.Answer{}, err
	}
	text, err := json.Marshal(document)
	if err != nil {
		return join.Answer{}, err
	}
	return join.Answer{Nodes: len(document.Nodes), Pods: len(document.Pods), Bytes: len(text), Stale: document.Stale}, nil
}
