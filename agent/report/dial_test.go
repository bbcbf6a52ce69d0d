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

// report signs a Report.
func (s signer) report(statement token.Statement, m *wire.SubscribeRequest) *wire.SubscribeRequest {
	m.Signature = s.SignStatement(statement)
	return m
}

func bearer(t *testing.T, s signer, cluster, holder string, at time.Time) http.Header {
	t.Helper()
	signed, err := s.Sign(cluster, holder, at)
	if err != nil {
		t.Fatal(err)
	}
	return http.Header{"Authorization": {"Bearer " + signed}}
}

func TestDialIsRefusedBeforeTheUpgradeWithWords(t *testing.T) {
	signer, public := newSigner(t)
	stranger, _ := newSigner(t)
	for name, tc := range map[string]struct {
		header func(t *testing.T) http.Header
		status int
		words  string
		clock  bool // the answer has the agent's time for the master to go by
	}{
		"no token":                   {func(*testing.T) http.Header { return nil }, 401, "token is missing", false},
		"other scheme":               {func(*testing.T) http.Header { return http.Header{"Authorization": {"Basic YTpi"}} }, 401, "token is missing", false},
		"garbage":                    {func(*testing.T) http.Header { return http.Header{"Authorization": {"Bearer garbage"}} }, 401, "not valid", false},
		"unknown key":                {func(t *testing.T) http.Header { return bearer(t, stranger, "prod-eu", "m1", time.Now()) }, 401, "not valid", false},
		"unknown key, other cluster": {func(t *testing.T) http.Header { return bearer(t, stranger, "prod-us", "m1", time.Now()) }, 401, "not valid", false},
		"other cluster":              {func(t *testing.T) http.Header { return bearer(t, signer, "prod-us", "m1", time.Now()) }, 401, "another cluster", false},
		"clock behind":               {func(t *testing.T) http.Header { return bearer(t, signer, "prod-eu", "m1", time.Now().Add(-time.Hour)) }, 401, "expired", true},
		"clock in front":             {func(t *testing.T) http.Header { return bearer(t, signer, "prod-eu", "m1", time.Now().Add(time.Hour)) }, 401, "in the future", true},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(cfg *Config) { cfg.Verifier, cfg.Unbound = token.NewVerifier("prod-eu", public), true }, func(t *testing.T, w *world) {
				w.ready()
				_, answer, err := w.get(tc.header(t), wire.Subprotocol)
				if err == nil || answer.StatusCode != tc.status {
					t.Fatalf("dial: %v, %v; want %d", answer, err, tc.status)
				}
				if body, _ := io.ReadAll(answer.Body); !strings.Contains(string(body), tc.words) {
					t.Errorf("answer %q, want one with %q", body, tc.words)
				}
				told := answer.Header.Get(wire.ClusterNameHeader)
				if wanted := map[string]string{"other cluster": "prod-eu"}[name]; told != wanted {
					t.Errorf("it is told that this is %q, want %q", told, wanted)
				}
				if nonce := answer.Header.Get(wire.NonceHeader); (nonce != "") != tc.clock {
					t.Errorf("nonce %q, want one: %v", nonce, tc.clock)
				}
				if protocols := answer.Header.Get(wire.ProtocolHeader); protocols != "3-3" {
					t.Errorf("protocols %q, want 3-3", protocols)
				}
				if date, err := http.ParseTime(answer.Header.Get("Date")); tc.clock && (err != nil || time.Since(date) > time.Second) {
					t.Errorf("Date %s, %v; want %s", date, err, time.Now())
				}
				if w.counted("rollcall_agent_dials_refused_total", "unauthorized") != 1 {
					t.Error("not counted")
				}
			})
		})
	}
}

func TestTokenOpensASessionForItsHolderOnce(t *testing.T) {
	signer, public := newSigner(t)
	inWorld(t, func(cfg *Config) { cfg.Verifier, cfg.Unbound = token.NewVerifier("prod-eu", public), true }, func(t *testing.T, w *world) {
		w.ready()
		header := bearer(t, signer, "prod-eu", "m1", time.Now())
		conn, _, err := w.get(header, wire.Subprotocol)
		if err != nil {
			t.Fatal(err)
		}
		m := w.meet(conn)
		m.say(signer.report(m.statement("m1", "s"), &wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "m1", Period: time.Second, Duration: time.Minute}))
		m.granted()
		m.mustNext()

		_, answer, err := w.get(header, wire.Subprotocol)
		if err == nil || answer.StatusCode != http.StatusUnauthorized {
			t.Fatalf("the same token again: %v, %v; want 401", answer, err)
		}
		m.mustNext()
	})
}

func TestTokenOfOneHolderOpensNoSessionForAnother(t *testing.T) {
	signer, public := newSigner(t)
	inWorld(t, func(cfg *Config) { cfg.Verifier, cfg.Unbound = token.NewVerifier("prod-eu", public), true }, func(t *testing.T, w *world) {
		w.ready()
		conn, _, err := w.get(bearer(t, signer, "prod-eu", "m1", time.Now()), wire.Subprotocol)
		if err != nil {
			t.Fatal(err)
		}
		m := w.meet(conn)
		m.say(signer.report(m.statement("m2", "s"), &wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "m2", Period: time.Second, Duration: time.Minute}))
		m.wantClose(wire.CloseProtocol)
	})
}

func TestDialWithoutTheSubprotocolIsRefused(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		for _, offered := range [][]string{nil, {"rollcall.v0"}, {"graphql-ws"}} {
			_, answer, err := w.get(nil, offered...)
			if err == nil || answer.StatusCode != http.StatusBadRequest {
				t.Errorf("offering %q: %v, %v; want 400", offered, answer, err)
			}
		}
		conn, _, err := w.get(nil, "something.else", wire.Subprotocol)
		if err != nil || conn.Subprotocol() != wire.Subprotocol {
			t.Errorf("offering two: %v", err)
		}
	})
}

func TestRequestThatIsNoUpgradeIsRefused(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		client := http.Client{Transport: &http.Transport{DialContext: w.listener.DialContext, DisableKeepAlives: true}}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://agent"+wire.Path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Sec-WebSocket-Protocol", wire.Subprotocol)
		answer, err := client.Do(request)
		if err != nil || answer.StatusCode != http.StatusUpgradeRequired {
			t.Fatalf("%v, %v; want 426", answer, err)
		}
		_ = answer.Body.Close()
	})
}

func TestAgentThatHasNotReachedItsClusterSaysSo(t *testing.T) {
	unknown := func(cfg *Config) { cfg.Identity = func() (string, string, bool) { return "", "", false } }
	inWorld(t, unknown, func(t *testing.T, w *world) {
		_, answer, err := w.get(nil, wire.Subprotocol)
		if err == nil || answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
			t.Errorf("%v, %v; want 503 with Retry-After", answer, err)
		}
	})
}

func TestConnectionsAreBounded(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		for range maxConnections {
			w.dial()
		}
		_, answer, err := w.get(nil, wire.Subprotocol)
		if err == nil || answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("one more: %v, %v; want 503", answer, err)
		}
		<-time.After(reportTimeout + 11*time.Second)
		synctest.Wait()
		m := w.dial()
		_ = m.conn.CloseNow()
	})
}

// TestPagesOfBrowsersAreRefused is the attack of a page whose name resolves to an agent
// that asks nobody who they are.
func TestPagesOfBrowsersAreRefused(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		_, answer, err := w.get(http.Header{"Origin": {"http://agent"}}, wire.Subprotocol) // the host that is asked
		if err == nil || answer.StatusCode != http.StatusForbidden {
			t.Fatalf("dial: %v, %v; want 403", answer, err)
		}
	})
}
