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

// dialTimeout bounds a dial, TLS, upgrade and Hello and the answer to the Report
// included.
const dialTimeout = 10 * time.Second

// dialer opens connections. It holds no state of any cluster.
type dialer struct {
	// network opens the connection below TLS.
	dialContext func(ctx context.Context, network, address string) (net.Conn, error)
	proxy       *url.URL      // nil: none
	signer      *token.Signer // nil: no token, and no signatures
	masterID    string
	codec       *wire.Codec
	inflight    *inflightMemory
}

// clockSkew is what is known of an agent's clock.
type clockSkew struct {
	// differs says that the agent refuses tokens for their times.
	detected bool
	// ahead is by how much the agent says that its clock is ahead of the master's. Nothing
	// but words is made of it: it is what anybody says who answers.
	ahead time.Duration
}

// dialedConn is what came of one dial.
type dialedConn struct {
	conn *conn
	skew clockSkew
}

// dial opens a websocket to the cluster's agent. An agent that refuses the token for its
// times names a nonce; it is dialed once more, with a token that claims the nonce and no
// time: who answers must not decide when a token is valid.
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

// clockToken returns a token by the master's own clock.
func (d *dialer) clockToken(cluster string) (string, error) {
	return d.signer.Sign(cluster, d.masterID, time.Now())
}

// dialOnce dials once, with the token that sign returns; without a signer with none.
func (d *dialer) dialOnce(ctx context.Context, c Cluster, sign func(cluster string) (string, error)) (*conn, *http.Response, error) {
	header := http.Header{"User-Agent": {""}} // none
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
		return nil, response, fmt.Errorf("who answers does not speak %s", wire.Subprotocol)
	}
	return conn, response, nil
}

// client returns a client for one connection, which it stores in raw. It follows no redirect,
// since the token is only for the agent.
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

// refusalNonce returns the nonce of an agent that refuses a token for its times alone; empty
// where there is none that a token could claim.
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

// clockAhead returns by how much the clock of who refused a token is ahead; zero where it is
// not told.
func clockAhead(response *http.Response) time.Duration {
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return 0
	}
	return time.Until(date).Round(time.Second)
}

// maxClusterName bounds what is read of a name: anybody may answer a dial.
const maxClusterName = 253

// refusingCluster returns the name of its own cluster that an agent gave when it refused a
// token for another; empty where it gave none.
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

// wrongCluster returns the failure of a call that an agent of another cluster answers.
func wrongCluster(c Cluster, name string) *failure {
	return failed(WrongCluster, "the agent at %s belongs to the cluster %q, and this ClusterAgent is named %q: start the agent with --cluster-name %s, or set spec.endpoint to the agent of %s",
		c.Endpoint, name, c.Name, c.Name, c.Name)
}

// describe returns the difference of the clocks in words, or "".
func (s clockSkew) describe() string {
	switch {
	case s.ahead < 0:
		return fmt.Sprintf("the agent's clock is %s behind the master's", s.ahead.Abs())
	case s.ahead > 0:
		return fmt.Sprintf("the agent's clock is %s ahead of the master's", s.ahead)
	}
	return "the clocks of agent and master differ"
}

// dialFailure returns why a dial failed, in words to act on.
func dialFailure(ctx context.Context, c Cluster, response *http.Response, err error) *failure {
	var inner *url.Error
	switch {
	case isCertificateError(err):
		return failed(CertificateRefused, "dial %s: %w", c.Endpoint, certificateCause(err))
	case response != nil && response.StatusCode == http.StatusUnauthorized:
		return tokenFailure(c, response)
	case isTLSVersionError(err):
		return failed(DialFailed, "dial %s: who answers does not speak TLS 1.3, which is the only version that the master speaks to agents: %w", c.Endpoint, certificateCause(err))
	case response != nil && response.StatusCode != http.StatusSwitchingProtocols:
		return failed(DialFailed, "dial %s: who answers is no agent: it says %d %s", c.Endpoint, response.StatusCode, http.StatusText(response.StatusCode))
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return failed(DialFailed, "dial %s: no answer within %s", c.Endpoint, dialTimeout)
	case errors.As(err, &inner):
		return failed(DialFailed, "dial %s: %w", c.Endpoint, inner.Err)
	}
	return failed(DialFailed, "dial %s: %w", c.Endpoint, err)
}

// tokenFailure returns the failure of a dial that was answered by 401.
func tokenFailure(c Cluster, response *http.Response) *failure {
	if name := refusingCluster(response); name != "" {
		return wrongCluster(c, name)
	}
	lowest, highest, found := parseProtocols(response)
	switch {
	case found && !supportsProtocol(lowest, highest):
		return failed(ProtocolUnsupported, "dial %s: the agent speaks the protocol %d to %d, the master %d to %d: update the older",
			c.Endpoint, lowest, highest, wire.ProtocolMin, wire.ProtocolMax)
	case !found && strings.Contains(response.Header.Get("WWW-Authenticate"), fmt.Sprintf("realm=%q", wire.Realm)):
		return failed(ProtocolUnsupported, "dial %s: the agent refuses the master's token, and is of a version before protocol 3, whose tokens were others: update the agent", c.Endpoint)
	}
	return failed(Unauthorized, "dial %s: the agent refuses the master's token: give it the public key of the master's --signing-key-file", c.Endpoint)
}

// parseProtocols returns which protocols an agent speaks that refuses a token; told is false
// where it does not say so.
func parseProtocols(response *http.Response) (lowest, highest uint32, ok bool) {
	n, err := fmt.Sscanf(response.Header.Get(wire.ProtocolHeader), "%d-%d", &lowest, &highest)
	return lowest, highest, err == nil && n == 2
}

// isTLSVersionError reports whether an error of a dial is that there is no version of TLS in
// common, by either side's word. Package crypto/tls has no type for it.
func isTLSVersionError(err error) bool {
	return err != nil && strings.Contains(err.Error(), "tls: ") && strings.Contains(err.Error(), "protocol version")
}

// certificateCause returns the innermost error about the certificate.
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
