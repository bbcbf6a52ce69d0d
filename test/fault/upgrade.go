package fault

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

const (
	// handshakeTimeout bounds the handshake with either side.
	handshakeTimeout = 10 * time.Second
	// maxMessage is the maximum size of a message, larger than any of the protocol.
	maxMessage = 16 << 20
)

// ServeHTTP handles a master's connection. It dials the agent and forwards its response to
// the handshake. If the agent cannot be reached, it closes the connection without a
// response.
func (r *Relay) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if !r.register() {
		panic(http.ErrAbortHandler)
	}
	defer r.handlers.Done()
	agent, refusal := r.dial(request)
	switch {
	case refusal != nil:
		writeRefusal(w, refusal)
		return
	case agent.ws == nil:
		panic(http.ErrAbortHandler)
	}
	defer agent.close()
	ws, err := websocket.Accept(w, request, &websocket.AcceptOptions{Subprotocols: []string{agent.ws.Subprotocol()}, InsecureSkipVerify: true})
	if err != nil {
		return
	}
	raw, _ := request.Context().Value(connKey{}).(net.Conn)
	master := side{ws: ws, raw: raw}
	defer master.close()
	c := &connection{relay: r, master: master, agent: agent}
	c.ctx, c.cut = context.WithCancel(r.ctx)
	defer c.cut()
	r.add(c)
	defer r.remove(c)
	c.run()
}

// dial dials the agent with the path, query and token of the master's request. refusal is
// the agent's response if it is not an upgrade. If the agent cannot be reached, it returns
// neither.
func (r *Relay) dial(request *http.Request) (agent side, refusal *http.Response) {
	ctx, cancel := context.WithTimeout(r.ctx, handshakeTimeout)
	defer cancel()
	var raw net.Conn
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (conn net.Conn, err error) {
			raw, err = r.config.Dial(ctx)
			return raw, err
		},
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			plain, err := r.config.Dial(ctx)
			if err != nil {
				return nil, err
			}
			secured := tls.Client(plain, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
			raw = secured
			return secured, secured.HandshakeContext(ctx)
		},
	}
	target := *r.agent
	target.Path, target.RawQuery = request.URL.Path, request.URL.RawQuery
	ws, response, err := websocket.Dial(ctx, target.String(), &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		HTTPHeader: http.Header{"Authorization": request.Header.Values("Authorization")}, Subprotocols: subprotocols(request),
	})
	switch {
	case err == nil:
		return side{ws: ws, raw: raw, masked: true}, nil
	case response != nil && response.StatusCode != http.StatusSwitchingProtocols:
		return side{}, response
	}
	return side{}, nil
}

// writeRefusal writes the agent's response to the master.
func writeRefusal(w http.ResponseWriter, refusal *http.Response) {
	for _, name := range []string{"Content-Type", "Date", "Location", "Retry-After", "Upgrade", "Www-Authenticate"} {
		if values := refusal.Header.Values(name); len(values) > 0 {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(refusal.StatusCode)
	_, _ = io.Copy(w, io.LimitReader(refusal.Body, 64<<10))
}
