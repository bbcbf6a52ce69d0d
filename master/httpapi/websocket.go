package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http/httpguts"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/view"
)

// maxMessageBytes is the maximum length of a client's message in bytes.
const maxMessageBytes = 64 << 10

// wsWriter is a streamWriter over a websocket, with one event per message.
type wsWriter struct {
	conn     *websocket.Conn
	ctx      context.Context
	cancel   context.CancelFunc
	received chan []byte
	readDone chan struct{} // closed when readMessages has returned
}

// isWebSocket reports whether a request asks for a websocket.
func isWebSocket(r *http.Request) bool {
	return httpguts.HeaderValuesContainsToken(r.Header["Upgrade"], "websocket")
}

// checkHandshake rejects requests that cannot be upgraded, before any other work is done.
func checkHandshake(r *http.Request) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.Header.Get("Sec-WebSocket-Key")))
	switch {
	case r.ProtoMajor != 1 || r.ProtoMinor < 1,
		!httpguts.HeaderValuesContainsToken(r.Header["Connection"], "Upgrade"),
		r.Header.Get("Sec-WebSocket-Version") != "13",
		len(r.Header.Values("Sec-WebSocket-Key")) != 1, err != nil, len(key) != 16:
		return badRequest("invalid websocket handshake: it requires HTTP/1.1, Connection: Upgrade, Sec-WebSocket-Version: 13, and a Sec-WebSocket-Key of 16 bytes in base64")
	}
	return nil
}

// newWSWriter upgrades the connection. It starts a goroutine that reads messages; close waits for
// it.
func newWSWriter(w http.ResponseWriter, r *http.Request) (*wsWriter, error) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return nil, errClientGone
	}
	conn.SetReadLimit(maxMessageBytes)
	o := &wsWriter{conn: conn, received: make(chan []byte), readDone: make(chan struct{})}
	// After the upgrade, the request's context is not canceled when the client disconnects.
	o.ctx, o.cancel = context.WithCancel(context.WithoutCancel(r.Context()))
	go o.readMessages()
	return o, nil
}

// readMessages forwards the client's messages until it disconnects.
func (o *wsWriter) readMessages() {
	defer close(o.readDone)
	defer o.cancel()
	for {
		_, message, err := o.conn.Read(o.ctx)
		if err != nil {
			return
		}
		select {
		case o.received <- message:
		case <-o.ctx.Done():
			return
		}
	}
}

func (o *wsWriter) write(events []byte) error {
	for len(events) > 0 {
		n := min(len(events), writeChunk)
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

// send writes events with one deadline for all of them.
func (o *wsWriter) send(events []byte) error {
	ctx, cancel := context.WithTimeout(o.ctx, streamWriteTimeout)
	defer cancel()
	for event := range bytes.Lines(events) {
		if err := o.conn.Write(ctx, websocket.MessageText, bytes.TrimSuffix(event, []byte("\n"))); err != nil {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return errSlowClient
			}
			return errClientGone
		}
	}
	return nil
}

func (o *wsWriter) flush() error { return nil }

func (o *wsWriter) heartbeat(bookmark func() ([]byte, error)) error {
	line, err := bookmark()
	if err != nil {
		return err
	}
	return o.write(line)
}

func (o *wsWriter) done() <-chan struct{}   { return o.ctx.Done() }
func (o *wsWriter) messages() <-chan []byte { return o.received }

// close sends the reason to the client, and waits for readMessages.
func (o *wsWriter) close(p *httpv1.Problem) {
	code, why := websocket.StatusNormalClosure, ""
	if p != nil {
		code, why = closeCode(p.Status), p.Reason
		// A failed write means that the client has disconnected.
		_ = o.write(errorLine(p, view.JSONLines, ""))
	}
	_ = o.conn.Close(code, why)
	o.cancel()
	<-o.readDone
}

// closeCode returns the websocket status code for an HTTP status.
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

// closeTimeout is how long shutdown waits for streams to end.
const closeTimeout = 5 * time.Second
