package plugin

import (
	"cmp"
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

// connection holds the flags for the address of the master and for the credentials.
type connection struct {
	server string
	caFile string
	// caFileDefault is used instead of caFile with --server.
	caFileDefault string
	serverName    string
	insecure      bool
	token         string
	// envToken is used instead of token if that is empty.
	envToken string

	kubeconfig string
	context    string
	user       string

	namespace string
	selector  string

	timeout time.Duration

	// publishedCA is the CA of the masters in PEM, as published in the hub; nil if it was not
	// requested or there is none.
	publishedCA []byte
}

// Names in config/master, and the environment variables for --server and --token.
const (
	masterNamespace = "rollcall-system"
	masterSelector  = "app.kubernetes.io/name=rollcall-master"
	masterPortName  = "https"
	masterPort      = 8443
	masterCA        = "rollcall-master-ca"
	serverEnv       = "ROLLCALL_SERVER"
	// caFileEnv is the environment variable for --certificate-authority.
	caFileEnv = "ROLLCALL_CERTIFICATE_AUTHORITY"
	// tokenEnv is the environment variable for --token.
	tokenEnv = "ROLLCALL_TOKEN"
)

func (c *connection) register(f *pflag.FlagSet, getenv func(string) string) {
	f.SortFlags = false
	f.StringVar(&c.server, "server", getenv(serverEnv), "URL of the master, such as https://rollcall.example:8443; default: $"+serverEnv+", else a port-forward to a ready master in the hub")
	f.StringVar(&c.caFile, "certificate-authority", "", "file with the CA certificates for the master; default: with --server, $"+caFileEnv+", else those of the system and of the kubeconfig")
	c.caFileDefault = getenv(caFileEnv)
	f.StringVar(&c.serverName, "tls-server-name", "", "name in the master's certificate; default: the host of --server")
	f.BoolVar(&c.insecure, "insecure-skip-tls-verify", false, "do not verify the master's certificate: your credentials are sent to any server at --server")
	f.StringVar(&c.token, "token", "", "bearer token for the master, instead of the kubeconfig's credentials; default: $"+tokenEnv+", which other users of the machine cannot see")
	c.envToken = getenv(tokenEnv) // not the default of the flag, since the help would print it
	f.StringVar(&c.kubeconfig, "kubeconfig", "", "kubeconfig of the hub; default: $KUBECONFIG, then ~/.kube/config")
	f.StringVar(&c.context, "context", "", "context of the kubeconfig")
	f.StringVar(&c.user, "user", "", "user of the kubeconfig")
	f.StringVar(&c.namespace, "master-namespace", masterNamespace, "namespace of the master's pods, for a port-forward")
	f.StringVar(&c.selector, "master-selector", masterSelector, "label selector of the master's pods, for a port-forward")
	f.DurationVar(&c.timeout, "timeout", 10*time.Second, "how long to wait for the first report of a cluster, at most 1m")
}

// hub returns the address and the credentials of the hub. The master accepts the same
// credentials.
func (c *connection) hub() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: c.context}
	overrides.Context.AuthInfo = c.user
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err) && c.server != "" && c.kubeconfig == "":
		return &rest.Config{}, nil // anonymous
	case clientcmd.IsEmptyConfig(err) && c.server == "":
		return nil, errors.New("no kubeconfig found: set --kubeconfig or $KUBECONFIG to a kubeconfig of the hub, or set --server")
	case err != nil:
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	case config.Impersonate.UserName != "" || config.Impersonate.UID != "" || len(config.Impersonate.Groups) > 0 || len(config.Impersonate.Extra) > 0:
		return nil, fmt.Errorf("the kubeconfig's user impersonates %s, which a Rollcall master does not support; set another --user", config.Impersonate.UserName)
	}
	return config, nil
}

// secrets returns the tokens and passwords of all users of the kubeconfig.
func (c *connection) secrets() []string {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.kubeconfig
	config, err := rules.Load()
	if err != nil {
		return nil
	}
	var all []string
	for _, user := range config.AuthInfos {
		all = append(all, user.Token, user.Password, string(user.ClientKeyData))
		if user.Exec != nil {
			for _, variable := range user.Exec.Env {
				all = append(all, variable.Value)
			}
		}
	}
	return all
}

// open returns a client of the master, and a function that closes its connections.
func (c *connection) open(ctx context.Context) (*client.Client, func(), error) {
	hub, err := c.hub()
	if err != nil {
		return nil, nil, err
	}
	credentials := hub
	if token := cmp.Or(c.token, c.envToken); token != "" {
		credentials = rest.AnonymousClientConfig(hub)
		credentials.BearerToken = token
	}
	if c.server == "" {
		return c.forward(ctx, hub, credentials)
	}
	if err := c.checkScheme(credentials); err != nil {
		return nil, nil, err
	}
	if c.caFile == "" && !c.insecure {
		c.caFile = c.caFileDefault
	}
	return c.direct(credentials)
}

// checkScheme rejects a --server to which credentials would be sent unencrypted.
func (c *connection) checkScheme(credentials *rest.Config) error {
	server, err := url.Parse(c.server)
	if err != nil {
		return fmt.Errorf("--server %q is not a URL: %w", c.server, err)
	}
	if server.Scheme != "http" {
		return nil // client.New validates the rest
	}
	ip := net.ParseIP(server.Hostname())
	if server.Hostname() == "localhost" || ip != nil && ip.IsLoopback() || isAnonymous(credentials) {
		return nil
	}
	return fmt.Errorf("credentials would be sent unencrypted to --server %s; use https", c.server)
}

// isAnonymous reports whether a config has no credentials that are sent over plain HTTP.
func isAnonymous(c *rest.Config) bool {
	return c.BearerToken == "" && c.BearerTokenFile == "" && c.Username == "" && c.ExecProvider == nil && c.AuthProvider == nil
}

// direct returns a client that connects to --server.
func (c *connection) direct(credentials *rest.Config) (*client.Client, func(), error) {
	transport, err := c.transport(credentials, nil)
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
