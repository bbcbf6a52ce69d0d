package agent

import (
	"errors"
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// restConfig returns the client configuration for the member cluster: the configured
// kubeconfig, else the pod's service account, else $KUBECONFIG.
func (c *Config) restConfig() (*rest.Config, error) {
	config, err := c.loadRestConfig()
	if err != nil {
		return nil, fmt.Errorf("load the kubeconfig of the member cluster: %w", err)
	}
	config.UserAgent = "rollcall-agent/" + c.Version
	return config, nil
}

// loadRestConfig returns the client configuration as client-go has it.
func (c *Config) loadRestConfig() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	if c.Kubeconfig == "" {
		if config, err := rest.InClusterConfig(); !errors.Is(err, rest.ErrNotInCluster) {
			return config, err
		}
	} else {
		rules.ExplicitPath = c.Kubeconfig
	}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
}
