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

// skewTrouble is from which difference of the clocks on a refused token is taken to
// be refused for its times.
const skewTrouble = token.Leeway / 2

// dialer opens connections. It holds no state of any cluster.
type dialer struct {
	// network opens the connection below TLS.
	network func(ctx context.Context, network, address string) (net.Conn, error)
	proxy   *url.URL      // nil: none
	signer  *token.Signer // nil: no token
	holder  string
	codec   *wire.Codec
	intake  *intake
}

// dialed is what came of one dial.
type dialed struct {
	link *link
	// skew is by how much the agent's clock is ahead, where that mattered.
	skew time.Duration
}

// dial opens a websocket to the cluster's agent. Skew is by how much its clock was
// ahead the last time. A token refused for its times is tried once more, by the
// agent's clock, as far as token.MaxSkew allows: the agent's clock is whatever who answers
// says, and must not decide when a token is valid.
func (d *dialer) dial(ctx context.Context, c Cluster, skew time.Duration) (dialed, *failure) {
	l, response, err := d.attempt(ctx, c, skew)
	if err == nil {
		return dialed{link: l, skew: skew}, nil
	}
	if name := otherCluster(response); name != "" {
		return dialed{skew: skew}, wrongCluster(c, name)
	}
	fresh, skewed := clockOf(response)
	if !skewed || d.signer == nil || (fresh-skew).Abs() < skewTrouble {
		return dialed{skew: skew}, explain(ctx, c, response, err)
	}
	if fresh.Abs() > token.MaxSkew {
		return dialed{}, failed(ClockSkew, "dial %s: the agent refuses the token, and its clock is %s; tokens are corrected for %s at most: set both clocks right",
			c.Endpoint, aheadOrBehind(fresh), token.MaxSkew)
	}
	l, response, err = d.attempt(ctx, c, fresh)
	switch name := otherCluster(response); {
	case err == nil:
		return dialed{link: l, skew: fresh}, nil
	case name != "":
		return dialed{skew: fresh}, wrongCluster(c, name)
	case response != nil && response.StatusCode == http.StatusUnauthorized && fresh.Abs() >= skewTrouble:
		return dialed{skew: fresh}, failed(ClockSkew, "the agent refuses the token, and its clock is %s: set both clocks right", aheadOrBehind(fresh))
	}
	return dialed{skew: fresh}, explain(ctx, c, response, err)
}

// attempt dials once.
func (d *dialer) attempt(ctx context.Context, c Cluster, skew time.Duration) (*link, *http.Response, error) {
	header := http.Header{"User-Agent": {""}} // none
	if d.signer != nil {
		signed, err := d.signer.SignSkewed(c.Name, d.holder, time.Now(), skew)
		if err != nil {
			return nil, nil, err
		}
		header.Set("Authorization", "Bearer "+signed)
	}
	client, raw, err := d.client(c)
	if err != nil {
		return nil, nil, err
	}
	conn, response, err := websocket.Dial(ctx, strings.TrimSuffix(c.Endpoint, "/")+wire.Path, &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: header, Subprotocols: []string{wire.Subprotocol}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, response, err
	}
	l := newLink(conn, *raw, d.codec, d.intake)
	if conn.Subprotocol() != wire.Subprotocol {
		_ = l.raw.Close()
		return nil, response, fmt.Errorf("who answers does not speak %s", wire.Subprotocol)
	}
	return l, response, nil
}

// client makes one connection, which it leaves in raw, and follows no redirect: a
// token is for the agent and nobody else.
func (d *dialer) client(c Cluster) (client *http.Client, raw *net.Conn, err error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, nil, fmt.Errorf("parse endpoint: %w", err)
	}
	trust, err := c.TLS.config(u.Hostname())
	if err != nil {
		return nil, nil, err
	}
	raw = new(net.Conn)
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyURL(d.proxy),
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := d.network(ctx, network, address)
				*raw = conn
				return conn, err
			},
			TLSClientConfig: trust, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
		},
	}, raw, nil
}

// clockOf is by how much the clock of who refused a token is ahead, and whether
// that can be told.
func clockOf(response *http.Response) (time.Duration, bool) {
	if response == nil || response.StatusCode != http.StatusUnauthorized {
		return 0, false
	}
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return 0, false
	}
	return time.Until(date).Round(time.Second), true
}

// maxClusterName bounds what is read of a name: anybody may answer a dial.
const maxClusterName = 253

// otherCluster returns the name of its own cluster that an agent gave when it refused a
// token for another; empty where it gave none.
func otherCluster(response *http.Response) string {
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

func aheadOrBehind(skew time.Duration) string {
	if skew < 0 {
		return fmt.Sprintf("%s behind the master's", skew.Abs())
	}
	return fmt.Sprintf("%s ahead of the master's", skew)
}

// explain is why a dial failed, in words to act on.
func explain(ctx context.Context, c Cluster, response *http.Response, err error) *failure {
	var inner *url.Error
	switch {
	case refusesCertificate(err):
		return failed(CertificateRefused, "dial %s: %w", c.Endpoint, root(err))
	case response != nil && response.StatusCode == http.StatusUnauthorized:
		return failed(Unauthorized, "dial %s: the agent refuses the master's token: give it the public key of the master's --signing-key-file", c.Endpoint)
	case response != nil && response.StatusCode != http.StatusSwitchingProtocols:
		return failed(DialFailed, "dial %s: who answers is no agent: it says %d %s", c.Endpoint, response.StatusCode, http.StatusText(response.StatusCode))
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return failed(DialFailed, "dial %s: no answer within %s", c.Endpoint, dialTimeout)
	case errors.As(err, &inner):
		return failed(DialFailed, "dial %s: %w", c.Endpoint, inner.Err)
	}
	return failed(DialFailed, "dial %s: %w", c.Endpoint, err)
}

// root is the innermost error that says something of the certificate.
func root(err error) error {
	var pin *errPin
	if errors.As(err, &pin) {
		return pin
	}
	var inner *url.Error
	if errors.As(err, &inner) {
		return inner.Err
	}
	return err
}
