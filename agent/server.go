package agent

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/api/tlsfiles"
)

// Limits of HTTP connections. They do not apply to websockets, which end with their session. idleTimeout is short,
// because masters do not reuse connections.
const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = 5 * time.Second
	writeTimeout   = 30 * time.Second
	maxHeaderBytes = 16 << 10

	// maxConnections is the ceiling of the default limit of open connections at the address for masters; see
	// connlimit.DefaultMax. maxPerAddress is the default limit of unauthenticated connections from one address.
	maxConnections = 512
	maxPerAddress  = 64
)

// Connection limits of the other addresses, which have no authentication.
var (
	metricsLimits = connlimit.Config{Max: 64, MaxPerAddress: 16}
	healthLimits  = connlimit.Config{Max: 128, MaxPerAddress: 16}
)

// limits returns the connection limits of the listener for masters.
func (c *Config) limits() (connlimit.Config, error) {
	proxies, err := connlimit.ParsePrefixes("--trusted-proxies", c.TrustedProxies)
	return connlimit.Config{
		Max:            cmp.Or(c.MaxConnections, connlimit.DefaultMax(maxConnections)),
		MaxPerAddress:  cmp.Or(c.MaxConnectionsPerAddress, maxPerAddress),
		TrustedProxies: proxies, Log: c.Log,
	}, err
}

// server is an HTTP server with an open listener.
type server struct {
	http     *http.Server
	listener net.Listener
}

// listen opens an address and returns its server. The server supports HTTP/1.1 only, which websockets need, and uses
// TLS if tlsConfig is not nil.
func listen(ctx context.Context, address string, limiter *connlimit.Limiter, handler http.Handler, tlsConfig *tls.Config, log *slog.Logger) (*server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	limited := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connlimit.LimitBodyTime(w, r)
		handler.ServeHTTP(w, r)
	})
	refused := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "too many open requests from your address", http.StatusTooManyRequests)
	})
	s := &server{listener: limiter.Listener(listener), http: &http.Server{
		Handler: limiter.Handler(limited, refused), ConnContext: limiter.ConnContext, TLSConfig: tlsConfig, Protocols: new(http.Protocols),
		ReadHeaderTimeout: headerTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		// Errors of unauthenticated clients, such as failed TLS handshakes, are logged at debug level only.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	s.http.Protocols.SetHTTP1(true)
	return s, nil
}

// serve serves requests until close is called.
func (s *server) serve() error {
	var err error
	if s.http.TLSConfig != nil {
		err = s.http.ServeTLS(s.listener, "", "")
	} else {
		err = s.http.Serve(s.listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", s.listener.Addr(), err)
}

// close stops accepting connections and waits until requests are finished, or ctx is done. It does not wait for
// websockets.
func (s *server) close(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("close %s: %w", s.listener.Addr(), err), s.http.Close())
	}
	return nil
}

// onlyLoopbackHosts refuses requests whose Host is not localhost or a loopback address. The handler has no
// authentication: otherwise a web page whose name resolves to this address could read it in a browser (DNS rebinding).
func onlyLoopbackHosts(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
			http.Error(w, "the Host header must be localhost or a loopback address", http.StatusMisdirectedRequest)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// serverTLS returns the TLS configuration for masters, or nil for plain ws. It requires TLS 1.3, to which signatures
// can be bound. own is nil if the certificate is not in a Secret.
func (c *Config) serverTLS(own *ownCertificate) (*tls.Config, error) {
	if c.servesPlain() {
		c.Log.Warn("INSECURE: serving plain ws: anyone on the network path can read and change all messages", "address", c.Listen)
		return nil, nil
	}
	config, err := c.certificates(own)
	if err != nil {
		return nil, err
	}
	config.MinVersion = tls.VersionTLS13
	// Masters never resume TLS sessions, because they must verify the certificate each time.
	config.SessionTicketsDisabled = true
	return config, nil
}

// certificates returns a TLS configuration with the serving certificate.
func (c *Config) certificates(own *ownCertificate) (*tls.Config, error) {
	if own != nil {
		return &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: own.getCertificate}, nil
	}
	config, err := tlsfiles.ServerConfig(c.TLSCertFile, c.TLSKeyFile, c.Log, certificateName, certificateName)
	if err == nil && len(config.Certificates) > 0 {
		c.Log.Warn("serving with a self-signed certificate in memory, whose pin changes with each restart; to keep the pin, set --tls-secret in a cluster, or write a certificate with `rollcall-agent certgen DIR` and set --tls-cert-file and --tls-key-file",
			"pin", tlsfiles.Pin(config.Certificates[0].Leaf))
	}
	return config, err
}
