package plugin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"rollcall.dev/rollcall/client"
)

// connection says how the master is reached, and who asks.
type connection struct {
	server     string
	caFile     string
	serverName string
	insecure   bool
	token      string

	kubeconfig string
	context    string
	user       string

	namespace string
	selector  string

	timeout time.Duration

	// published is the masters' own CA in PEM, as the hub has it; empty: not asked for.
	published []byte
}

// Where config/master puts the master, which names its port https.
const (
	masterNamespace = "rollcall-system"
	masterSelector  = "app.kubernetes.io/name=rollcall-master"
	masterPortName  = "https"
	masterPort      = 8443
	masterCA        = "rollcall-master-ca"
	serverVariable  = "ROLLCALL_SERVER"
)

func (c *connection) register(f *pflag.FlagSet, getenv func(string) string) {
	f.SortFlags = false
	f.StringVar(&c.server, "server", getenv(serverVariable), "the master's address, such as https://rollcall.example:8443; default: $"+serverVariable+", else a port-forward to a ready master of the hub")
	f.StringVar(&c.caFile, "certificate-authority", "", "authorities of the master's certificate; default: the system's and the kubeconfig's")
	f.StringVar(&c.serverName, "tls-server-name", "", "name that the master's certificate is checked for; default: the one in --server")
	f.BoolVar(&c.insecure, "insecure-skip-tls-verify", false, "do not check the master's certificate: whoever answers at --server gets your credentials")
	f.StringVar(&c.token, "token", "", "bearer token for the master, instead of the kubeconfig's credentials")
	f.StringVar(&c.kubeconfig, "kubeconfig", "", "the hub; default: $KUBECONFIG, then ~/.kube/config")
	f.StringVar(&c.context, "context", "", "the kubeconfig's context to use")
	f.StringVar(&c.user, "user", "", "the kubeconfig's user to use")
	f.StringVar(&c.namespace, "master-namespace", masterNamespace, "where a port-forward finds the master's pods")
	f.StringVar(&c.selector, "master-selector", masterSelector, "labels of the master's pods")
	f.DurationVar(&c.timeout, "timeout", 10*time.Second, "how long a cluster that is not reporting may take to begin, at most 1m")
}

// hub is the hub cluster and the credentials for it, which are the master's too.
func (c *connection) hub() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: c.context}
	overrides.Context.AuthInfo = c.user
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err) && c.server != "" && c.kubeconfig == "":
		return &rest.Config{}, nil // nobody in particular asks
	case clientcmd.IsEmptyConfig(err) && c.server == "":
		return nil, errors.New("there is no kubeconfig to find a master's hub by; name one by --kubeconfig or $KUBECONFIG, or the master by --server")
	case err != nil:
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	case config.Impersonate.UserName != "" || config.Impersonate.UID != "" || len(config.Impersonate.Groups) > 0 || len(config.Impersonate.Extra) > 0:
		return nil, fmt.Errorf("the kubeconfig's user impersonates %s, and a Rollcall master knows no impersonation; choose another by --user", config.Impersonate.UserName)
	}
	return config, nil
}

// open is a client of the master, and what ends it.
func (c *connection) open(ctx context.Context) (*client.Client, func(), error) {
	hub, err := c.hub()
	if err != nil {
		return nil, nil, err
	}
	asks := hub
	if c.token != "" {
		asks = rest.AnonymousClientConfig(hub)
		asks.BearerToken = c.token
	}
	if c.server == "" {
		return c.forward(ctx, hub, asks)
	}
	if err := c.fit(asks); err != nil {
		return nil, nil, err
	}
	return c.direct(asks)
}

// fit refuses what would show credentials to who is not meant.
func (c *connection) fit(asks *rest.Config) error {
	server, err := url.Parse(c.server)
	if err != nil {
		return fmt.Errorf("--server %q is no address: %w", c.server, err)
	}
	if server.Scheme != "http" {
		return nil // what is no address of a master is the client's to refuse
	}
	ip := net.ParseIP(server.Hostname())
	if server.Hostname() == "localhost" || ip != nil && ip.IsLoopback() || nobody(asks) {
		return nil
	}
	return fmt.Errorf("--server %s would be shown your credentials in the clear; use https", c.server)
}

// nobody says that a config has no credentials that are sent over plain HTTP.
func nobody(c *rest.Config) bool {
	return c.BearerToken == "" && c.BearerTokenFile == "" && c.Username == "" && c.ExecProvider == nil && c.AuthProvider == nil
}

// direct reaches the master at --server.
func (c *connection) direct(asks *rest.Config) (*client.Client, func(), error) {
	transport, err := c.transport(asks, nil)
	if err != nil {
		return nil, nil, err
	}
	master, err := client.New(client.Config{Server: c.server, Transport: transport, UserAgent: userAgent})
	if err != nil {
		return nil, nil, err
	}
	return master, transport.close, nil
}

const userAgent = "kubectl-rollcall"
