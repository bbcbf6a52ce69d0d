package local

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kubeconfig reads the user's kubeconfig.
type kubeconfig struct {
	rules *clientcmd.ClientConfigLoadingRules
}

// newKubeconfig returns the kubeconfig at a path, or the default one if path is empty.
func newKubeconfig(path string) kubeconfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = path
	return kubeconfig{rules}
}

// load reads the kubeconfig again.
func (k kubeconfig) load() (*clientcmdapi.Config, error) {
	config, err := k.rules.Load()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	return config, nil
}

// selected returns the contexts that c selects, each once and in order.
func (k kubeconfig) selected(c *Config) ([]string, error) {
	config, err := k.load()
	if err != nil {
		return nil, err
	}
	known := slices.Sorted(maps.Keys(config.Contexts))
	wanted := c.Contexts
	switch {
	case len(known) == 0:
		return nil, errors.New("no kubeconfig with a context found: set --kubeconfig or $KUBECONFIG, or try `kubectl rollcall local --simulate 20`, which needs none")
	case c.AllContexts:
		return known, nil
	case len(wanted) == 0 && config.CurrentContext == "":
		return nil, fmt.Errorf("the kubeconfig has no current context: set --contexts to some of %s, or set --all-contexts", strings.Join(known, ", "))
	case len(wanted) == 0:
		wanted = []string{config.CurrentContext}
	}
	var contexts []string
	for _, name := range wanted {
		if config.Contexts[name] == nil {
			return nil, fmt.Errorf("the kubeconfig has no context %q; it has %s", name, strings.Join(known, ", "))
		}
		if !slices.Contains(contexts, name) {
			contexts = append(contexts, name)
		}
	}
	return contexts, nil
}

// access is how a context's cluster is reached.
type access struct {
	rest *rest.Config
	// namespaces are those of all contexts for the same cluster and user.
	namespaces []string
}

// access reads the kubeconfig again, and returns how the cluster of a context is reached.
func (k kubeconfig) access(context, version string) (*access, error) {
	config, err := k.load()
	if err != nil {
		return nil, err
	}
	own := config.Contexts[context]
	if own == nil {
		return nil, fmt.Errorf("the kubeconfig has no context %q any more", context)
	}
	a := &access{}
	a.rest, err = clientcmd.NewNonInteractiveClientConfig(*config, context, &clientcmd.ConfigOverrides{}, k.rules).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read the context %s of the kubeconfig: %w", context, err)
	}
	a.rest.UserAgent = "kubectl-rollcall-local/" + version
	a.rest.QPS = -1
	a.rest.WarningHandlerWithContext = rest.NoWarnings{}
	for _, other := range config.Contexts {
		if other.Cluster == own.Cluster && other.AuthInfo == own.AuthInfo && other.Namespace != "" && !slices.Contains(a.namespaces, other.Namespace) {
			a.namespaces = append(a.namespaces, other.Namespace)
		}
	}
	if own.Namespace == "" && !slices.Contains(a.namespaces, "default") {
		a.namespaces = append(a.namespaces, "default")
	}
	slices.Sort(a.namespaces)
	return a, nil
}
