package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"rollcall.dev/rollcall/api/tlsfiles"
)

// Bounds of HTTP; a websocket is bounded by its session.
const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = time.Minute
	maxHeaderBytes = 16 << 10
)

// server is one HTTP server that listens already.
type server struct {
	http     *http.Server
	listener net.Listener
}

// listen opens an address for HTTP/1.1, which is what a websocket is made of; with
// TLS where tlsConfig is not nil.
func listen(ctx context.Context, address string, handler http.Handler, tlsConfig *tls.Config, log *slog.Logger) (*server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &server{listener: listener, http: &http.Server{
		Handler: handler, TLSConfig: tlsConfig, Protocols: new(http.Protocols),
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
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

// serverTLS is how masters are served, nil for plain ws.
func (c *Config) serverTLS() (*tls.Config, error) {
	if c.TLSCertFile == "" && c.Insecure {
		c.Log.Warn("INSECURE: serving plain ws: whoever is on the way can read and change everything", "address", c.Listen)
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
	// A master never resumes, as it must see the certificate each time: tickets would
	// be bytes for nobody.
	config.SessionTicketsDisabled = true
	return config, nil
}
