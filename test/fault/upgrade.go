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
	// handshakeTimeout is what either side may take for its upgrade.
	handshakeTimeout = 10 * time.Second
	// maxMessage is the largest message that is relayed, more than any of the protocol.
	maxMessage = 16 << 20
)

// ServeHTTP answers a master's dial as the agent does: with its upgrade, or with its
// refusal word for word. Where there is no agent there is no answer either.
func (r *Relay) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if !r.enter() {
		panic(http.ErrAbortHandler)
	}
	defer r.handlers.Done()
	agent, refusal := r.dial(request)
	switch {
	case refusal != nil:
		passOn(w, refusal)
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

// dial dials the agent as the master dialed the relay. It gives the agent's refusal,
// or nothing at all where it is not there.
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

// passOn gives a refusal to the master as it came.
func passOn(w http.ResponseWriter, refusal *http.Response) {
	for _, name := range []string{"Content-Type", "Date", "Location", "Retry-After", "Upgrade", "Www-Authenticate"} {
		if values := refusal.Header.Values(name); len(values) > 0 {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(refusal.StatusCode)
	_, _ = io.Copy(w, io.LimitReader(refusal.Body, 64<<10))
}
