package agent

import (
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/agent/dial"
	"rollcall.dev/rollcall/agent/report"
	"rollcall.dev/rollcall/api/proxyurl"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
)

// validateHub returns all errors of the settings for dialing masters.
func (c *Config) validateHub() error {
	if c.ServiceAccountTokenFile != "" && c.ChannelBinding == BindingOff && !c.UnboundServiceAccountToken {
		return errors.New("--service-account-token-file with --channel-binding=off gives the token to the proxy that terminates TLS, which can then join in the agent's place: " +
			"set --unbound-service-account-token to accept that, or use --join-token-file")
	}
	_, err := c.hubProxy()
	if c.Hub == "" && c.JoinTokenFile != "" {
		return err
	}
	if c.Hub == "" {
		if c.HubCAFile != "" || c.HubServerName != "" || len(c.HubPins) > 0 || c.HubProxy != "" {
			return errors.New("--hub-ca-file, --hub-server-name, --hub-pin and --hub-proxy require --hub: set it to the address of the hub's masters, such as wss://hub.example:443")
		}
		return nil
	}
	errs := []error{err}
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	hub, err := url.Parse(c.Hub)
	check(err == nil && hub.Hostname() != "" && hub.User == nil && hub.RawQuery == "" && hub.Fragment == "" && (hub.Path == "" || hub.Path == "/") && (hub.Scheme == "wss" || hub.Scheme == "ws"),
		"--hub %q is not of the form wss://host:port", c.Hub)
	if err == nil && hub.Scheme == "ws" {
		check(c.Insecure, "--hub %s is not encrypted: use wss://, or set --insecure, with which anyone on the network path can read and alter all messages", c.Hub)
		check(c.ChannelBinding == BindingOff, "--hub %s has no TLS to which signatures can be bound: use wss://, or set --channel-binding=%s", c.Hub, BindingOff)
	}
	check(c.Auth == AuthToken, "--hub requires --auth %s: the agent must recognize the masters of its hub", AuthToken)
	check(c.TLSCertFile != "" || c.TLSSecret != "", "--hub requires --tls-secret and --tls-pin-configmap, or --tls-cert-file and --tls-key-file: their key proves this agent to the hub")
	return errors.Join(errs...)
}

// hubProxy returns the proxies of requests to the hub, as http.Transport.Proxy does.
func (c *Config) hubProxy() (func(*http.Request) (*url.URL, error), error) {
	if c.HubProxy == "" {
		return http.ProxyFromEnvironment, nil
	}
	proxy, err := proxyurl.Parse("--hub-proxy", c.HubProxy, "set HTTPS_PROXY in the environment from a Secret")
	return http.ProxyURL(proxy), err
}

// newLinks returns the Dialer that keeps a link to the masters, or nil without Config.Hub.
func (c *Config) newLinks(identity *identity, certificate *ownCertificate, verifier *token.Verifier, handler *report.Handler, metrics prometheus.Registerer) (*dial.Dialer, error) {
	if c.Hub == "" && c.JoinTokenFile == "" || c.Auth != AuthToken || certificate == nil && c.TLSCertFile == "" {
		return nil, nil
	}
	if _, err := c.target(); err != nil && !errors.Is(err, dial.ErrNoHub) {
		return nil, err
	}
	proxy, err := c.hubProxy()
	if err != nil {
		return nil, err
	}
	key, err := c.agentKey(certificate)
	if err != nil {
		return nil, err
	}
	config := dial.Config{
		Target: c.target, ServiceAccountToken: c.serviceAccountToken(), Proxy: proxy, Cluster: c.ClusterName, Version: c.Version,
		UID: func() (string, bool) { uid, _, ok := identity.get(); return uid, ok },
		Key: key, Verifier: verifier, Unbound: c.ChannelBinding == BindingOff, Serve: func(conn *dial.Conn, masterID string, channel token.Channel) bool {
			return handler.ServeLink(conn, masterID, channel)
		}, Log: c.Log, Metrics: metrics,
	}
	if certificate != nil {
		config.NextKey, config.OnNextKeyAccepted, config.KeyChanged = certificate.nextKey, certificate.acceptNext, certificate.rotation.changed
	}
	return dial.New(config), nil
}

// agentKey returns a function that returns the key of the agent's certificate, which is reloaded when its file or Secret
// changes. own is nil if the certificate is not in a Secret.
func (c *Config) agentKey(own *ownCertificate) (func() (crypto.Signer, error), error) {
	var get func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	if own != nil {
		get = own.getCertificate
	} else {
		files, err := tlsfiles.Open(c.TLSCertFile, c.TLSKeyFile, c.Log)
		if err != nil {
			return nil, err
		}
		get = files.GetCertificate
	}
	return func() (crypto.Signer, error) {
		pair, err := get(nil)
		if err != nil {
			return nil, err
		}
		key, ok := pair.PrivateKey.(crypto.Signer)
		if !ok {
			return nil, fmt.Errorf("the key of the agent's certificate cannot sign: it is a %T", pair.PrivateKey)
		}
		return key, nil
	}, nil
}
