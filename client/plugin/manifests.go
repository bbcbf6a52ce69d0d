package plugin

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rollcall.dev/rollcall/api/clustername"
	"rollcall.dev/rollcall/client/join"
)

// manifestFlags select the clusters for which manifests are written.
type manifestFlags struct {
	dir         string
	contexts    []string
	allContexts bool
}

func (m *manifestFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&m.dir, "manifests", "", "write manifests for a Git repository to DIR/hub and DIR/members, without a secret in them, and change nothing")
	f.BoolVar(&m.allContexts, "all-contexts", false, "with --manifests: all contexts of the kubeconfig except for the hub's")
	f.StringSliceVar(&m.contexts, "contexts", nil, "with --manifests: these contexts, separated by commas")
}

// used reports whether manifests are wanted. It returns an error for flags that do not fit.
func (m *manifestFlags) used(cmd *cobra.Command, args []string) (bool, error) {
	switch several := m.allContexts || len(m.contexts) > 0; {
	case m.dir == "" && several:
		return false, errors.New("--all-contexts and --contexts need --manifests: several clusters are joined by manifests, which you apply yourself or by a GitOps tool")
	case m.dir == "":
		return false, nil
	case m.allContexts && len(m.contexts) > 0:
		return false, errors.New("--all-contexts and --contexts cannot both be set")
	case len(args) > 0 || !several:
		return false, errors.New("--manifests needs --all-contexts or --contexts, and no name: clusters are named after their contexts")
	}
	for _, flag := range []string{"context", "endpoint", "expose", "token-file", "dry-run", "output", "force-conflicts"} {
		if cmd.Flags().Changed(flag) {
			return false, fmt.Errorf("--%s has no effect with --manifests: remove it", flag)
		}
	}
	return true, nil
}

// writeManifests writes manifests for the selected contexts.
func (p *plugin) writeManifests(cmd *cobra.Command, m *manifestFlags, o *join.Options, clusters *clusterFlags) error {
	kubeconfig := p.connection.kubeconfig
	selected, err := m.selected(kubeconfig)
	if err != nil {
		return err
	}
	members := map[string]*join.Cluster{}
	for kubeContext, name := range clustername.Of(selected) {
		if members[name], err = memberOf(kubeconfig, kubeContext); err != nil {
			return err
		}
	}
	master, err := clusters.hub()
	if err != nil {
		return err
	}
	return joined(join.WriteManifests(cmd.Context(), join.ManifestOptions{
		Hub: master, HubNamespace: p.connection.namespace, HubAddress: o.HubAddress, HubServerName: o.HubServerName, Members: members, Dir: m.dir,
		ProxyURL: o.ProxyURL, ImageRegistry: o.ImageRegistry, ImagePullSecret: o.ImagePullSecret, Labels: o.Labels, Out: o.Out,
	}))
}

// selected returns the selected contexts, sorted.
func (m *manifestFlags) selected(kubeconfig string) ([]string, error) {
	config, err := loadKubeconfig(kubeconfig)
	if err != nil {
		return nil, err
	}
	known := slices.Sorted(maps.Keys(config.Contexts))
	if m.allContexts {
		return known, nil
	}
	for _, name := range m.contexts {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("the kubeconfig has no context %q; it has %s", name, strings.Join(known, ", "))
		}
	}
	return slices.Sorted(slices.Values(m.contexts)), nil
}
