package plugin

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/jointoken"
	"rollcall.dev/rollcall/client/join"
)

const joinLong = `Install the agent in a cluster, register the cluster on the hub, and wait until the master gets
its first answer. Each step prints what was checked, or the cause of a failure and what to do.

--context is the context of the cluster that joins, and --hub-context that of the hub (default:
the current context). Unless --endpoint or --expose is set, the agent dials the hub, so the
cluster needs no inbound port.

Without access to the hub, use --token-file with a token that an administrator of the hub has
created (kubectl rollcall token create).

For GitOps, use --manifests: it writes the objects for hub and members, without a secret in them.

The agent makes its own key. Only the pin of its public key is read and registered. The command
can be repeated: it repairs what has changed. If it fails, it removes what it has created.`

const joinExample = `  # The agent dials the hub
  kubectl rollcall join prod-eu --context prod-eu-admin --hub-context hub

  # Through a proxy, with an image from your registry
  kubectl rollcall join edge-1 --context edge-1 --hub-context hub --proxy-url http://proxy.example:3128 --image-registry registry.example/rollcall

  # The hub dials the agent at a node port
  kubectl rollcall join prod-us --context prod-us --hub-context hub --expose NodePort

  # With a join token, without access to the hub
  kubectl rollcall join --token-file prod-eu.token --context prod-eu-admin

  # Manifests of all clusters for a Git repository
  kubectl rollcall join --all-contexts --manifests clusters --hub-context hub

  # Show what would be applied
  kubectl rollcall join prod-eu --context prod-eu-admin --hub-context hub --dry-run=client -o yaml`

// Help of flags that several commands have.
const (
	hubAddressUsage    = "address at which the cluster reaches the masters, such as wss://rollcall.example:443; default: what the hub publishes, else the address of the masters' Service"
	hubServerNameUsage = "name in the masters' certificate; default: what the hub publishes, else the name of their Service"
)

func (p *plugin) join() *cobra.Command {
	clusters := clusterFlags{plugin: p}
	o := join.Options{Out: p.Out}
	var manifests manifestFlags
	var dryRun, expose, output, tokenFile string
	cmd := &cobra.Command{Use: "join [CLUSTER]", Short: "Join a cluster to the hub", Long: joinLong, Example: joinExample, Args: cobra.MaximumNArgs(1), ValidArgsFunction: cobra.NoFileCompletions}
	f := cmd.Flags()
	clusters.register(cmd)
	f.StringVar(&o.HubAddress, "hub-address", "", hubAddressUsage)
	f.StringVar(&o.HubServerName, "hub-server-name", "", hubServerNameUsage)
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
	f.StringVar(&tokenFile, "token-file", "", "join with a token of \"kubectl rollcall token create\" instead of access to the hub: a file, or - for standard input")
	manifests.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if o.DryRun, err = parseDryRun(dryRun); err != nil {
			return err
		}
		o.Expose = corev1.ServiceType(expose)
		if err := p.joinOutput(&o, output); err != nil {
			return err
		}
		if used, err := manifests.used(cmd, args); used || err != nil {
			if err != nil {
				return err
			}
			return p.writeManifests(cmd, &manifests, &o, &clusters)
		}
		if tokenFile != "" {
			return p.joinByToken(cmd, args, o, tokenFile, &clusters)
		}
		if len(args) != 1 || clusters.memberContext == "" {
			return errors.New("name the cluster and set --context to its context, as in `kubectl rollcall join prod-eu --context prod-eu-admin`, or set --token-file")
		}
		o.Name, o.HubNamespace, o.Ask = args[0], p.connection.namespace, p.ask
		if o.Member, o.Hub, err = clusters.both(); err != nil {
			return err
		}
		return joined(join.Join(cmd.Context(), o))
	}
	return cmd
}

// joinByToken joins without access to the hub.
func (p *plugin) joinByToken(cmd *cobra.Command, args []string, o join.Options, tokenFile string, clusters *clusterFlags) error {
	for _, flag := range []string{"hub-context", "hub-kubeconfig", "hub-address", "hub-server-name", "label"} {
		if cmd.Flags().Changed(flag) {
			return fmt.Errorf("--%s has no effect with --token-file, as the token has all about the hub: remove it", flag)
		}
	}
	token, err := p.readToken(tokenFile)
	if err != nil {
		return err
	}
	if len(args) > 0 && args[0] != token.Cluster {
		return fmt.Errorf("the token is for %s, not %s: leave out the name, or ask for a token for %s", token.Cluster, args[0], args[0])
	}
	o.Token = &token
	if o.Member, err = memberOf(p.connection.kubeconfig, clusters.memberContext); err != nil {
		return err
	}
	return joined(join.Join(cmd.Context(), o))
}

// readToken reads a join token from a file, or from standard input.
func (p *plugin) readToken(file string) (jointoken.Token, error) {
	in := p.In
	if file != "-" {
		opened, err := os.Open(file) //nolint:gosec // the user names the file
		if err != nil {
			return jointoken.Token{}, fmt.Errorf("read the join token: %w", err)
		}
		defer opened.Close()
		in = opened
	}
	text, err := io.ReadAll(io.LimitReader(in, jointoken.MaxSize+1))
	if err != nil {
		return jointoken.Token{}, fmt.Errorf("read the join token: %w", err)
	}
	return jointoken.Parse(string(text))
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
