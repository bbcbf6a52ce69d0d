package master

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"slices"

	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/master/egress"
	"rollcall.dev/rollcall/master/httpapi"
)

// dialContext opens a connection.
type dialContext func(ctx context.Context, network, address string) (net.Conn, error)

// networkConfig has the dialer for agents and the limits of client connections.
type networkConfig struct {
	dial dialContext
	// proxy is nil if agents are dialed directly.
	proxy  *url.URL
	limits connlimit.Config
}

func (c *Config) networkConfig(hub *rest.Config) (n networkConfig, err error) {
	if n.dial, n.proxy, err = c.agentDialer(hub); err != nil {
		return n, err
	}
	n.limits, err = c.limits()
	return n, err
}

// agentDialer returns the dialer for agents: either a direct one that is restricted by the egress
// policy, or an unrestricted one and the URL of the proxy that it has to be used with.
func (c *Config) agentDialer(hub *rest.Config) (dialContext, *url.URL, error) {
	if c.DialProxy != "" {
		proxy, err := parseProxy(c.DialProxy)
		return (&net.Dialer{}).DialContext, proxy, err
	}
	policy, err := c.egressPolicy(hub)
	if err != nil {
		return nil, nil, err
	}
	return (&net.Dialer{ControlContext: policy.Control}).DialContext, nil, nil
}

// egressPolicy returns the policy that the flags describe.
func (c *Config) egressPolicy(hub *rest.Config) (*egress.Policy, error) {
	policy := &egress.Policy{Loopback: c.DialLoopback}
	var allow, deny error
	policy.Allow, allow = connlimit.ParsePrefixes("--dial-allow", c.DialAllow)
	policy.Deny, deny = connlimit.ParsePrefixes("--dial-deny", c.DialDeny)
	if err := errors.Join(allow, deny); err != nil {
		return nil, err
	}
	if c.DialHubAPI {
		return policy, nil
	}
	servers := []string{hub.Host}
	if host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"); host != "" && port != "" {
		servers = append(servers, net.JoinHostPort(host, port))
	}
	apiServer, err := egress.NewHub(servers...)
	if err != nil {
		return nil, err
	}
	policy.HubAPI = apiServer.Addresses
	return policy, nil
}

// validateDialFlags validates the flags for connections to agents.
func (c *Config) validateDialFlags() error {
	_, allow := connlimit.ParsePrefixes("--dial-allow", c.DialAllow)
	_, deny := connlimit.ParsePrefixes("--dial-deny", c.DialDeny)
	errs := []error{allow, deny}
	if c.DialProxy != "" {
		_, err := parseProxy(c.DialProxy)
		errs = append(errs, err)
		if len(c.DialAllow)+len(c.DialDeny) > 0 {
			errs = append(errs, errors.New("--dial-allow and --dial-deny cannot be used with --dial-proxy: the proxy decides which addresses can be reached"))
		}
	}
	return errors.Join(errs...)
}

// parseProxy parses the URL of a proxy. Its errors do not contain the URL, which may have a password.
func parseProxy(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme):
		return nil, errors.New("--dial-proxy is not the URL of a proxy: use http://, https:// or socks5:// and host:port")
	case u.User != nil:
		return nil, errors.New("--dial-proxy must not contain a user or password, which anyone could read in the list of processes: let the proxy identify the master by its address")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("--dial-proxy must contain only scheme, host and port")
	}
	return u, nil
}

// hosts returns the accepted Host headers with AuthNone, nil to accept all.
func (c *Config) hosts() *httpapi.Hosts {
	if c.Auth != AuthNone {
		return nil
	}
	return &httpapi.Hosts{Addresses: !isLoopback(c.Listen), Names: c.AllowedHosts}
}
