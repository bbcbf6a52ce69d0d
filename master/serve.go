package master

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/api/tlsfiles"
)

// certificateName is the name in certificates that the master makes, beside localhost.
const certificateName = "rollcall-master"

// listen opens the addresses, and tells them to who waits for them. health is nil where it
// is not served apart.
func (c *Config) listen(ctx context.Context) (clients, health net.Listener, err error) {
	clients, err = (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return nil, nil, fmt.Errorf("listen: %w", err)
	}
	if c.HealthListen != "" {
		health, err = (&net.ListenConfig{}).Listen(ctx, "tcp", c.HealthListen)
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("listen for health: %w", err), clients.Close())
		}
		if c.HealthListening != nil {
			c.HealthListening(health.Addr())
		}
	}
	if c.Listening != nil {
		c.Listening(clients.Addr())
	}
	return clients, health, nil
}

// limits are those of connections of clients.
func (c *Config) limits() (connlimit.Config, error) {
	proxies, err := connlimit.ParsePrefixes("--trusted-proxies", c.TrustedProxies)
	return connlimit.Config{Max: c.MaxConnections, MaxPerAddress: c.MaxConnectionsPerAddress, TrustedProxies: proxies}, err
}

// serverTLS is how clients are served, nil for plain HTTP.
func (c *Config) serverTLS() (*tls.Config, error) {
	if c.plainHTTP() {
		c.Log.Warn("INSECURE: serving plain HTTP: whoever is on the way can read everything", "address", c.Listen)
		return nil, nil
	}
	config, err := tlsfiles.ServerConfig(c.TLSCertFile, c.TLSKeyFile, c.Log, certificateName, certificateName, "localhost", "127.0.0.1", "::1")
	if err != nil {
		return nil, err
	}
	if c.Auth == AuthKubernetes {
		// Who has a certificate may show it; it is verified with each request, as the
		// authorities change while a connection lasts.
		config.ClientAuth = tls.RequestClientCert
	}
	if c.TLSCertFile == "" {
		c.Log.Warn("serving with a certificate made in memory, which no client can know: give --tls-cert-file and --tls-key-file")
	}
	return config, nil
}
