package plugin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"

	"rollcall.dev/rollcall/client"
	"rollcall.dev/rollcall/client/join"
)

const joinLong = `Install the agent in a cluster, register the cluster on the hub, and wait until the master gets
its first answer. Each step prints what was checked, or the cause of a failure and what to do.

--context is the context of the cluster that joins, and --hub-context that of the hub (default:
the current context). Unless --endpoint or --expose is set, the agent dials the hub, so the
cluster needs no inbound port.

The agent makes its own key. Only the pin of its public key is read and registered. The command
can be repeated: it repairs what has changed. If it fails, it removes what it has created.`

const joinExample = `  # The agent dials the hub
  kubectl rollcall join prod-eu --context prod-eu-admin --hub-context hub

  # Through a proxy, with an image from your registry
  kubectl rollcall join edge-1 --context edge-1 --hub-context hub --proxy-url http://proxy.example:3128 --image-registry registry.example/rollcall

  # The hub dials the agent at a node port
  kubectl rollcall join prod-us --context prod-us --hub-context hub --expose NodePort

  # Show what would be applied
  kubectl rollcall join prod-eu --context prod-eu-admin --hub-context hub --dry-run=client -o yaml`

// clusterFlags are the flags that name the contexts of a hub and a member.
type clusterFlags struct {
	plugin        *plugin
	memberContext string
	hubKubeconfig string
}

// register adds the flags. --context is the member's, as opposed to that of other commands.
func (c *clusterFlags) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&c.memberContext, "context", "", "context of the cluster")
	c.registerHub(f)
}

// registerHub adds the flags for the hub only.
func (c *clusterFlags) registerHub(f *pflag.FlagSet) {
	f.StringVar(&c.plugin.connection.context, "hub-context", "", "context of the hub; default: the current context")
	f.StringVar(&c.hubKubeconfig, "hub-kubeconfig", "", "kubeconfig of the hub; default: --kubeconfig")
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

// member returns the cluster of --context. It must be called before hub.
func (c *clusterFlags) member() (*join.Cluster, error) {
	return memberOf(c.plugin.connection.kubeconfig, c.memberContext)
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
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config, err := rules.Load()
	if err != nil {
		return "", fmt.Errorf("read the kubeconfig: %w", err)
	}
	return config.CurrentContext, nil
}

func (p *plugin) join() *cobra.Command {
	clusters := clusterFlags{plugin: p}
	o := join.Options{Out: p.Out}
	var dryRun, expose, output string
	cmd := &cobra.Command{Use: "join CLUSTER", Short: "Join a cluster to the hub", Long: joinLong, Example: joinExample, Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions}
	f := cmd.Flags()
	clusters.register(f)
	f.StringVar(&o.HubAddress, "hub-address", "", "address at which the cluster reaches the masters, such as wss://rollcall.example:443; default: what the hub publishes, else the address of the masters' Service")
	f.StringVar(&o.HubServerName, "hub-server-name", "", "name in the masters' certificate; default: what the hub publishes, else the name of their Service")
	f.StringVar(&o.Endpoint, "endpoint", "", "URL at which the hub dials the agent, such as wss://10.20.0.7:30743; default: the agent dials the hub")
	f.StringVar(&expose, "expose", "", "make the agent reachable by a Service of this type, NodePort or LoadBalancer, and have the hub dial it")
	f.StringVar(&o.ProxyURL, "proxy-url", "", "URL of the HTTP proxy by which the agent reaches the hub")
	f.StringVar(&o.ImageRegistry, "image-registry", "", "registry of the agent's image, such as registry.example/rollcall")
	f.StringVar(&o.ImagePullSecret, "image-pull-secret", "", "Secret in "+join.Namespace+" with the credentials for the registry")
	f.StringToStringVar(&o.Labels, "label", nil, "label of the ClusterAgent, such as region=eu; can be repeated")
	f.DurationVar(&o.Wait, "wait", 2*time.Minute, "how long to wait for the agent to start, and to be connected")
	f.StringVar(&dryRun, "dry-run", string(join.DryRunNone), "none; client: check, and send no change; server: send changes that are only validated")
	f.StringVarP(&output, "output", "o", "", "yaml: print the objects to standard output, and the steps to standard error")
	f.BoolVar(&o.ForceConflicts, "force-conflicts", false, "take fields over that other tools have set")
	completeFlag(cmd, "expose", "NodePort", "LoadBalancer")
	completeFlag(cmd, "dry-run", "none", "client", "server")
	completeFlag(cmd, "output", "yaml")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.Name, o.DryRun, o.Expose = args[0], join.DryRun(dryRun), corev1.ServiceType(expose)
		if err := p.joinOutput(&o, output); err != nil {
			return err
		}
		var err error
		if o.Member, err = clusters.member(); err != nil {
			return err
		}
		if o.Hub, err = clusters.hub(); err != nil {
			return err
		}
		o.HubNamespace, o.Ask = p.connection.namespace, p.ask
		return joined(join.Join(cmd.Context(), o))
	}
	_ = cmd.MarkFlagRequired("context")
	return cmd
}

// joined returns the error for a failure that is printed already.
func joined(err error) error {
	if errors.Is(err, join.ErrFailed) {
		return errReported
	}
	return err
}

// joinOutput validates the flags for values, and sets where to print to.
func (p *plugin) joinOutput(o *join.Options, output string) error {
	switch {
	case !slices.Contains([]join.DryRun{join.DryRunNone, join.DryRunClient, join.DryRunServer}, o.DryRun):
		return fmt.Errorf("--dry-run %q is neither none, client nor server", o.DryRun)
	case !slices.Contains([]corev1.ServiceType{"", corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer}, o.Expose):
		return fmt.Errorf("--expose %q is neither NodePort nor LoadBalancer", o.Expose)
	case output != "" && output != "yaml":
		return fmt.Errorf("--output %q is not yaml", output)
	case o.Wait <= 0:
		return errors.New("--wait must be longer than 0: the agent makes its key when it starts, and the hub needs the pin of it")
	}
	if output == "yaml" {
		o.Objects, o.Out = p.Out, p.ErrOut
	}
	return nil
}

// ask asks the masters for the whole state of a cluster.
func (p *plugin) ask(ctx context.Context, cluster string) (join.Answer, error) {
	master, closeClient, err := p.connection.open(ctx)
	if err != nil {
		return join.Answer{}, err
	}
	defer closeClient()
	document, err := master.Get(ctx, cluster, client.ListOptions{Timeout: p.connection.timeout})
	if err != nil {
		return join.Answer{}, err
	}
	text, err := json.Marshal(document)
	if err != nil {
		return join.Answer{}, err
	}
	return join.Answer{Nodes: len(document.Nodes), Pods: len(document.Pods), Bytes: len(text)}, nil
}
