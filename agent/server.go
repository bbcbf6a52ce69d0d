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

// Bounds of HTTP; a websocket is bounded by its session. A master dials anew each time, so
// a connection that was answered and is idle is of no use to it.
const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = 5 * time.Second
	writeTimeout   = 30 * time.Second
	maxHeaderBytes = 16 << 10

	// maxConnections is how many connections are open at once at the address for masters,
	// where the process may have as many files and nothing else is said; maxPerAddress of
	// one address, whose callers are not authenticated.
	maxConnections = 512
	maxPerAddress  = 64
)

// Limits of connections to the other addresses, where nobody is authenticated.
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

// server is one HTTP server that listens already.
type server struct {
	http     *http.Server
	listener net.Listener
}

// listen opens an address for HTTP/1.1, which is what a websocket is made of; with
// TLS where tlsConfig is not nil.
func listen(ctx context.Context, address string, limiter *connlimit.Limiter, handler http.Handler, tlsConfig *tls.Config, log *slog.Logger) (*server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	bounded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connlimit.BoundBody(w, r)
		handler.ServeHTTP(w, r)
	})
	crowded := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "too many requests of your address are open", http.StatusTooManyRequests)
	})
	s := &server{listener: limiter.Listener(listener), http: &http.Server{
		Handler: limiter.Handler(bounded, crowded), ConnContext: limiter.ConnContext, TLSConfig: tlsConfig, Protocols: new(http.Protocols),
		ReadHeaderTimeout: headerTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		// What strangers do wrong is no news.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	s.http.Protocols.SetHTTP1(true)
	return s, nil
}

// serve answers until close.
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

// close stops accepting and waits for requests, but not for websockets, until ctx is
// done.
func (s *server) close(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("close %s: %w", s.listener.Addr(), err), s.http.Close())
	}
	return nil
}

// onlyLoopbackHosts answers requests for localhost and loopback addresses only: nobody is
// authenticated, and a browser would fetch for a page of any other name that resolves to this
// address (DNS rebinding).
func onlyLoopbackHosts(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
			http.Error(w, "ask for localhost", http.StatusMisdirectedRequest)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// serverTLS returns the TLS configuration for masters, TLS 1.3 only, since signatures are bound
// to it; nil for plain ws.
func (c *Config) serverTLS() (*tls.Config, error) {
	if c.servesPlain() {
		c.Log.Warn("INSECURE: serving plain ws: anyone on the network path can read and change everything", "address", c.Listen)
		return nil, nil
	}
	config, err := tlsfiles.ServerConfig(c.TLSCertFile, c.TLSKeyFile, c.Log, certificateName, certificateName)
	if err != nil {
		return nil, err
	}
	if len(config.Certificates) > 0 {
		c.Log.Warn("serving with a certificate made in memory: a pin of it will not survive a restart; `rollcall-agent certgen DIR` writes a lasting one",
			"pin", tlsfiles.Pin(config.Certificates[0].Leaf))
	}
	config.MinVersion = tls.VersionTLS13
	// A master never resumes, as it must see the certificate each time: tickets would
	// be bytes for nobody.
	config.SessionTicketsDisabled = true
	return config, nil
}
