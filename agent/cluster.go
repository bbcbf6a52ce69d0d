package agent

import (
	"errors"
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// restConfig is how the member cluster is reached: the kubeconfig that was named,
// else the pod's service account, else $KUBECONFIG.
func (c *Config) restConfig() (*rest.Config, error) {
	config, err := c.findCluster()
	if err != nil {
		return nil, fmt.Errorf("find the member cluster: %w", err)
	}
	config.UserAgent = "rollcall-agent/" + c.Version
	return config, nil
}

func (c *Config) findCluster() (*rest.Config, error) {
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
