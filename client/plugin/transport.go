package plugin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
)

// credentialed carries requests to the master, each with who asks.
type credentialed struct {
	http.RoundTripper
	base *http.Transport
}

func (c *credentialed) close() { c.base.CloseIdleConnections() }

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// transport presents the credentials of a kubeconfig to the master: a token, what a
// plugin of client-go gives, a client certificate. dial is nil for the network.
func (c *connection) transport(asks *rest.Config, dial dialFunc) (*credentialed, error) {
	asks = rest.CopyConfig(asks)
	if dial != nil {
		asks.Dial = dial
	}
	config, err := asks.TransportConfig()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig's credentials: %w", err)
	}
	trust, err := c.trust(asks)
	if err != nil {
		return nil, err
	}
	// What the kubeconfig says of the hub's certificate is not said of the master's.
	config.TLS.CAData, config.TLS.CAFile = nil, ""
	config.TLS.Insecure, config.TLS.ServerName = c.insecure, c.serverName
	ours, err := transport.TLSConfigFor(config)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig's client certificate: %w", err)
	}
	if ours == nil {
		ours = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	ours.RootCAs = trust
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.TLSClientConfig = ours
	base.ForceAttemptHTTP2 = true
	base.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second}
	if config.DialHolder != nil {
		base.DialContext = config.DialHolder.Dial
	}
	if dial != nil {
		base.Proxy = nil
	}
	wrapped, err := transport.HTTPWrappersForConfig(config, base)
	if err != nil {
		return nil, fmt.Errorf("use the kubeconfig's credentials: %w", err)
	}
	return &credentialed{wrapped, base}, nil
}

// trust returns the authorities of the master's certificate: those of the flag, else the
// masters' own CA, else the system's and the hub's, which may have signed it.
func (c *connection) trust(hub *rest.Config) (*x509.CertPool, error) {
	switch {
	case c.insecure && c.caFile != "":
		return nil, errors.New("--certificate-authority means nothing with --insecure-skip-tls-verify")
	case c.published != nil:
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(c.published)
		return pool, nil
	case c.caFile != "":
		pem, err := os.ReadFile(c.caFile)
		if err != nil {
			return nil, fmt.Errorf("read --certificate-authority: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--certificate-authority %s holds no certificate in PEM", c.caFile)
		}
		return pool, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pem := hub.CAData
	if len(pem) == 0 && hub.CAFile != "" {
		if pem, err = os.ReadFile(hub.CAFile); err != nil {
			return nil, fmt.Errorf("read the kubeconfig's certificate authority: %w", err)
		}
	}
	pool.AppendCertsFromPEM(pem)
	return pool, nil
}
