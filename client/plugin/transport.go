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

	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"rollcall.dev/rollcall/client"
)

// credentialTransport adds credentials to the requests to the master.
type credentialTransport struct {
	http.RoundTripper
	base *http.Transport
}

func (c *credentialTransport) close() { c.base.CloseIdleConnections() }

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// transport returns a transport with the credentials of a kubeconfig: a token, an exec
// plugin, or a client certificate. dial is nil for a direct connection.
func (c *connection) transport(credentials *rest.Config, dial dialFunc) (*credentialTransport, error) {
	credentials = rest.CopyConfig(credentials)
	if dial != nil {
		credentials.Dial = dial
	}
	config, err := credentials.TransportConfig()
	if err != nil {
		return nil, fmt.Errorf("read the credentials of the kubeconfig: %w", err)
	}
	roots, err := c.rootCAs(credentials)
	if err != nil {
		return nil, err
	}
	// The TLS settings of the kubeconfig are for the hub, not for the master.
	config.TLS.CAData, config.TLS.CAFile = nil, ""
	config.TLS.Insecure, config.TLS.ServerName = c.insecure, c.serverName
	tlsConfig, err := transport.TLSConfigFor(config)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig's client certificate: %w", err)
	}
	if tlsConfig == nil {
		tlsConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	tlsConfig.RootCAs = roots
	base := client.NewTransport(tlsConfig)
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
	return &credentialTransport{wrapped, base}, nil
}

// rootCAs returns the certificate authorities of the master: the published CA if it was
// requested, else those of --certificate-authority, else those of the system and of the hub,
// which may have signed the master's certificate.
func (c *connection) rootCAs(hub *rest.Config) (*x509.CertPool, error) {
	switch {
	case c.insecure && c.caFile != "":
		return nil, errors.New("--certificate-authority and --insecure-skip-tls-verify cannot both be set")
	case c.publishedCA != nil:
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(c.publishedCA)
		return pool, nil
	case c.caFile != "":
		pem, err := os.ReadFile(c.caFile)
		if err != nil {
			return nil, fmt.Errorf("read --certificate-authority: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--certificate-authority %s contains no PEM certificate", c.caFile)
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
