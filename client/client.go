package client

import (
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

// Config says how a master is reached. Only Server is needed.
type Config struct {
	// Server is the master's address, such as https://rollcall.example:8443; with a
	// path where something in front of it wants one.
	Server string
	// TLS is how the server is trusted and who the client is; nil: the system's roots,
	// and nobody.
	TLS *tls.Config
	// Transport carries the requests instead of one of the client's own. It may add
	// what tells who asks, as client-go's transports do.
	Transport http.RoundTripper
	// Token is the bearer token of a request; it is asked for each, so that a token
	// that was renewed is used at once. Nil: none.
	Token func(context.Context) (string, error)
	// UserAgent is what the master's log shows. Default: rollcall-client.
	UserAgent string
	// MaxResponse is the largest answer that is read, in bytes after decompression.
	// Default: 512 MiB, which is more than a cluster of 5,000 nodes.
	MaxResponse int64
	// MaxEvent is the longest event of a watch that is read, in bytes. Default: 32 MiB.
	MaxEvent int
}

// Defaults and bounds.
const (
	defaultUserAgent   = "rollcall-client"
	defaultMaxResponse = 512 << 20
	defaultMaxEvent    = 32 << 20
	// maxProblem is how much of an error's answer is read.
	maxProblem = 1 << 20
	// headerTimeout is longer than a master waits for a cold cluster.
	headerTimeout = 90 * time.Second
)

// ErrTooLarge says that an answer or an event is larger than the Config lets in.
var ErrTooLarge = errors.New("larger than the client takes")

// Client asks one master. It is safe for use by many goroutines.
type Client struct {
	config Config
	base   *url.URL
	http   *http.Client
	own    *http.Transport
}

// New is a Client; it asks nothing yet. A token is not sent in the clear: over plain
// http it is refused, but for loopback addresses.
func New(c Config) (*Client, error) {
	base, err := url.Parse(c.Server)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("server %q is no address such as https://rollcall.example:8443", c.Server)
	}
	if c.Token != nil && base.Scheme == "http" && !loopback(base.Hostname()) {
		return nil, fmt.Errorf("server %s would be shown the token in the clear; use https", c.Server)
	}
	if c.TLS != nil && c.Transport != nil {
		return nil, errors.New("TLS and Transport cannot both be given: a transport has its own TLS")
	}
	c.UserAgent = or(c.UserAgent, defaultUserAgent)
	c.MaxResponse = or(c.MaxResponse, defaultMaxResponse)
	c.MaxEvent = or(c.MaxEvent, defaultMaxEvent)
	client := &Client{config: c, base: base}
	if c.Transport == nil {
		client.own = ownTransport(c.TLS)
		c.Transport = client.own
	}
	client.http = &http.Client{Transport: c.Transport, CheckRedirect: stay}
	return client, nil
}

// stay follows no redirect: a master has none, and another server is to see no token.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func ownTransport(config *tls.Config) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = config.Clone()
	t.ForceAttemptHTTP2 = true
	t.ResponseHeaderTimeout = headerTimeout
	// A watch in which nothing happens would not notice that its server is gone.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second}
	return t
}

// Close closes idle connections of the client's own transport.
func (c *Client) Close() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func or[T comparable](v, instead T) T {
	var zero T
	if v == zero {
		return instead
	}
	return v
}

// clusterPath is the path of a cluster, or of a part of it.
func clusterPath(cluster string, part Part) (string, error) {
	if cluster == "" || cluster == "." || cluster == ".." {
		return "", fmt.Errorf("%q is no cluster's name", cluster)
	}
	path := "/api/v1/clusters/" + url.PathEscape(cluster)
	if part != Whole {
		path += "/" + string(part)
	}
	return path, nil
}

const clustersPath = "/api/v1/clusters"

// open sends a GET, and gives the answer to it if it is one, else a *Problem.
func (c *Client) open(ctx context.Context, path string, query url.Values, header http.Header) (*http.Response, error) {
	target := c.base.JoinPath(path)
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", path, err)
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
		return nil, fmt.Errorf("ask the master: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		return nil, problemOf(response)
	}
	return response, nil
}

// get reads an answer as JSON.
func (c *Client) get(ctx context.Context, path string, query url.Values, into any) (http.Header, error) {
	response, err := c.open(ctx, path, query, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body := &bounded{reader: response.Body, left: c.config.MaxResponse}
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return nil, fmt.Errorf("read the answer to %s: %w", path, err)
	}
	return response.Header, nil
}

// bounded reads no more than it may.
type bounded struct {
	reader io.Reader
	left   int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, ErrTooLarge
	}
	n, err := b.reader.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
