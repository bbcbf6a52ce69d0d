package connlimit

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// BodyTimeout is the time limit for receiving a request body, even if the handler does not read
// it.
const BodyTimeout = 5 * time.Second

// counted is released by Authenticated: the connection, or the forwarded request if there is a
// proxy.
type counted struct {
	conn    *conn
	request *slot
}

type contextKey struct{}

// ConnContext adds the connection to the context; use it as http.Server.ConnContext.
func (l *Limiter) ConnContext(ctx context.Context, c net.Conn) context.Context {
	if over, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		c = over.NetConn()
	}
	if c, ok := c.(*conn); ok {
		return context.WithValue(ctx, contextKey{}, counted{conn: c})
	}
	return ctx
}

// Authenticated records that the client of a request is authenticated: its connection no longer
// counts for the limits of unauthenticated ones. ctx is the request's context.
func Authenticated(ctx context.Context) {
	at, ok := ctx.Value(contextKey{}).(counted)
	switch {
	case !ok:
	case at.request != nil:
		at.request.release()
	default:
		at.conn.authenticated()
	}
}

// release stops counting the request.
func (s *slot) release() {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	s.releaseLocked()
}

// Handler returns a handler that counts requests of trusted proxies for the forwarded addresses.
// Requests over the limit of their address are passed to refused, which should answer 429, and
// others to next.
func (l *Limiter) Handler(next, refused http.Handler) http.Handler {
	if len(l.config.TrustedProxies) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at, ok := r.Context().Value(contextKey{}).(counted)
		if !ok || !at.conn.proxied {
			next.ServeHTTP(w, r)
			return
		}
		client := Client(addrOf(at.conn.RemoteAddr()), r.Header["X-Forwarded-For"], l.config.TrustedProxies)
		if contains(l.config.TrustedProxies, client) {
			next.ServeHTTP(w, r)
			return
		}
		if at.request = l.admitRequest(client); at.request == nil {
			refused.ServeHTTP(w, r)
			return
		}
		defer at.request.release()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, at)))
	})
}

// BoundBody limits the time for receiving a request's body to BodyTimeout. Otherwise a body that
// is announced and never sent would occupy its connection forever, even if no handler reads it,
// because the server reads the rest before the next request. The response is not limited.
func BoundBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return
	}
	controller := http.NewResponseController(w)
	if controller.SetReadDeadline(time.Now().Add(BodyTimeout)) != nil {
		return // a test's, which has none
	}
	r.Body = &body{r.Body, controller}
}

// body removes the deadline after the body was received.
type body struct {
	io.ReadCloser
	controller *http.ResponseController
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		// After the body, the server detects a disconnected client by reading.
		_ = b.controller.SetReadDeadline(time.Time{})
	}
	return n, err
}
