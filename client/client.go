package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Config configures a Client. Only Server is required.
type Config struct {
	// Server is the URL of the master, such as https://rollcall.example:8443. It may have a
	// path, for a reverse proxy.
	Server string
	// TLS has the root CAs and the client certificate. Nil means the system's roots and no
	// client certificate.
	TLS *tls.Config
	// Transport replaces the client's own transport. It may add credentials, as client-go's
	// transports do.
	Transport http.RoundTripper
	// Token returns the bearer token. It is called for each request, so that a renewed token
	// is used at once. Nil means no token.
	Token func(context.Context) (string, error)
	// UserAgent is the User-Agent header. Default: rollcall-client.
	UserAgent string
	// MaxResponse is the largest response body, in bytes after decompression. Default: 512 MiB,
	// which is more than the response for a cluster of 5,000 nodes.
	MaxResponse int64
	// MaxEvent is the largest event of a watch, in bytes. Default: 32 MiB.
	MaxEvent int
}

// Defaults and limits.
const (
	defaultUserAgent   = "rollcall-client"
	defaultMaxResponse = 512 << 20
	defaultMaxEvent    = 32 << 20
	// maxProblem is how much of an error response is read, in bytes.
	maxProblem = 1 << 20
	// headerTimeout is longer than a master waits for a cluster's first report.
	headerTimeout = 90 * time.Second
)

// ErrTooLarge is returned for a response larger than Config.MaxResponse and an event larger
// than Config.MaxEvent.
var ErrTooLarge = errors.New("larger than the client accepts")

// Client sends requests to one master. It is safe for concurrent use.
type Client struct {
	config    Config
	base      *url.URL
	http      *http.Client
	transport *http.Transport
}

// New returns a Client. It sends no request yet. A Token with a plain http Server is an
// error, unless the host is a loopback address.
func New(c Config) (*Client, error) {
	base, err := url.Parse(c.Server)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("server %q is not a URL such as https://rollcall.example:8443", c.Server)
	}
	if c.Token != nil && base.Scheme == "http" && !loopback(base.Hostname()) {
		return nil, fmt.Errorf("a token would be sent unencrypted to %s; use https", c.Server)
	}
	if c.TLS != nil && c.Transport != nil {
		return nil, errors.New("TLS and Transport cannot both be set: a transport has its own TLS configuration")
	}
	c.UserAgent = cmp.Or(c.UserAgent, defaultUserAgent)
	c.MaxResponse = cmp.Or(c.MaxResponse, defaultMaxResponse)
	c.MaxEvent = cmp.Or(c.MaxEvent, defaultMaxEvent)
	client := &Client{config: c, base: base}
	if c.Transport == nil {
		client.transport = NewTransport(c.TLS)
		c.Transport = client.transport
	}
	client.http = &http.Client{Transport: c.Transport, CheckRedirect: noRedirect}
	return client, nil
}

// noRedirect rejects redirects. A master sends none, and another server must not get the
// token.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// NewTransport returns the transport of a Client: with HTTP/2, and with a limit for the time without a response. A caller
// that adds credentials wraps it, and passes the result as Config.Transport.
func NewTransport(config *tls.Config) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = config.Clone()
	t.ForceAttemptHTTP2 = true
	t.ResponseHeaderTimeout = headerTimeout
	// Without pings, an idle watch would not notice that its connection is lost.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second}
	return t
}

// Close closes idle connections of the client's own transport.
func (c *Client) Close() {
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// clusterPath returns the path of a cluster, or of a part of it.
func clusterPath(cluster string, part Part) (string, error) {
	if cluster == "" || cluster == "." || cluster == ".." {
		return "", fmt.Errorf("%q is not a cluster name", cluster)
	}
	path := "/api/v1/clusters/" + url.PathEscape(cluster)
	if part != Whole {
		path += "/" + string(part)
	}
	return path, nil
}

const clustersPath = "/api/v1/clusters"

// open sends a GET request, and returns the response if its status is 200, else a *Problem.
func (c *Client) open(ctx context.Context, path string, query url.Values, header http.Header) (*http.Response, error) {
	target := c.base.JoinPath(path)
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("create request for %s: %w", path, err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("User-Agent", c.config.UserAgent)
	request.Header.Set("Accept", "application/json")
	if c.config.Token != nil {
		token, err := c.config.Token(ctx)
		if err != nil {
			return nil, fmt.Errorf("get a token for %s: %w", c.base.Host, err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("request to the master: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		return nil, problemOf(response)
	}
	return response, nil
}

// get sends a GET request, and decodes the JSON response.
func (c *Client) get(ctx context.Context, path string, query url.Values, into any) (http.Header, error) {
	response, err := c.open(ctx, path, query, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body := &limitedReader{reader: response.Body, remaining: c.config.MaxResponse}
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return nil, fmt.Errorf("decode the response to %s: %w", path, err)
	}
	return response.Header, nil
}

// limitedReader returns ErrTooLarge after a number of bytes.
type limitedReader struct {
	reader    io.Reader
	remaining int64
}

func (b *limitedReader) Read(p []byte) (int, error) {
	if b.remaining <= 0 {
		return 0, ErrTooLarge
	}
	n, err := b.reader.Read(p[:min(int64(len(p)), b.remaining)])
	b.remaining -= int64(n)
	return n, err
}
