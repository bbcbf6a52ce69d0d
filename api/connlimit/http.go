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

// admission is what Authenticated stops counting: the connection, or the forwarded request if the
// connection is a proxy's. It is in the context of each request.
type admission struct {
	conn    *conn
	request *addressCount
}

type contextKey struct{}

// ConnContext adds the connection to the context; use it as http.Server.ConnContext.
func (l *Limiter) ConnContext(ctx context.Context, c net.Conn) context.Context {
	if tlsConn, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = tlsConn.NetConn()
	}
	if c, ok := c.(*conn); ok {
		return context.WithValue(ctx, contextKey{}, admission{conn: c})
	}
	return ctx
}

// Authenticated records that the client of a request is authenticated: its connection no longer
// counts for the limits of unauthenticated ones. ctx is the request's context.
func Authenticated(ctx context.Context) {
	a, ok := ctx.Value(contextKey{}).(admission)
	switch {
	case !ok:
	case a.request != nil:
		a.request.release()
	default:
		a.conn.authenticated()
	}
}

// release stops counting.
func (c *addressCount) release() {
	c.limiter.mu.Lock()
	defer c.limiter.mu.Unlock()
	c.releaseLocked()
}

// Handler returns a handler that counts requests of trusted proxies for the forwarded addresses.
// Requests over the limit of their address are passed to refused, which should answer 429, and
// others to next.
func (l *Limiter) Handler(next, refused http.Handler) http.Handler {
	if len(l.config.TrustedProxies) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := r.Context().Value(contextKey{}).(admission)
		if !ok || !a.conn.fromProxy {
			next.ServeHTTP(w, r)
			return
		}
		client := ClientAddr(addrOf(a.conn.RemoteAddr()), r.Header["X-Forwarded-For"], l.config.TrustedProxies)
		if contains(l.config.TrustedProxies, client) {
			next.ServeHTTP(w, r)
			return
		}
		if a.request = l.admitRequest(client); a.request == nil {
			refused.ServeHTTP(w, r)
			return
		}
		defer a.request.release()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, a)))
	})
}

// LimitBodyTime limits the time for receiving a request's body to BodyTimeout. Otherwise a body that
// is announced and never sent would occupy its connection forever, even if no handler reads it,
// because the server reads the rest before the next request. The response is not limited.
func LimitBodyTime(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return
	}
	controller := http.NewResponseController(w)
	if controller.SetReadDeadline(time.Now().Add(BodyTimeout)) != nil {
		return // w has no connection, as in tests
	}
	r.Body = &body{r.Body, controller}
}

// body is a request body that removes its read deadline once it has been received.
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
