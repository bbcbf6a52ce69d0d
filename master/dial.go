package master

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"

	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/api/proxyurl"
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
		proxy, err := c.parseDialProxy()
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
		_, err := c.parseDialProxy()
		errs = append(errs, err)
		if len(c.DialAllow)+len(c.DialDeny) > 0 {
			errs = append(errs, errors.New("--dial-allow and --dial-deny cannot be used with --dial-proxy: the proxy decides which addresses can be reached"))
		}
	}
	return errors.Join(errs...)
}

// parseDialProxy parses DialProxy.
func (c *Config) parseDialProxy() (*url.URL, error) {
	return proxyurl.Parse("--dial-proxy", c.DialProxy, "let the proxy identify the master by its address")
}

// hosts returns the accepted Host headers with AuthNone, nil to accept all.
func (c *Config) hosts() *httpapi.Hosts {
	if c.Auth != AuthNone {
		return nil
	}
	return &httpapi.Hosts{Addresses: !isLoopback(c.Listen), Names: c.AllowedHosts}
}
