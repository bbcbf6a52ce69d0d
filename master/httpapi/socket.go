package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http/httpguts"

	"rollcall.dev/rollcall/master/view"
)

// maxMessage is the longest message that a client may send.
const maxMessage = 64 << 10

// ReasonCrossOrigin: a page of another site wants a websocket, or to sign somebody in or
// out.
const ReasonCrossOrigin = "CrossOrigin"

// socket is an outlet over a websocket, one event a message.
type socket struct {
	conn *websocket.Conn
	ctx  context.Context
	end  context.CancelFunc
	said chan []byte
	read chan struct{} // closed when nobody reads any more
}

// wantsSocket says that a request is for a websocket.
func wantsSocket(r *http.Request) bool {
	return httpguts.HeaderValuesContainsToken(r.Header["Upgrade"], "websocket")
}

// handshake refuses what cannot become a websocket, before anything is done for it.
func handshake(r *http.Request) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.Header.Get("Sec-WebSocket-Key")))
	switch {
	case r.ProtoMajor != 1 || r.ProtoMinor < 1,
		!httpguts.HeaderValuesContainsToken(r.Header["Connection"], "Upgrade"),
		r.Header.Get("Sec-WebSocket-Version") != "13",
		len(r.Header.Values("Sec-WebSocket-Key")) != 1, err != nil, len(key) != 16:
		return badQuery("this is no websocket handshake: it takes HTTP/1.1, Connection: Upgrade, Sec-WebSocket-Version: 13, and a Sec-WebSocket-Key of 16 bytes in base64")
	}
	return nil
}

// sameOrigin refuses what a page of another site makes a browser ask for: browsers
// hold websockets to no rule but this. A page that came without TLS is another site,
// where the master itself has TLS.
func sameOrigin(r *http.Request, what string) error {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	u, err := url.Parse(origin)
	if err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host) && (r.TLS == nil || u.Scheme == "https") {
		return nil
	}
	return crossOrigin(r, what)
}

func crossOrigin(r *http.Request, what string) error {
	return &Problem{
		Status: http.StatusForbidden, Reason: ReasonCrossOrigin,
		Detail: fmt.Sprintf("a page of %s may not %s", shorten(r.Header.Get("Origin")), what),
	}
}

// newSocket upgrades the connection. Reading it takes a goroutine, which ends with
// close.
func newSocket(w http.ResponseWriter, r *http.Request) (*socket, error) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return nil, errGone
	}
	conn.SetReadLimit(maxMessage)
	o := &socket{conn: conn, said: make(chan []byte), read: make(chan struct{})}
	// The request's own context does not tell when a client has gone that upgraded.
	o.ctx, o.end = context.WithCancel(context.WithoutCancel(r.Context()))
	go o.listen()
	return o, nil
}

// listen hands on what the client says until it goes.
func (o *socket) listen() {
	defer close(o.read)
	defer o.end()
	for {
		_, message, err := o.conn.Read(o.ctx)
		if err != nil {
			return
		}
		select {
		case o.said <- message:
		case <-o.ctx.Done():
			return
		}
	}
}

func (o *socket) write(events []byte) error {
	for len(events) > 0 {
		n := min(len(events), writeSize)
		if more := bytes.IndexByte(events[n-1:], '\n'); more >= 0 {
			n += more
		}
		if err := o.send(events[:n]); err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

// send writes so many events as one deadline is for.
func (o *socket) send(events []byte) error {
	ctx, cancel := context.WithTimeout(o.ctx, writeStall)
	defer cancel()
	for event := range bytes.Lines(events) {
		if err := o.conn.Write(ctx, websocket.MessageText, bytes.TrimSuffix(event, []byte("\n"))); err != nil {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return errSlow
			}
			return errGone
		}
	}
	return nil
}

func (o *socket) flush() error { return nil }

func (o *socket) beat(bookmark func() ([]byte, error)) error {
	line, err := bookmark()
	if err != nil {
		return err
	}
	return o.write(line)
}

func (o *socket) gone() <-chan struct{}   { return o.ctx.Done() }
func (o *socket) messages() <-chan []byte { return o.said }

// close tells the client why, and waits until nobody reads any more.
func (o *socket) close(p *Problem) {
	code, why := websocket.StatusNormalClosure, ""
	if p != nil {
		code, why = closeCode(p.Status), p.Reason
		// Nobody is left to tell of an error.
		_ = o.write(errorLine(p, view.Lines, ""))
	}
	_ = o.conn.Close(code, why)
	o.end()
	<-o.read
}

// closeCode is what an HTTP status is among websockets' codes.
func closeCode(status int) websocket.StatusCode {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusBadRequest:
		return websocket.StatusPolicyViolation
	case http.StatusServiceUnavailable:
		return websocket.StatusGoingAway
	case http.StatusInternalServerError:
		return websocket.StatusInternalError
	}
	return websocket.StatusNormalClosure
}

// closing bounds how long the end of a master waits for websockets.
const closing = 5 * time.Second
