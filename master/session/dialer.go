package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// dialTimeout limits a dial with the handshake: TCP, TLS, the upgrade, Hello, and the agent's answer to the
// request.
const dialTimeout = 10 * time.Second

// dialer opens websockets to agents. It has no state of clusters.
type dialer struct {
	// dialContext opens the TCP connection below TLS.
	dialContext func(ctx context.Context, network, address string) (net.Conn, error)
	proxy       *url.URL      // nil for none
	signer      *token.Signer // nil for no tokens and no signatures
	masterID    string
	codec       *wire.Codec
	inflight    *inflightMemory
}

// clockSkew describes a difference between the clocks of agent and master.
type clockSkew struct {
	// detected reports whether the agent refused a token because of its times.
	detected bool
	// ahead is how much the agent's clock is ahead of the master's, according to an unauthenticated response.
	// It is used only in messages.
	ahead time.Duration
}

// dialedConn is the result of a dial.
type dialedConn struct {
	conn *conn
	skew clockSkew
}

// dial opens a websocket to the cluster's agent. An agent that refuses the token because of its times sends a
// nonce. It is dialed once more, with a token that has the nonce instead of times: an unauthenticated peer
// must not determine when a token is valid.
func (d *dialer) dial(ctx context.Context, c Cluster) (dialedConn, *failure) {
	conn, response, err := d.dialOnce(ctx, c, d.clockToken)
	nonce := refusalNonce(response)
	switch {
	case err == nil:
		return dialedConn{conn: conn}, nil
	case nonce == "" || d.signer == nil:
		return dialedConn{}, dialFailure(ctx, c, response, err)
	}
	skew := clockSkew{detected: true, ahead: clockAhead(response)}
	conn, response, err = d.dialOnce(ctx, c, func(cluster string) (string, error) {
		return d.signer.SignNonce(cluster, d.masterID, nonce)
	})
	if err != nil {
		return dialedConn{skew: skew}, dialFailure(ctx, c, response, err)
	}
	return dialedConn{conn: conn, skew: skew}, nil
}

// clockToken returns a token that is valid by the master's clock.
func (d *dialer) clockToken(cluster string) (string, error) {
	return d.signer.Sign(cluster, d.masterID, time.Now())
}

// dialOnce dials once, with the token that sign returns, or without a token if there is no signer. The
// response is nil unless the peer answered the upgrade.
func (d *dialer) dialOnce(ctx context.Context, c Cluster, sign func(cluster string) (string, error)) (*conn, *http.Response, error) {
	header := http.Header{"User-Agent": {""}} // no User-Agent
	if d.signer != nil {
		signed, err := sign(c.Name)
		if err != nil {
			return nil, nil, err
		}
		header.Set("Authorization", "Bearer "+signed)
	}
	client, netConn, err := d.client(c)
	if err != nil {
		return nil, nil, err
	}
	ws, response, err := websocket.Dial(ctx, strings.TrimSuffix(c.Endpoint, "/")+wire.Path, &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: header, Subprotocols: []string{wire.Subprotocol}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, response, err
	}
	conn := newConn(ws, *netConn, d.codec, d.inflight)
	conn.channel, conn.channelErr = token.ChannelOf(response.TLS)
	if ws.Subprotocol() != wire.Subprotocol {
		_ = conn.netConn.Close()
		return nil, response, fmt.Errorf("the server does not support the subprotocol %s", wire.Subprotocol)
	}
	return conn, response, nil
}

// client returns an HTTP client for one connection. The client stores the TCP connection in netConn when it
// dials. It follows no redirect, since the token is only for the agent.
func (d *dialer) client(c Cluster) (client *http.Client, netConn *net.Conn, err error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, nil, fmt.Errorf("parse endpoint: %w", err)
	}
	tlsConfig, err := c.TLS.tlsConfig(u.Hostname())
	if err != nil {
		return nil, nil, err
	}
	netConn = new(net.Conn)
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyURL(d.proxy),
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := d.dialContext(ctx, network, address)
				*netConn = conn
				return conn, err
			},
			TLSClientConfig: tlsConfig, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
		},
	}, netConn, nil
}

// refusalNonce returns the nonce of an agent that refused a token because of its times, or "" if there is
// none or it is too long for a token.
func refusalNonce(response *http.Response) string {
	if response == nil || response.StatusCode != http.StatusUnauthorized {
		return ""
	}
	nonce := response.Header.Get(wire.NonceHeader)
	if len(nonce) > token.MaxNonce {
		return ""
	}
	return nonce
}

// clockAhead returns how much the clock of the peer that refused a token is ahead, or 0 if the response has
// no date.
func clockAhead(response *http.Response) time.Duration {
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return 0
	}
	return time.Until(date).Round(time.Second)
}

// maxClusterName limits the length of a name in a response, which anybody may have sent.
const maxClusterName = 253

// refusingCluster returns the cluster name of an agent that refused a token for another cluster, or "" if the
// response has none.
func refusingCluster(response *http.Response) string {
	if response == nil || response.StatusCode != http.StatusUnauthorized {
		return ""
	}
	name := response.Header.Get(wire.ClusterNameHeader)
	if len(name) > maxClusterName {
		return ""
	}
	return name
}

// wrongCluster returns the failure of a dial that was answered by the agent of the named cluster.
func wrongCluster(c Cluster, name string) *failure {
	return failed(WrongCluster, "the agent at %s belongs to the cluster %q, and this ClusterAgent is named %q: start the agent with --cluster-name %s, or set spec.endpoint to the agent of %s",
		c.Endpoint, name, c.Name, c.Name, c.Name)
}

// describe returns a text about the difference of the clocks.
func (s clockSkew) describe() string {
	switch {
	case s.ahead < 0:
		return fmt.Sprintf("the agent's clock is %s behind the master's", s.ahead.Abs())
	case s.ahead > 0:
		return fmt.Sprintf("the agent's clock is %s ahead of the master's", s.ahead)
	}
	return "the clocks of agent and master differ"
}

// dialFailure returns the failure for an error of a dial, with what to do about it.
func dialFailure(ctx context.Context, c Cluster, response *http.Response, err error) *failure {
	var inner *url.Error
	switch {
	case isCertificateError(err):
		return failed(CertificateRefused, "dial %s: %w", c.Endpoint, certificateCause(err))
	case response != nil && response.StatusCode == http.StatusUnauthorized:
		return tokenFailure(c, response)
	case isTLSVersionError(err):
		return failed(DialFailed, "dial %s: the server does not support TLS 1.3, the only version that the master accepts from agents: %w", c.Endpoint, certificateCause(err))
	case response != nil && response.StatusCode != http.StatusSwitchingProtocols:
		return failed(DialFailed, "dial %s: the server is not an agent: it answered %d %s", c.Endpoint, response.StatusCode, http.StatusText(response.StatusCode))
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return failed(DialFailed, "dial %s: no answer within %s", c.Endpoint, dialTimeout)
	case errors.As(err, &inner):
		return failed(DialFailed, "dial %s: %w", c.Endpoint, inner.Err)
	}
	return failed(DialFailed, "dial %s: %w", c.Endpoint, err)
}

// tokenFailure returns the failure for a dial that was answered by the status 401.
func tokenFailure(c Cluster, response *http.Response) *failure {
	if name := refusingCluster(response); name != "" {
		return wrongCluster(c, name)
	}
	lowest, highest, found := parseProtocols(response)
	switch {
	case found && !supportsProtocol(lowest, highest):
		return failed(ProtocolUnsupported, "dial %s: the agent supports the protocol versions %d to %d, the master %d to %d: update the older one",
			c.Endpoint, lowest, highest, wire.ProtocolMin, wire.ProtocolMax)
	case !found && strings.Contains(response.Header.Get("WWW-Authenticate"), fmt.Sprintf("realm=%q", wire.Realm)):
		return failed(ProtocolUnsupported, "dial %s: the agent is older than protocol 3 and does not accept the master's token: update the agent", c.Endpoint)
	}
	return failed(Unauthorized, "dial %s: the agent refused the master's token: give it the public key of the master's --signing-key-file", c.Endpoint)
}

// parseProtocols returns the protocol versions of an agent that refused a token. ok is false if the response
// has none.
func parseProtocols(response *http.Response) (lowest, highest uint32, ok bool) {
	n, err := fmt.Sscanf(response.Header.Get(wire.ProtocolHeader), "%d-%d", &lowest, &highest)
	return lowest, highest, err == nil && n == 2
}

// isTLSVersionError reports whether either side refused the other's TLS versions. Package crypto/tls has no
// type for this error.
func isTLSVersionError(err error) bool {
	return err != nil && strings.Contains(err.Error(), "tls: ") && strings.Contains(err.Error(), "protocol version")
}

// certificateCause returns the part of an error that describes the certificate.
func certificateCause(err error) error {
	var pin *pinError
	if errors.As(err, &pin) {
		return pin
	}
	var inner *url.Error
	if errors.As(err, &inner) {
		return inner.Err
	}
	return err
}
