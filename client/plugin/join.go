package plugin

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

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
	dryRunFlag(cmd, &dryRun)
	f.StringVarP(&output, "output", "o", "", "yaml: print the objects to standard output, and the steps to standard error")
	f.BoolVar(&o.ForceConflicts, "force-conflicts", false, "take fields over that other tools have set")
	completeFlag(cmd, "expose", "NodePort", "LoadBalancer")
	completeFlag(cmd, "output", "yaml")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if o.DryRun, err = parseDryRun(dryRun); err != nil {
			return err
		}
		o.Name, o.Expose = args[0], corev1.ServiceType(expose)
		if err := p.joinOutput(&o, output); err != nil {
			return err
		}
		if o.Member, o.Hub, err = clusters.both(); err != nil {
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
