package connlimit

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// BodyTimeout is how long the body of a request may take to come, also of one that nobody
// reads.
const BodyTimeout = 5 * time.Second

// counted is what Authenticated releases: the connection, and where a proxy forwarded the
// request that too.
type counted struct {
	conn    *conn
	request *slot
}

type contextKey struct{}

// ConnContext is http.Server.ConnContext.
func (l *Limiter) ConnContext(ctx context.Context, c net.Conn) context.Context {
	if over, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		c = over.NetConn()
	}
	if c, ok := c.(*conn); ok {
		return context.WithValue(ctx, contextKey{}, counted{conn: c})
	}
	return ctx
}

// Authenticated tells the Limiter that it is known who sends a request: its connection
// leaves the limits for those who are not. ctx is the request's.
func Authenticated(ctx context.Context) {
	at, ok := ctx.Value(contextKey{}).(counted)
	switch {
	case !ok:
	case at.request != nil:
		at.request.leave()
	default:
		at.conn.authenticated()
	}
}

// leave has the slot of a request count no longer.
func (s *slot) leave() {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	s.leaveLocked()
}

// Handler counts the requests that trusted proxies forward for the addresses that they are
// forwarded for. What is over the limit of its address goes to refused, which is to answer
// by 429, and all else to next.
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
		defer at.request.leave()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, at)))
	})
}

// BoundBody has the body of a request come within BodyTimeout. Without that, one that is
// announced and never sent keeps its connection for ever, also where nobody reads it: the
// server itself reads what is left of it before the next request. The time for the answer
// is not bounded by it.
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

// body lifts the deadline once it has come.
type body struct {
	io.ReadCloser
	controller *http.ResponseController
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		// Behind the body, reading is how the server finds out that the client has gone.
		_ = b.controller.SetReadDeadline(time.Time{})
	}
	return n, err
}
