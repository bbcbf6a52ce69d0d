package serviceaccount

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// issuerServer is an issuer at a loopback address.
type issuerServer struct {
	*httptest.Server
	keys     atomic.Value
	requests atomic.Int32
	// handle replaces the answer to a path.
	handle map[string]http.HandlerFunc
}

// newIssuer returns an issuer with keys, and a Verifier that reaches it.
func newIssuer(t *testing.T, keys string) (*issuerServer, *Verifier) {
	t.Helper()
	i := &issuerServer{handle: map[string]http.HandlerFunc{}}
	i.keys.Store(keys)
	i.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.requests.Add(1)
		switch f := i.handle[r.URL.Path]; {
		case f != nil:
			f(w, r)
		case r.URL.Path == "/.well-known/openid-configuration":
			_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuerURL, issuerURL+"/keys")
		default:
			_, _ = fmt.Fprint(w, i.keys.Load())
		}
	}))
	t.Cleanup(i.Close)
	v := newVerifier(now)
	v.discovery = newDiscovery(Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, i.Listener.Addr().String())
	}})
	config := i.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName = "example.com" // a name of the certificate of httptest
	v.discovery.client.Transport.(*http.Transport).TLSClientConfig = config
	return i, v
}

func TestKeysAreReadFromTheIssuer(t *testing.T) {
	first, second := newSigner(t, "1"), newSigner(t, "2")
	i, v := newIssuer(t, keySet(t, first))
	at := now
	v.discovery.now = func() time.Time { return at }
	verify := func(s signer) error { return v.Verify(t.Context(), s.token(), account("")) }
	for range 3 {
		if err := verify(first); err != nil {
			t.Fatal(err)
		}
	}
	if got := i.requests.Load(); got != 2 {
		t.Errorf("got %d requests for three tokens, want 2", got)
	}
	// The issuer rotates its keys. Unknown keys make the master read them again, but not all the time.
	i.keys.Store(keySet(t, second))
	for range 3 {
		if err := verify(second); err == nil || !strings.Contains(err.Error(), `has no key "2"`) {
			t.Errorf("got %v, want that the key is unknown", err)
		}
	}
	if got := i.requests.Load(); got != 2 {
		t.Errorf("got %d requests for unknown keys within %s, want no further ones", got, failureTTL)
	}
	at = at.Add(failureTTL)
	if err := verify(second); err != nil {
		t.Error(err)
	}
	at = at.Add(keysTTL)
	if err := verify(first); err == nil {
		t.Error("a key that the issuer has removed was accepted")
	}
}

func TestIssuersAreRefused(t *testing.T) {
	s := newSigner(t, "k")
	const config = "/.well-known/openid-configuration"
	answer := func(format string, args ...any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(w, format, args...) }
	}
	for name, test := range map[string]struct {
		path   string
		handle http.HandlerFunc
		want   string
	}{
		"it redirects": {config, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, issuerURL+"/other", http.StatusFound)
		}, "redirects to another address"},
		"it answers an error":   {config, http.NotFound, "it answered 404"},
		"not JSON":              {config, answer("<html>"), "is not JSON"},
		"another issuer":        {config, answer(`{"issuer":"https://other","jwks_uri":%q}`, issuerURL), `the issuer "https://other"`},
		"plain HTTP":            {config, answer(`{"issuer":%q,"jwks_uri":"http://issuer.example/keys"}`, issuerURL), "not an https URL"},
		"no address of keys":    {config, answer(`{"issuer":%q}`, issuerURL), "not an https URL"},
		"an endless answer":     {"/keys", answer("%s", strings.Repeat(" ", MaxKeySet+1)), "more than 65536 bytes"},
		"an address of no keys": {"/keys", answer("{}"), "the key set is empty"},
	} {
		i, v := newIssuer(t, keySet(t, s))
		i.handle[test.path] = test.handle
		for range 2 {
			if err := v.Verify(t.Context(), s.token(), account("")); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "set spec.identity.serviceAccount.jwks") {
				t.Errorf("%s: got %v, want %q and what to do", name, err, test.want)
			}
		}
		if got := i.requests.Load(); got > 2 {
			t.Errorf("%s: got %d requests, want that a failure is remembered", name, got)
		}
	}
}

func TestIssuersAreDialedThroughTheGuard(t *testing.T) {
	s := newSigner(t, "k")
	v := New(Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("169.254.169.254 is a link-local address")
	}})
	if err := v.Verify(t.Context(), s.token(), account("")); err == nil || !strings.Contains(err.Error(), "link-local address") {
		t.Errorf("got %v, want the guard's error", err)
	}
}
