package sink

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// maxMessage is how much of a response's body an error contains, in bytes.
const maxMessage = 200

// endpoint sends HTTP requests to one URL.
type endpoint struct {
	url    string
	header http.Header
	auth   func(*http.Request) error
	client *http.Client
}

// endpointOf returns the endpoint of an address, with the parameters for TLS and
// authentication, and its host. path is the default path.
func endpointOf(scheme, address, path string, p *params) (*endpoint, string, error) {
	u, err := url.Parse(scheme + "://" + address)
	if err != nil || u.Host == "" || u.Fragment != "" {
		return nil, "", errors.New("the address must be host, host:port or host:port/path")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = path
	}
	config := tlsOf(p)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	e := &endpoint{url: u.String(), header: http.Header{}, auth: authOf(p)}
	// A redirect is an error: the user has to update the URL.
	e.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return e, u.Host, nil
}

// tlsOf returns the TLS configuration of the parameters ca-file, cert-file and key-file.
func tlsOf(p *params) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if file := p.text("ca-file"); file != "" {
		pem, err := os.ReadFile(file) //nolint:gosec // the path is a flag's
		config.RootCAs = x509.NewCertPool()
		if err != nil || !config.RootCAs.AppendCertsFromPEM(pem) {
			p.fail("ca-file", "must name a file with PEM certificates")
		}
	}
	cert, key := p.text("cert-file"), p.text("key-file")
	if (cert == "") != (key == "") {
		p.fail("cert-file", "requires key-file, and key-file requires cert-file")
	}
	if cert != "" && key != "" {
		if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
			p.fail("cert-file", "and key-file do not match: "+err.Error())
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(cert, key)
			return &pair, err
		}
	}
	return config
}

// authOf returns a function that authenticates a request, from the parameter
// bearer-token-file or the parameters username and password-file.
func authOf(p *params) func(*http.Request) error {
	token, user, password := p.secret("bearer-token-file"), p.text("username"), p.secret("password-file")
	if (user == "") != (password == nil) {
		p.fail("username", "requires password-file, and password-file requires username")
	}
	if token != nil && user != "" {
		p.fail("bearer-token-file", "and username cannot both be set")
	}
	return func(r *http.Request) error {
		if token != nil {
			return authorize(r, "Bearer ", token)
		}
		if password == nil {
			return nil
		}
		secret, err := password()
		r.SetBasicAuth(user, secret)
		return err
	}
}

func authorize(r *http.Request, scheme string, token func() (string, error)) error {
	secret, err := token()
	r.Header.Set("Authorization", scheme+secret)
	return err
}

// post sends a body. It follows the rules of remote write, which suit InfluxDB too: status
// 429 and 5xx may be retried, any other status that is not 2xx is a *refusedError.
func (e *endpoint) post(ctx context.Context, payload []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(payload))
	if err != nil {
		return fmt.Errorf("create request: %w", err)
	}
	r.Header = e.header.Clone()
	if err := e.auth(r); err != nil {
		return fmt.Errorf("read secret: %w", err)
	}
	response, err := e.client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxMessage))
	// A connection is reused only if the body was read.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	return responseError(response, string(body))
}

// responseError returns the error of a response, or nil if its status is 2xx.
func responseError(response *http.Response, body string) error {
	message := fmt.Sprintf("the receiver responded %s: %s", response.Status, strings.TrimSpace(strings.ToValidUTF8(body, "\ufffd")))
	switch {
	case response.StatusCode/100 == 2:
		return nil
	case response.StatusCode == http.StatusTooManyRequests, response.StatusCode/100 == 5:
		return &retryAfterError{errors.New(message), retryAfter(response.Header.Get("Retry-After"), time.Now())}
	}
	return &refusedError{message, response.StatusCode == http.StatusBadRequest || response.StatusCode == http.StatusRequestEntityTooLarge || response.StatusCode == http.StatusUnprocessableEntity}
}

// retryAfter parses a Retry-After header, in seconds (at most an hour) or as a date. It
// returns 0 if the header is missing or invalid.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(seconds, 0), 3600)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

func (e *endpoint) close() { e.client.CloseIdleConnections() }
