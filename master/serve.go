package master

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/api/keysecret"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/master/servingcert"
)

// certificateName is the DNS name in generated certificates, besides localhost.
const certificateName = "rollcall-master"

// listen opens the listeners and calls Config.Listening and Config.HealthListening. health is nil
// if it is not served separately.
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
	c.Log.Info("serving", "version", c.Version, "address", clients.Addr(), "auth", c.Auth, "cache", cacheKind(c.Cache), "leaderElection", c.LeaderElect)
	if c.Listening != nil {
		c.Listening(clients.Addr())
	}
	return clients, health, nil
}

// cacheKind returns memory or redis for a --cache, whose URL may have a password.
func cacheKind(cache string) string {
	if cache == CacheMemory {
		return cache
	}
	return "redis"
}

// limits returns the limits of client connections.
func (c *Config) limits() (connlimit.Config, error) {
	proxies, err := connlimit.ParsePrefixes("--trusted-proxies", c.TrustedProxies)
	return connlimit.Config{Max: c.MaxConnections, MaxPerAddress: c.MaxConnectionsPerAddress, TrustedProxies: proxies}, err
}

// newServingCertificate returns the source of a serving certificate signed by the shared CA, nil if
// the certificate is in files or self-signed.
func (c *Config) newServingCertificate(hub *rest.Config) (*servingcert.Source, error) {
	if c.TLSCertFile != "" || c.ServingCASecret == "" {
		return nil, nil
	}
	namespace := keysecret.PodNamespace()
	secrets, configMaps, err := keysecret.NewClients(hub, namespace)
	if err != nil {
		return nil, err
	}
	return servingcert.New(servingcert.Config{
		Secrets: secrets, ConfigMaps: configMaps, Namespace: namespace,
		Secret: c.ServingCASecret, ConfigMap: c.ServingCAConfigMap,
		Hosts: servingcert.Hosts(certificateName, namespace, c.ServingCertNames...), Log: c.Log,
	}), nil
}

// expiryCollector collects when the serving certificate of a TLS configuration expires. There is no sample while there is
// no certificate.
type expiryCollector struct{ config *tls.Config }

var expiryDesc = prometheus.NewDesc("rollcall_serving_certificate_expiry_timestamp_seconds", "When the serving certificate expires, in Unix seconds.", nil, nil)

func (c expiryCollector) Describe(out chan<- *prometheus.Desc) { out <- expiryDesc }

func (c expiryCollector) Collect(out chan<- prometheus.Metric) {
	var leaf *x509.Certificate
	if len(c.config.Certificates) > 0 {
		leaf = c.config.Certificates[0].Leaf
	} else if pair, err := c.config.GetCertificate(nil); err == nil {
		leaf = pair.Leaf
	}
	if leaf != nil {
		out <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(leaf.NotAfter.Unix()))
	}
}

// serverTLS returns the TLS configuration, nil for plain HTTP. source is nil if the certificate is not
// signed by the shared CA.
func (c *Config) serverTLS(source *servingcert.Source) (*tls.Config, error) {
	if c.plainHTTP() {
		c.Log.Warn("INSECURE: serving plain HTTP: anyone on the network path can read everything", "address", c.Listen)
		return nil, nil
	}
	config, err := c.certificates(source)
	if err != nil {
		return nil, err
	}
	if c.Auth == AuthKubernetes {
		// Client certificates are optional. They are verified with each request, as the
		// authorities can change during a connection.
		config.ClientAuth = tls.RequestClientCert
	}
	return config, nil
}

// certificates returns the TLS configuration with the serving certificate.
func (c *Config) certificates(source *servingcert.Source) (*tls.Config, error) {
	if source != nil {
		return source.TLSConfig(), nil
	}
	if c.TLSCertFile == "" {
		c.Log.Warn("serving with a self-signed certificate, which clients cannot verify: set --tls-cert-file and --tls-key-file, or in a cluster --serving-ca-secret and --serving-ca-configmap")
	}
	return tlsfiles.ServerConfig(c.TLSCertFile, c.TLSKeyFile, c.Log, certificateName, certificateName, "localhost", "127.0.0.1", "::1")
}
