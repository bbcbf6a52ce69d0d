package report

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/test/fake"
)

// serverTLS returns the TLS configuration that rollcall-agent uses.
func serverTLS(t *testing.T) *tls.Config {
	t.Helper()
	config, err := tlsfiles.ServerConfig("", "", slog.New(slog.DiscardHandler), "agent", "agent")
	if err != nil {
		t.Fatal(err)
	}
	config.MinVersion, config.SessionTicketsDisabled = tls.VersionTLS13, true
	return config
}

// runBoundTest calls f with an agent that serves TLS and requires signatures by s that cover the TLS connection.
func runBoundTest(t *testing.T, edit func(*Config), f func(t *testing.T, h *harness, s signer)) {
	t.Helper()
	s, public := newSigner(t)
	runTLSTest(t, serverTLS(t), func(cfg *Config) {
		cfg.Verifier = token.NewVerifier("prod-eu", public)
		if edit != nil {
			edit(cfg)
		}
	}, func(t *testing.T, h *harness) {
		h.makeReady()
		f(t, h, s)
	})
}

// dialWith opens a connection with a token of the master m1.
func (h *harness) dialWith(s signer) *master {
	h.t.Helper()
	conn, _, err := h.dialHTTP(bearer(h.t, s, "prod-eu", "m1", time.Now()), wire.Subprotocol)
	if err != nil {
		h.t.Fatalf("dial: %v", err)
	}
	return h.readHello(conn)
}

// openSessionWith opens the session "s" of the master m1.
func (h *harness) openSessionWith(s signer) *master {
	h.t.Helper()
	m := h.dialWith(s)
	m.send(s.signSubscribe(m.subscribeStatement("m1", "s"), subscribeRequest("m1")))
	m.readGrant()
	return m
}

// subscribeRequest returns an unsigned request for the session "s".
func subscribeRequest(masterID string) *wire.SubscribeRequest {
	return &wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: masterID, Period: time.Second, Duration: time.Minute}
}

// wantRefused reads the next message, and fails unless it is End with the reason unauthorized and a message that
// contains text, and a normal close follows.
func (m *master) wantRefused(text string) {
	m.t.Helper()
	msg, err := m.tryRead()
	end, ok := msg.(*wire.End)
	if !ok || end.Reason != wire.EndUnauthorized || !strings.Contains(end.Message, text) {
		m.t.Fatalf("got %T %+v, %v, want End(unauthorized) with %q", msg, msg, err, text)
	}
	if _, err := m.tryRead(); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		m.t.Fatalf("after End: got %v, want a normal close", err)
	}
}

// TestInvalidSignatureGetsNoClusterData simulates an attacker who intercepted a token but has no key. The attacker gets
// a Hello, which has no data of the cluster, and then End.
func TestInvalidSignatureGetsNoClusterData(t *testing.T) {
	otherKey, _ := newSigner(t)
	statement := func(edit func(*token.Statement)) func(*master, signer) []byte {
		return func(m *master, s signer) []byte {
			st := m.subscribeStatement("m1", "s")
			edit(&st)
			return s.SignStatement(st)
		}
	}
	for name, sign := range map[string]func(m *master, s signer) []byte{
		"no signature":                func(*master, signer) []byte { return nil },
		"zeros":                       func(*master, signer) []byte { return make([]byte, token.SignatureSize) },
		"another key":                 func(m *master, _ signer) []byte { return otherKey.SignStatement(m.subscribeStatement("m1", "s")) },
		"another cluster":             statement(func(s *token.Statement) { s.Cluster = "prod-us" }),
		"another master":              statement(func(s *token.Statement) { s.MasterID = "m2" }),
		"another session":             statement(func(s *token.Statement) { s.Session = "s2" }),
		"another nonce":               statement(func(s *token.Statement) { s.Nonce = token.NewNonce() }),
		"no nonce":                    statement(func(s *token.Statement) { s.Nonce = nil }),
		"unbound":                     statement(func(s *token.Statement) { s.Channel = token.Unbound }),
		"another connection":          statement(func(s *token.Statement) { s.Channel = token.Channel(bytes.Repeat([]byte{1}, 32)) }),
		"signature of a renewal":      statement(func(s *token.Statement) { s.Domain = token.DomainRenew }),
		"summary and session swapped": nil,
	} {
		for _, summary := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				runBoundTest(t, nil, func(t *testing.T, h *harness, s signer) {
					m := h.dialWith(s)
					if len(m.Hello.Nonce) != token.NonceSize || m.Hello.Unbound {
						t.Errorf("got %+v, want a Hello with a nonce that is not unbound", m.Hello)
					}
					req := subscribeRequest("m1")
					if summary {
						req = &wire.SubscribeRequest{Protocol: wire.ProtocolMax, SummaryOnly: true}
					}
					if sign != nil {
						req.Signature = sign(m, s)
					} else {
						st := m.subscribeStatement("m1", "s")
						if !summary {
							st.Domain, st.Session = token.DomainSummary, ""
						}
						req.Signature = s.SignStatement(st)
					}
					m.send(req)
					m.wantRefused("")
					synctest.Wait()
					if h.sessionCount() != 0 || h.counter("rollcall_agent_dials_refused_total", "signature") != 1 {
						t.Errorf("got %d open sessions and %v counted refusals, want 0 and 1", h.sessionCount(), h.counter("rollcall_agent_dials_refused_total", "signature"))
					}
				})
			})
		}
	}
}

func TestSignedSubscribeIsAnswered(t *testing.T) {
	runBoundTest(t, nil, func(t *testing.T, h *harness, s signer) {
		h.openSessionWith(s).mustNextFlush()
		m := h.dialWith(s)
		st := m.subscribeStatement("m1", "")
		st.Domain = token.DomainSummary
		m.send(s.signSubscribe(st, &wire.SubscribeRequest{Protocol: wire.ProtocolMax, SummaryOnly: true}))
		if got, ok := m.read().(*wire.Summary); !ok || got.Identity == nil || got.Identity.ClusterUID != "uid-1" {
			t.Errorf("got %+v, want a Summary of the cluster uid-1", got)
		}
	})
}

// TestSignatureOfAnotherConnectionIsRefused replays a signed SubscribeRequest on another connection, which has a valid
// token of its own.
func TestSignatureOfAnotherConnectionIsRefused(t *testing.T) {
	runBoundTest(t, nil, func(t *testing.T, h *harness, s signer) {
		first := h.dialWith(s)
		req := s.signSubscribe(first.subscribeStatement("m1", "s"), subscribeRequest("m1"))
		second := h.dialWith(s)
		second.send(req)
		second.wantRefused("--channel-binding=off")
		first.send(req)
		first.readGrant()
		first.mustNextFlush()
	})
}

// TestRenewalMustSignLatestNonce checks that an attacker who controls the connection of a session cannot extend the
// session beyond the duration that the master requested.
func TestRenewalMustSignLatestNonce(t *testing.T) {
	otherKey, _ := newSigner(t)
	renewal := func(m *master, nonce []byte) token.Statement {
		st := m.subscribeStatement("m1", "s")
		st.Domain, st.Nonce = token.DomainRenew, nonce
		return st
	}
	for name, sign := range map[string]func(m *master, s signer, old []byte) []byte{
		"no signature":       func(*master, signer, []byte) []byte { return nil },
		"an old nonce":       func(m *master, s signer, old []byte) []byte { return s.SignStatement(renewal(m, old)) },
		"the nonce of Hello": func(m *master, s signer, _ []byte) []byte { return s.SignStatement(renewal(m, m.Hello.Nonce)) },
		"another key":        func(m *master, _ signer, _ []byte) []byte { return otherKey.SignStatement(renewal(m, m.grant.Nonce)) },
		"signature of a SubscribeRequest": func(m *master, s signer, _ []byte) []byte {
			st := m.subscribeStatement("m1", "s")
			st.Nonce = m.grant.Nonce
			return s.SignStatement(st)
		},
		"another connection": func(m *master, s signer, _ []byte) []byte {
			st := renewal(m, m.grant.Nonce)
			st.Channel = "x"
			return s.SignStatement(st)
		},
		"another session": func(m *master, s signer, _ []byte) []byte {
			st := renewal(m, m.grant.Nonce)
			st.Session = "t"
			return s.SignStatement(st)
		},
	} {
		t.Run(name, func(t *testing.T) {
			runBoundTest(t, nil, func(t *testing.T, h *harness, s signer) {
				m := h.openSessionWith(s)
				m.mustNextFlush()
				old := m.grant.Nonce
				m.send(&wire.Renew{Renewal: 1, Duration: time.Minute, Signature: s.SignStatement(renewal(m, old))})
				if r := m.readGrant(); r.Renewal != 1 || len(r.Nonce) != token.NonceSize || bytes.Equal(r.Nonce, old) || r.Identity != nil {
					t.Fatalf("got %+v, want renewal 1 with a new nonce and no identity", r)
				}
				m.send(&wire.Renew{Renewal: 2, Duration: time.Minute, Signature: sign(m, s, old)})
				m.wantRefused("")
			})
		})
	}
}

// TestOlderMasterGetsSupportedProtocols checks that a master of an older protocol, which has no signatures, gets
// Unsupported rather than End with the reason unauthorized.
func TestOlderMasterGetsSupportedProtocols(t *testing.T) {
	runBoundTest(t, nil, func(t *testing.T, h *harness, s signer) {
		for _, req := range []*wire.SubscribeRequest{subscribeRequest("m1"), {SummaryOnly: true}} {
			m := h.dialWith(s)
			if m.Hello.ProtocolMin != 3 || m.Hello.ProtocolMax != 4 {
				t.Errorf("got %+v, want a Hello with the protocols 3 and 4", m.Hello)
			}
			req.Protocol = 2
			m.send(req)
			if u, ok := m.read().(*wire.Unsupported); !ok || u.ProtocolMin != 3 || u.ProtocolMax != 4 {
				t.Errorf("got %+v, want Unsupported with the protocols 3 and 4", u)
			}
			_, _ = m.tryRead()
		}
	})
}

func TestSessionsOfRemovedKeysEnd(t *testing.T) {
	newer, newerPublic := newSigner(t)
	runBoundTest(t, nil, func(t *testing.T, h *harness, s signer) {
		older := h.openSessionWith(s)
		older.mustNextFlush()
		h.handler.KeysChanged()
		older.mustNextFlush()
		h.cfg.Verifier.SetKeys(newerPublic)
		h.handler.KeysChanged()
		older.wantEnd(wire.EndUnauthorized)
		if _, response, err := h.dialHTTP(bearer(t, s, "prod-eu", "m1", time.Now()), wire.Subprotocol); err == nil || response.StatusCode != http.StatusUnauthorized {
			t.Errorf("dial with the removed key: got %v, %v; want status 401", response, err)
		}
		m := h.openSessionWith(newer)
		m.mustNextFlush()
		h.handler.KeysChanged()
		m.mustNextFlush()
	})
}

// TestSubscribeAfterKeyRemovalIsRefused removes the key of a master between its dial and its SubscribeRequest.
func TestSubscribeAfterKeyRemovalIsRefused(t *testing.T) {
	_, newerPublic := newSigner(t)
	runBoundTest(t, nil, func(_ *testing.T, h *harness, s signer) {
		m := h.dialWith(s)
		h.cfg.Verifier.SetKeys(newerPublic)
		h.handler.KeysChanged()
		m.send(s.signSubscribe(m.subscribeStatement("m1", "s"), subscribeRequest("m1")))
		m.wantRefused("")
	})
}

// TestOnlyAgentConfigAllowsUnboundSignatures checks that an agent with --channel-binding=off says so in its Hello and
// accepts signatures that are not bound to the connection, but no missing or replayed ones.
func TestOnlyAgentConfigAllowsUnboundSignatures(t *testing.T) {
	runBoundTest(t, func(cfg *Config) { cfg.Unbound = true }, func(t *testing.T, h *harness, s signer) {
		first := h.dialWith(s)
		if !first.Hello.Unbound {
			t.Error("Hello is not unbound")
		}
		first.Channel = token.Unbound
		req := s.signSubscribe(first.subscribeStatement("m1", "s"), subscribeRequest("m1"))
		first.send(req)
		first.readGrant()
		for _, req := range []*wire.SubscribeRequest{req, subscribeRequest("m1")} {
			second := h.dialWith(s)
			second.send(req)
			second.wantRefused("")
		}
		first.mustNextFlush()
	})
}

func TestBindingRefusesPlainConnections(t *testing.T) {
	s, public := newSigner(t)
	runTest(t, func(cfg *Config) { cfg.Verifier = token.NewVerifier("prod-eu", public) }, func(t *testing.T, h *harness) {
		h.makeReady()
		_, response, err := h.dialHTTP(bearer(t, s, "prod-eu", "m1", time.Now()), wire.Subprotocol)
		if err == nil || response.StatusCode != http.StatusForbidden {
			t.Fatalf("got %v, %v; want status 403", response, err)
		}
		body := make([]byte, 1<<10)
		n, _ := response.Body.Read(body)
		if !strings.Contains(string(body[:n]), "--channel-binding=off") {
			t.Errorf("got body %q, want it to name --channel-binding=off", body[:n])
		}
	})
}

// TestDialWithWrongClockSucceedsWithNonceOnce tests masters whose clocks are wrong by an hour or a year.
func TestDialWithWrongClockSucceedsWithNonceOnce(t *testing.T) {
	for _, skew := range []time.Duration{-365 * 24 * time.Hour, -time.Hour, time.Hour, 365 * 24 * time.Hour} {
		runBoundTest(t, nil, func(t *testing.T, h *harness, s signer) {
			nonce := func() string {
				t.Helper()
				_, response, err := h.dialHTTP(bearer(t, s, "prod-eu", "m1", time.Now().Add(skew)), wire.Subprotocol)
				if err == nil || response.StatusCode != http.StatusUnauthorized || response.Header.Get(wire.NonceHeader) == "" {
					t.Fatalf("skew %s: got %v, %v; want status 401 with a nonce", skew, response, err)
				}
				return response.Header.Get(wire.NonceHeader)
			}
			dial := func(nonce string) (*fake.Master, *http.Response, error) {
				signed, err := s.SignNonce("prod-eu", "m1", nonce)
				if err != nil {
					t.Fatal(err)
				}
				return h.dialHTTP(http.Header{"Authorization": {"Bearer " + signed}}, wire.Subprotocol)
			}
			first := nonce()
			conn, _, err := dial(first)
			if err != nil {
				t.Fatalf("skew %s: dial with the nonce: %v", skew, err)
			}
			m := h.readHello(conn)
			m.send(s.signSubscribe(m.subscribeStatement("m1", "s"), subscribeRequest("m1")))
			m.readGrant()
			m.mustNextFlush()
			expired := nonce()
			if _, response, err := dial(first); err == nil || response.Header.Get(wire.NonceHeader) != "" {
				t.Errorf("skew %s: second dial with the same nonce: got %v, %v; want a refusal without a nonce", skew, response, err)
			}
			m.send(&wire.Stop{})
			m.wantEnd(wire.EndStopped)
			<-time.After(token.Lifetime)
			if _, response, err := dial(expired); err == nil || response.StatusCode != http.StatusUnauthorized || response.Header.Get(wire.NonceHeader) != "" {
				t.Errorf("skew %s: dial with an expired nonce: got %v, %v; want status 401 without a nonce", skew, response, err)
			}
		})
	}
}

func TestAgentRefusesTLS12(t *testing.T) {
	runBoundTest(t, nil, func(t *testing.T, h *harness, _ signer) {
		conn, err := h.listener.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		err = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}).HandshakeContext(t.Context())
		if err == nil || !strings.Contains(err.Error(), "protocol version") {
			t.Errorf("got %v, want an error about the protocol version", err)
		}
	})
}

func TestAgentWithoutKeysSendsNoNonce(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		m := h.openSession("m1", time.Second, time.Minute)
		if m.Hello.Nonce != nil || m.Hello.Unbound || m.grant.Nonce != nil {
			t.Errorf("got %+v and %+v; want no nonces", m.Hello, m.grant)
		}
	})
}
