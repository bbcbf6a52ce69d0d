package report

import (
	"crypto/ed25519"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// signer is a master's key.
type signer struct{ *token.Signer }

func newSigner(t *testing.T) (signer, ed25519.PublicKey) {
	t.Helper()
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return signer{token.NewSigner(key)}, key.Public().(ed25519.PublicKey)
}

// signSubscribe signs a statement, sets the signature of req, and returns req.
func (s signer) signSubscribe(statement token.Statement, req *wire.SubscribeRequest) *wire.SubscribeRequest {
	req.Signature = s.SignStatement(statement)
	return req
}

// bearer returns the header with a token that was signed at the given time.
func bearer(t *testing.T, s signer, cluster, masterID string, at time.Time) http.Header {
	t.Helper()
	signed, err := s.Sign(cluster, masterID, at)
	if err != nil {
		t.Fatal(err)
	}
	return http.Header{"Authorization": {"Bearer " + signed}}
}

func TestInvalidTokenIsRefusedBeforeUpgrade(t *testing.T) {
	signer, public := newSigner(t)
	unknownKey, _ := newSigner(t)
	for name, tc := range map[string]struct {
		header  func(t *testing.T) http.Header
		message string
		nonce   bool // the response has a nonce and the agent's time
	}{
		"no token":                   {func(*testing.T) http.Header { return nil }, "no bearer token", false},
		"other scheme":               {func(*testing.T) http.Header { return http.Header{"Authorization": {"Basic YTpi"}} }, "no bearer token", false},
		"garbage":                    {func(*testing.T) http.Header { return http.Header{"Authorization": {"Bearer garbage"}} }, "not valid", false},
		"unknown key":                {func(t *testing.T) http.Header { return bearer(t, unknownKey, "prod-eu", "m1", time.Now()) }, "not valid", false},
		"unknown key, other cluster": {func(t *testing.T) http.Header { return bearer(t, unknownKey, "prod-us", "m1", time.Now()) }, "not valid", false},
		"other cluster":              {func(t *testing.T) http.Header { return bearer(t, signer, "prod-us", "m1", time.Now()) }, "another cluster", false},
		"clock behind":               {func(t *testing.T) http.Header { return bearer(t, signer, "prod-eu", "m1", time.Now().Add(-time.Hour)) }, "expired", true},
		"clock ahead":                {func(t *testing.T) http.Header { return bearer(t, signer, "prod-eu", "m1", time.Now().Add(time.Hour)) }, "in the future", true},
	} {
		t.Run(name, func(t *testing.T) {
			runTest(t, func(cfg *Config) { cfg.Verifier, cfg.Unbound = token.NewVerifier("prod-eu", public), true }, func(t *testing.T, h *harness) {
				h.makeReady()
				_, response, err := h.dialHTTP(tc.header(t), wire.Subprotocol)
				if err == nil || response.StatusCode != http.StatusUnauthorized {
					t.Fatalf("dial: got %v, %v; want status 401", response, err)
				}
				if body, _ := io.ReadAll(response.Body); !strings.Contains(string(body), tc.message) {
					t.Errorf("got body %q, want it to contain %q", body, tc.message)
				}
				got := response.Header.Get(wire.ClusterNameHeader)
				if want := map[string]string{"other cluster": "prod-eu"}[name]; got != want {
					t.Errorf("got cluster name %q in the response, want %q", got, want)
				}
				if nonce := response.Header.Get(wire.NonceHeader); (nonce != "") != tc.nonce {
					t.Errorf("got nonce %q, want one: %v", nonce, tc.nonce)
				}
				if protocols := response.Header.Get(wire.ProtocolHeader); protocols != "3-4" {
					t.Errorf("got protocols %q, want 3-4", protocols)
				}
				if date, err := http.ParseTime(response.Header.Get("Date")); tc.nonce && (err != nil || time.Since(date) > time.Second) {
					t.Errorf("got Date %s, %v; want %s", date, err, time.Now())
				}
				if h.counter("rollcall_agent_dials_refused_total", "unauthorized") != 1 {
					t.Error("the refusal was not counted")
				}
			})
		})
	}
}

func TestTokenIsValidOnce(t *testing.T) {
	signer, public := newSigner(t)
	runTest(t, func(cfg *Config) { cfg.Verifier, cfg.Unbound = token.NewVerifier("prod-eu", public), true }, func(t *testing.T, h *harness) {
		h.makeReady()
		header := bearer(t, signer, "prod-eu", "m1", time.Now())
		conn, _, err := h.dialHTTP(header, wire.Subprotocol)
		if err != nil {
			t.Fatal(err)
		}
		m := h.readHello(conn)
		m.send(signer.signSubscribe(m.subscribeStatement("m1", "s"), &wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "m1", Period: time.Second, Duration: time.Minute}))
		m.readGrant()
		m.mustNextFlush()

		_, response, err := h.dialHTTP(header, wire.Subprotocol)
		if err == nil || response.StatusCode != http.StatusUnauthorized {
			t.Fatalf("second dial with the same token: got %v, %v; want status 401", response, err)
		}
		m.mustNextFlush()
	})
}

func TestSubscribeForOtherMasterThanTokenIsRefused(t *testing.T) {
	signer, public := newSigner(t)
	runTest(t, func(cfg *Config) { cfg.Verifier, cfg.Unbound = token.NewVerifier("prod-eu", public), true }, func(t *testing.T, h *harness) {
		h.makeReady()
		conn, _, err := h.dialHTTP(bearer(t, signer, "prod-eu", "m1", time.Now()), wire.Subprotocol)
		if err != nil {
			t.Fatal(err)
		}
		m := h.readHello(conn)
		m.send(signer.signSubscribe(m.subscribeStatement("m2", "s"), &wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "m2", Period: time.Second, Duration: time.Minute}))
		m.wantClose(wire.CloseProtocol)
	})
}

func TestDialWithoutSubprotocolIsRefused(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		for _, offered := range [][]string{nil, {"rollcall.v0"}, {"graphql-ws"}} {
			_, response, err := h.dialHTTP(nil, offered...)
			if err == nil || response.StatusCode != http.StatusBadRequest {
				t.Errorf("offer %q: got %v, %v; want status 400", offered, response, err)
			}
		}
		conn, _, err := h.dialHTTP(nil, "something.else", wire.Subprotocol)
		if err != nil || conn.Subprotocol() != wire.Subprotocol {
			t.Errorf("offer two subprotocols: got %v, want %s to be selected", err, wire.Subprotocol)
		}
	})
}

func TestRequestWithoutUpgradeIsRefused(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		client := http.Client{Transport: &http.Transport{DialContext: h.listener.DialContext, DisableKeepAlives: true}}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://agent"+wire.Path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Sec-WebSocket-Protocol", wire.Subprotocol)
		response, err := client.Do(request)
		if err != nil || response.StatusCode != http.StatusUpgradeRequired {
			t.Fatalf("got %v, %v; want status 426", response, err)
		}
		_ = response.Body.Close()
	})
}

func TestDialIsRefusedWhileIdentityIsUnknown(t *testing.T) {
	unknown := func(cfg *Config) { cfg.Identity = func() (string, string, bool) { return "", "", false } }
	runTest(t, unknown, func(t *testing.T, h *harness) {
		_, response, err := h.dialHTTP(nil, wire.Subprotocol)
		if err == nil || response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
			t.Errorf("got %v, %v; want status 503 with Retry-After", response, err)
		}
	})
}

func TestConnectionsAreLimited(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		for range maxConnections {
			h.dial()
		}
		_, response, err := h.dialHTTP(nil, wire.Subprotocol)
		if err == nil || response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("dial above the limit: got %v, %v; want status 503", response, err)
		}
		<-time.After(subscribeTimeout + 11*time.Second)
		synctest.Wait()
		m := h.dial()
		_ = m.CloseNow()
	})
}

// TestRequestsWithOriginAreRefused simulates a web page whose name resolves to the address of an agent without
// authentication (DNS rebinding).
func TestRequestsWithOriginAreRefused(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		// The origin equals the host of the request.
		_, response, err := h.dialHTTP(http.Header{"Origin": {"http://agent"}}, wire.Subprotocol)
		if err == nil || response.StatusCode != http.StatusForbidden {
			t.Fatalf("dial: got %v, %v; want status 403", response, err)
		}
	})
}
