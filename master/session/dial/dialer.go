package dial

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
	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session/admission"
	"rollcall.dev/rollcall/master/session/linkpool"
)

// Dialer opens websockets to agents. It has no state of clusters.
type Dialer struct {
	// DialContext opens the TCP connection below TLS. If its error is a *Failure, the dial fails with it.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	Proxy       *url.URL      // nil for none
	Signer      *token.Signer // nil for no tokens and no signatures
	// Links has the connections of agents that dial this master. It is nil if none may.
	Links *linkpool.Pool
	// MasterID identifies this process.
	MasterID string
	Codec    *wire.Codec
	Memory   *admission.MessageMemory
}

// ClockSkew describes a difference between the clocks of agent and master.
type ClockSkew struct {
	// Detected reports whether the agent refused a token because of its times.
	Detected bool
	// Ahead is how much the agent's clock is ahead of the master's, according to an unauthenticated response.
	// It is used only in messages.
	Ahead time.Duration
}

// String returns a text about the difference of the clocks.
func (s ClockSkew) String() string {
	switch {
	case s.Ahead < 0:
		return fmt.Sprintf("the agent's clock is %s behind the master's", s.Ahead.Abs())
	case s.Ahead > 0:
		return fmt.Sprintf("the agent's clock is %s ahead of the master's", s.Ahead)
	}
	return "the clocks of agent and master differ"
}

// open returns a connection to the target: one that the agent has opened, or a new one.
func (d *Dialer) open(ctx context.Context, t Target, summary bool) (*Conn, ClockSkew, *Failure) {
	if !t.Reverse {
		return d.dial(ctx, t)
	}
	conn, f := d.takeLink(ctx, t, link.Begin{Summary: summary})
	return conn, ClockSkew{}, f
}

// takeLink returns the connection that the agent has opened, after it has sent begin.
func (d *Dialer) takeLink(ctx context.Context, t Target, begin link.Begin) (*Conn, *Failure) {
	if d.Links == nil {
		return nil, Failf(NotLinked, "this master accepts no links of agents: start it with --signing-key-file")
	}
	l, err := d.Links.Take(ctx, t.Cluster, begin)
	if err != nil {
		return nil, NotLinkedFailure(t.Cluster, err)
	}
	conn := d.newConn(ctx, l.Conn(), l)
	conn.nextReader, conn.channel, conn.channelErr = l.Reader, l.Channel, l.ChannelErr
	conn.finish = func() { d.Links.Return(l) }
	return conn, nil
}

// NotLinkedFailure returns the failure for a cluster whose agent has no usable link. err is an error of
// linkpool.Pool.
func NotLinkedFailure(cluster string, err error) *Failure {
	return Failf(NotLinked, "%w: check that the agent of %s runs with --hub and the address of this hub; its log has the cause", err, cluster)
}

// dial opens a websocket to the target. An agent that refuses the token because of its times sends a nonce. It
// is dialed once more, with a token that has the nonce instead of times: an unauthenticated peer must not
// determine when a token is valid.
func (d *Dialer) dial(ctx context.Context, t Target) (*Conn, ClockSkew, *Failure) {
	conn, response, err := d.dialOnce(ctx, t, d.clockToken)
	nonce := refusalNonce(response)
	switch {
	case err == nil:
		return conn, ClockSkew{}, nil
	case nonce == "" || d.Signer == nil:
		return nil, ClockSkew{}, dialFailure(ctx, t, response, err)
	}
	skew := ClockSkew{Detected: true, Ahead: clockAhead(response)}
	conn, response, err = d.dialOnce(ctx, t, func(cluster string) (string, error) {
		return d.Signer.SignNonce(cluster, d.MasterID, nonce)
	})
	if err != nil {
		return nil, skew, dialFailure(ctx, t, response, err)
	}
	return conn, skew, nil
}

// clockToken returns a token that is valid by the master's clock.
func (d *Dialer) clockToken(cluster string) (string, error) {
	return d.Signer.Sign(cluster, d.MasterID, time.Now())
}

// dialOnce dials once, with the token that sign returns, or without a token if there is no signer. The
// response is nil unless the peer answered the upgrade.
func (d *Dialer) dialOnce(ctx context.Context, t Target, sign func(cluster string) (string, error)) (*Conn, *http.Response, error) {
	header := http.Header{"User-Agent": {""}} // no User-Agent
	if d.Signer != nil {
		signed, err := sign(t.Cluster)
		if err != nil {
			return nil, nil, err
		}
		header.Set("Authorization", "Bearer "+signed)
	}
	client, netConn, err := d.client(t)
	if err != nil {
		return nil, nil, err
	}
	ws, response, err := websocket.Dial(ctx, strings.TrimSuffix(t.Endpoint, "/")+wire.Path, &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: header, Subprotocols: []string{wire.Subprotocol}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, response, err
	}
	conn := d.newConn(ctx, ws, *netConn)
	conn.channel, conn.channelErr = token.ChannelOf(response.TLS)
	if ws.Subprotocol() != wire.Subprotocol {
		conn.closeNow()
		return nil, response, fmt.Errorf("the server does not support the subprotocol %s", wire.Subprotocol)
	}
	return conn, response, nil
}

// client returns an HTTP client for one connection. The client stores the TCP connection in netConn when it
// dials. It follows no redirect, since the token is only for the agent.
func (d *Dialer) client(t Target) (client *http.Client, netConn *net.Conn, err error) {
	u, err := url.Parse(t.Endpoint)
	if err != nil {
		return nil, nil, fmt.Errorf("parse endpoint: %w", err)
	}
	tlsConfig, err := t.TLS.ClientConfig(u.Hostname())
	if err != nil {
		return nil, nil, err
	}
	netConn = new(net.Conn)
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyURL(d.Proxy),
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := d.DialContext(ctx, network, address)
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

// dialFailure returns the failure for an error of a dial, with what to do about it.
func dialFailure(ctx context.Context, t Target, response *http.Response, err error) *Failure {
	var inner *url.Error
	var failure *Failure
	switch {
	case errors.As(err, &failure):
		return failure
	case tlsfiles.IsCertificateError(err):
		return Failf(CertificateRefused, "dial %s: %w", t.Endpoint, certificateCause(err))
	case response != nil && response.StatusCode == http.StatusUnauthorized:
		return tokenFailure(t, response)
	case isTLSVersionError(err):
		return Failf(DialFailed, "dial %s: the server does not support TLS 1.3, the only version that the master accepts from agents: %w", t.Endpoint, certificateCause(err))
	case response != nil && response.StatusCode != http.StatusSwitchingProtocols:
		return Failf(DialFailed, "dial %s: the server is not an agent: it answered %d %s", t.Endpoint, response.StatusCode, http.StatusText(response.StatusCode))
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return Failf(DialFailed, "dial %s: no answer within %s", t.Endpoint, Timeout)
	case errors.As(err, &inner):
		return Failf(DialFailed, "dial %s: %w", t.Endpoint, inner.Err)
	}
	return Failf(DialFailed, "dial %s: %w", t.Endpoint, err)
}

// tokenFailure returns the failure for a dial that was answered by the status 401.
func tokenFailure(t Target, response *http.Response) *Failure {
	if name := refusingCluster(response); name != "" {
		return t.wrongCluster(name)
	}
	lowest, highest, found := parseProtocols(response)
	switch {
	case found && !supportsProtocol(lowest, highest):
		return Failf(ProtocolUnsupported, "dial %s: the agent supports the protocol versions %d to %d, the master %d to %d: update the older one",
			t.Endpoint, lowest, highest, wire.ProtocolMin, wire.ProtocolMax)
	case !found && strings.Contains(response.Header.Get("WWW-Authenticate"), fmt.Sprintf("realm=%q", wire.Realm)):
		return Failf(ProtocolUnsupported, "dial %s: the agent is older than protocol 3 and does not accept the master's token: update the agent", t.Endpoint)
	}
	return Failf(Unauthorized, "dial %s: the agent refused the master's token: give it the public key of the master's --signing-key-file", t.Endpoint)
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
	var pin *tlsfiles.PinError
	if errors.As(err, &pin) {
		return pin
	}
	var inner *url.Error
	if errors.As(err, &inner) {
		return inner.Err
	}
	return err
}
