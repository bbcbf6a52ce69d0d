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

// maxWords is how much of a receiver's answer is told.
const maxWords = 200

// endpoint is where requests by HTTP go.
type endpoint struct {
	url    string
	header http.Header
	auth   func(*http.Request) error
	client *http.Client
}

// endpointOf reads an address and the parameters of TLS and of who we are.
func endpointOf(scheme, address, path string, p *params) (*endpoint, string, error) {
	u, err := url.Parse(scheme + "://" + address)
	if err != nil || u.Host == "" || u.Fragment != "" {
		return nil, "", errors.New("its address is not host, host:port or host:port/path")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = path
	}
	config := tlsOf(p)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	e := &endpoint{url: u.String(), header: http.Header{}, auth: authOf(p)}
	// A redirect is an answer that is no success: who moved is to be told so.
	e.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return e, u.Host, nil
}

// tlsOf reads ca-file, cert-file and key-file.
func tlsOf(p *params) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if file := p.text("ca-file"); file != "" {
		pem, err := os.ReadFile(file) //nolint:gosec // the path is a flag's
		config.RootCAs = x509.NewCertPool()
		if err != nil || !config.RootCAs.AppendCertsFromPEM(pem) {
			p.fail("ca-file", "does not name a file with certificates in PEM")
		}
	}
	cert, key := p.text("cert-file"), p.text("key-file")
	if (cert == "") != (key == "") {
		p.fail("cert-file", "goes together with key-file")
	}
	if cert != "" && key != "" {
		if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
			p.fail("cert-file", "and key-file are no pair: "+err.Error())
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(cert, key)
			return &pair, err
		}
	}
	return config
}

// authOf reads bearer-token-file, or username and password-file.
func authOf(p *params) func(*http.Request) error {
	token, user, password := p.secret("bearer-token-file"), p.text("username"), p.secret("password-file")
	if (user == "") != (password == nil) {
		p.fail("username", "goes together with password-file")
	}
	if token != nil && user != "" {
		p.fail("bearer-token-file", "and username exclude each other")
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

// post sends a body. By the rules of remote write, which suit InfluxDB too, 429 and
// 5xx are to be tried again, and all else that is no success is refused for good.
func (e *endpoint) post(ctx context.Context, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	r.Header = e.header.Clone()
	if err := e.auth(r); err != nil {
		return fmt.Errorf("read a secret: %w", err)
	}
	answer, err := e.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	words, _ := io.ReadAll(io.LimitReader(answer.Body, maxWords))
	// A connection is used again only where its answer was read.
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	return verdict(answer, string(words))
}

// verdict is what an answer means.
func verdict(answer *http.Response, words string) error {
	said := fmt.Sprintf("the receiver answers %s: %s", answer.Status, strings.TrimSpace(strings.ToValidUTF8(words, "\ufffd")))
	switch {
	case answer.StatusCode/100 == 2:
		return nil
	case answer.StatusCode == http.StatusTooManyRequests, answer.StatusCode/100 == 5:
		return &laterError{errors.New(said), retryAfter(answer.Header.Get("Retry-After"), time.Now())}
	}
	return &refusedError{said, answer.StatusCode == http.StatusBadRequest || answer.StatusCode == http.StatusRequestEntityTooLarge || answer.StatusCode == http.StatusUnprocessableEntity}
}

// retryAfter reads the header, in seconds or as a date; 0 where it says nothing.
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
