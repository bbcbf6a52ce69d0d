package serviceaccount

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// keysTTL is how long the keys of an issuer are used, and failureTTL is how long a failure, or the lack of a key, is
	// not tried again.
	keysTTL    = 10 * time.Minute
	failureTTL = 30 * time.Second
	// fetchTimeout limits both requests to an issuer.
	fetchTimeout = 5 * time.Second
	// maxIssuers limits the remembered issuers.
	maxIssuers = 1024
)

// Transport says how issuers are reached.
type Transport struct {
	// DialContext opens connections, and checks the address.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Proxy is nil for direct connections.
	Proxy *url.URL
}

// discovery reads the keys of issuers by OpenID discovery, and remembers them.
type discovery struct {
	client *http.Client
	now    func() time.Time

	mu sync.Mutex
	// Guarded by mu:
	issuers *lru.Cache[string, *issuer]
}

// issuer has the keys of one issuer.
type issuer struct {
	mu sync.Mutex // held during requests, so that there is one at a time
	// Guarded by mu:
	set *jose.JSONWebKeySet // nil if the last attempt failed
	err error
	at  time.Time
}

func newDiscovery(t Transport) *discovery {
	transport := &http.Transport{
		DialContext: t.DialContext, DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10,
		TLSHandshakeTimeout: fetchTimeout, ResponseHeaderTimeout: fetchTimeout,
	}
	if t.Proxy != nil {
		transport.Proxy = http.ProxyURL(t.Proxy)
	}
	issuers, _ := lru.New[string, *issuer](maxIssuers) // fails for a negative size only
	return &discovery{now: time.Now, issuers: issuers, client: &http.Client{
		Transport: transport, Timeout: fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("it redirects to another address, which is not followed")
		},
	}}
}

// key returns the issuer's key for a header, or nil if it has none. If the remembered keys do not have it, they are read
// again, though not more often than each failureTTL.
func (d *discovery) key(ctx context.Context, url string, header jose.Header) (any, error) {
	i := d.issuer(url)
	i.mu.Lock()
	defer i.mu.Unlock()
	age := d.now().Sub(i.at)
	if i.set != nil && age < keysTTL {
		if key := find(i.set, header); key != nil {
			return key, nil
		}
	}
	if age >= failureTTL {
		i.set, i.err = d.fetch(ctx, url)
		i.at = d.now()
	}
	if i.err != nil {
		return nil, i.err
	}
	return find(i.set, header), nil
}

// issuer returns what is remembered of an issuer.
func (d *discovery) issuer(url string) *issuer {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, ok := d.issuers.Get(url)
	if !ok {
		i = &issuer{}
		d.issuers.Add(url, i)
	}
	return i
}

// fetch reads the keys of an issuer. The end of ctx, which is that of one agent's handshake, does not interrupt it,
// since the result is for all.
func (d *discovery) fetch(ctx context.Context, issuer string) (*jose.JSONWebKeySet, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	body, err := d.get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	var config struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &config); err != nil {
		return nil, errors.New("its OpenID configuration is not JSON")
	}
	if config.Issuer != issuer {
		return nil, fmt.Errorf("its OpenID configuration is that of the issuer %.300q", config.Issuer)
	}
	if body, err = d.get(ctx, config.JWKSURI); err != nil {
		return nil, err
	}
	return parseKeySet(body)
}

// get returns the content of an https URL.
func (d *discovery) get(ctx context.Context, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return nil, errors.New("the address of its keys is not an https URL")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", u, err)
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json") // an API server offers its keys as the former only
	request.Header.Set("User-Agent", "")
	response, err := d.client.Do(request)
	if err != nil {
		return nil, err // has method and URL
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: it answered %d %s", u, response.StatusCode, http.StatusText(response.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, MaxKeySet+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("get %s: %w", u, err)
	case len(body) > MaxKeySet:
		return nil, fmt.Errorf("get %s: the answer has more than %d bytes", u, MaxKeySet)
	}
	return body, nil
}
