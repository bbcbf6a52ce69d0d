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
)

// serverTLS is an agent's TLS, as rollcall-agent serves it.
func serverTLS(t *testing.T) *tls.Config {
	t.Helper()
	config, err := tlsfiles.ServerConfig("", "", slog.New(slog.DiscardHandler), "agent", "agent")
	if err != nil {
		t.Fatal(err)
	}
	config.MinVersion, config.SessionTicketsDisabled = tls.VersionTLS13, true
	return config
}

// inBoundWorld runs f against an agent that wants signatures of a key on its TLS connection.
func inBoundWorld(t *testing.T, edit func(*Config), f func(t *testing.T, w *world, s signer)) {
	t.Helper()
	s, public := newSigner(t)
	inSecuredWorld(t, serverTLS(t), func(cfg *Config) {
		cfg.Verifier = token.NewVerifier("prod-eu", public)
		if edit != nil {
			edit(cfg)
		}
	}, func(t *testing.T, w *world) {
		w.ready()
		f(t, w, s)
	})
}

// dialWith opens a connection with a token of m1, and knows its channel.
func (w *world) dialWith(s signer) *master {
	w.t.Helper()
	conn, response, err := w.get(bearer(w.t, s, "prod-eu", "m1", time.Now()), wire.Subprotocol)
	if err != nil {
		w.t.Fatalf("dial: %v", err)
	}
	m := w.meet(conn)
	if m.channel, err = token.ChannelOf(response.TLS); err != nil {
		w.t.Fatal(err)
	}
	return m
}

// openWith opens the session s of m1.
func (w *world) openWith(s signer) *master {
	w.t.Helper()
	m := w.dialWith(s)
	m.say(s.report(m.statement("m1", "s"), reportOf("m1")))
	m.granted()
	return m
}

func reportOf(holder string) *wire.SubscribeRequest {
	return &wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: holder, Period: time.Second, Duration: time.Minute}
}

// wantRefused reads what the agent has to say: that it is unauthorized, and nothing else.
func (m *master) wantRefused(words string) {
	m.t.Helper()
	msg, err := m.tryRead()
	end, ok := msg.(*wire.End)
	if !ok || end.Reason != wire.EndUnauthorized || !strings.Contains(end.Message, words) {
		m.t.Fatalf("got %T %+v, %v, want End(unauthorized) with %q", msg, msg, err, words)
	}
	if _, err := m.tryRead(); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		m.t.Fatalf("after End: %v, want a normal close", err)
	}
}

// TestATokenAloneIsToldNothing is the attack of who took a token on its way: all that it
// opens is a connection with a Hello, which has nothing of the cluster.
func TestATokenAloneIsToldNothing(t *testing.T) {
	otherKey, _ := newSigner(t)
	statement := func(edit func(*token.Statement)) func(*master, signer) []byte {
		return func(m *master, s signer) []byte {
			st := m.statement("m1", "s")
			edit(&st)
			return s.SignStatement(st)
		}
	}
	for name, sign := range map[string]func(m *master, s signer) []byte{
		"no signature":        func(*master, signer) []byte { return nil },
		"zeros":               func(*master, signer) []byte { return make([]byte, token.SignatureSize) },
		"another key":         func(m *master, _ signer) []byte { return otherKey.SignStatement(m.statement("m1", "s")) },
		"another cluster":     statement(func(s *token.Statement) { s.Cluster = "prod-us" }),
		"another holder":      statement(func(s *token.Statement) { s.MasterID = "m2" }),
		"another session":     statement(func(s *token.Statement) { s.Session = "s2" }),
		"another nonce":       statement(func(s *token.Statement) { s.Nonce = token.NewNonce() }),
		"no nonce":            statement(func(s *token.Statement) { s.Nonce = nil }),
		"any connection":      statement(func(s *token.Statement) { s.Channel = token.Unbound }),
		"another connection":  statement(func(s *token.Statement) { s.Channel = token.Channel(bytes.Repeat([]byte{1}, 32)) }),
		"of a renewal":        statement(func(s *token.Statement) { s.Domain = token.DomainRenew }),
		"for the other thing": nil,
	} {
		for _, summary := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				inBoundWorld(t, nil, func(t *testing.T, w *world, s signer) {
					m := w.dialWith(s)
					if len(m.hello.Nonce) != token.NonceSize || m.hello.Unbound {
						t.Errorf("hello %+v", m.hello)
					}
					r := reportOf("m1")
					if summary {
						r = &wire.SubscribeRequest{Protocol: wire.ProtocolMax, SummaryOnly: true}
					}
					if sign != nil {
						r.Signature = sign(m, s)
					} else {
						st := m.statement("m1", "s")
						if !summary {
							st.Domain, st.Session = token.DomainSummary, ""
						}
						r.Signature = s.SignStatement(st)
					}
					m.say(r)
					m.wantRefused("")
					synctest.Wait()
					if w.openSessions() != 0 || w.counted("rollcall_agent_dials_refused_total", "signature") != 1 {
						t.Errorf("%d sessions, %v refusals counted", w.openSessions(), w.counted("rollcall_agent_dials_refused_total", "signature"))
					}
				})
			})
		}
	}
}

func TestASignedReportIsAnswered(t *testing.T) {
	inBoundWorld(t, nil, func(t *testing.T, w *world, s signer) {
		w.openWith(s).mustNext()
		m := w.dialWith(s)
		st := m.statement("m1", "")
		st.Domain = token.DomainSummary
		m.say(s.report(st, &wire.SubscribeRequest{Protocol: wire.ProtocolMax, SummaryOnly: true}))
		if got, ok := m.read().(*wire.Summary); !ok || got.Identity == nil || got.Identity.ClusterUID != "uid-1" {
			t.Errorf("got %+v, want a Summary of uid-1", got)
		}
	})
}

// TestASignatureOfAnotherConnectionIsRefused replays a Report as it was signed, on another
// connection with a token of its own.
func TestASignatureOfAnotherConnectionIsRefused(t *testing.T) {
	inBoundWorld(t, nil, func(t *testing.T, w *world, s signer) {
		first := w.dialWith(s)
		r := s.report(first.statement("m1", "s"), reportOf("m1"))
		second := w.dialWith(s)
		second.say(r)
		second.wantRefused("--channel-binding=off")
		first.say(r)
		first.granted()
		first.mustNext()
	})
}

// TestARenewalIsSignedForTheLastGrant: who holds a session's connection cannot keep it beyond
// what the master asked for.
func TestARenewalIsSignedForTheLastGrant(t *testing.T) {
	otherKey, _ := newSigner(t)
	renewal := func(m *master, nonce []byte) token.Statement {
		st := m.statement("m1", "s")
		st.Domain, st.Nonce = token.DomainRenew, nonce
		return st
	}
	for name, sign := range map[string]func(m *master, s signer, old []byte) []byte{
		"no signature":       func(*master, signer, []byte) []byte { return nil },
		"an old nonce":       func(m *master, s signer, old []byte) []byte { return s.SignStatement(renewal(m, old)) },
		"the nonce of Hello": func(m *master, s signer, _ []byte) []byte { return s.SignStatement(renewal(m, m.hello.Nonce)) },
		"another key":        func(m *master, _ signer, _ []byte) []byte { return otherKey.SignStatement(renewal(m, m.grant.Nonce)) },
		"a Report's signature": func(m *master, s signer, _ []byte) []byte {
			st := m.statement("m1", "s")
			st.Nonce = m.grant.Nonce
			return s.SignStatement(st)
		},
		"of another connection": func(m *master, s signer, _ []byte) []byte {
			st := renewal(m, m.grant.Nonce)
			st.Channel = "x"
			return s.SignStatement(st)
		},
		"of another session": func(m *master, s signer, _ []byte) []byte {
			st := renewal(m, m.grant.Nonce)
			st.Session = "t"
			return s.SignStatement(st)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBoundWorld(t, nil, func(t *testing.T, w *world, s signer) {
				m := w.openWith(s)
				m.mustNext()
				old := m.grant.Nonce
				m.say(&wire.Renew{Renewal: 1, Duration: time.Minute, Signature: s.SignStatement(renewal(m, old))})
				if g := m.granted(); g.Renewal != 1 || len(g.Nonce) != token.NonceSize || bytes.Equal(g.Nonce, old) || g.Identity != nil {
					t.Fatalf("granted %+v, want the renewal 1 with a nonce of its own", g)
				}
				m.say(&wire.Renew{Renewal: 2, Duration: time.Minute, Signature: sign(m, s, old)})
				m.wantRefused("")
			})
		})
	}
}

// TestAnOlderMasterIsToldWhichProtocolsThereAre: it knows no signatures, and learns that it is
// too old and not that it is unauthorized.
func TestAnOlderMasterIsToldWhichProtocolsThereAre(t *testing.T) {
	inBoundWorld(t, nil, func(t *testing.T, w *world, s signer) {
		for _, r := range []*wire.SubscribeRequest{reportOf("m1"), {SummaryOnly: true}} {
			m := w.dialWith(s)
			if m.hello.ProtocolMin != 3 || m.hello.ProtocolMax != 3 {
				t.Errorf("hello %+v, want the protocol 3", m.hello)
			}
			r.Protocol = 2
			m.say(r)
			if u, ok := m.read().(*wire.Unsupported); !ok || u.ProtocolMin != 3 || u.ProtocolMax != 3 {
				t.Errorf("got %+v, want Unsupported", u)
			}
			_, _ = m.tryRead()
		}
	})
}

func TestSessionsOfKeysThatAreGoneEnd(t *testing.T) {
	newer, newerPublic := newSigner(t)
	inBoundWorld(t, nil, func(t *testing.T, w *world, s signer) {
		older := w.openWith(s)
		older.mustNext()
		w.handler.KeysChanged()
		older.mustNext()
		w.cfg.Verifier.SetKeys(newerPublic)
		w.handler.KeysChanged()
		older.wantEnd(wire.EndUnauthorized)
		if _, answer, err := w.get(bearer(t, s, "prod-eu", "m1", time.Now()), wire.Subprotocol); err == nil || answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("a dial with the old key: %v, %v", answer, err)
		}
		m := w.openWith(newer)
		m.mustNext()
		w.handler.KeysChanged()
		m.mustNext()
	})
}

// TestAReportBehindAChangeOfKeysIsRefused is of a master that has dialed before the keys
// changed, and asks afterwards.
func TestAReportBehindAChangeOfKeysIsRefused(t *testing.T) {
	_, newerPublic := newSigner(t)
	inBoundWorld(t, nil, func(_ *testing.T, w *world, s signer) {
		m := w.dialWith(s)
		w.cfg.Verifier.SetKeys(newerPublic)
		w.handler.KeysChanged()
		m.say(s.report(m.statement("m1", "s"), reportOf("m1")))
		m.wantRefused("")
	})
}

// TestBindingIsOffByTheAgentsOwnWordOnly: an agent with --channel-binding=off says so, and
// accepts signatures that hold for any connection, but none that is missing or replayed.
func TestBindingIsOffByTheAgentsOwnWordOnly(t *testing.T) {
	inBoundWorld(t, func(cfg *Config) { cfg.Unbound = true }, func(t *testing.T, w *world, s signer) {
		first := w.dialWith(s)
		if !first.hello.Unbound {
			t.Error("it does not say so")
		}
		first.channel = token.Unbound
		r := s.report(first.statement("m1", "s"), reportOf("m1"))
		first.say(r)
		first.granted()
		for _, r := range []*wire.SubscribeRequest{r, reportOf("m1")} {
			again := w.dialWith(s)
			again.say(r)
			again.wantRefused("")
		}
		first.mustNext()
	})
}

func TestAnAgentThatWantsBindingAnswersNoPlainConnection(t *testing.T) {
	s, public := newSigner(t)
	inWorld(t, func(cfg *Config) { cfg.Verifier = token.NewVerifier("prod-eu", public) }, func(t *testing.T, w *world) {
		w.ready()
		_, answer, err := w.get(bearer(t, s, "prod-eu", "m1", time.Now()), wire.Subprotocol)
		if err == nil || answer.StatusCode != http.StatusForbidden {
			t.Fatalf("%v, %v; want 403", answer, err)
		}
		words := make([]byte, 1<<10)
		n, _ := answer.Body.Read(words)
		if !strings.Contains(string(words[:n]), "--channel-binding=off") {
			t.Errorf("it says %q", words[:n])
		}
	})
}

// TestADialByAnotherClockGoesByANonceOnce is of masters whose clocks are an hour or a year
// off.
func TestADialByAnotherClockGoesByANonceOnce(t *testing.T) {
	for _, skew := range []time.Duration{-365 * 24 * time.Hour, -time.Hour, time.Hour, 365 * 24 * time.Hour} {
		inBoundWorld(t, nil, func(t *testing.T, w *world, s signer) {
			nonce := func() string {
				t.Helper()
				_, answer, err := w.get(bearer(t, s, "prod-eu", "m1", time.Now().Add(skew)), wire.Subprotocol)
				if err == nil || answer.StatusCode != http.StatusUnauthorized || answer.Header.Get(wire.NonceHeader) == "" {
					t.Fatalf("%s: %v, %v; want 401 with a nonce", skew, answer, err)
				}
				return answer.Header.Get(wire.NonceHeader)
			}
			dial := func(nonce string) (*websocket.Conn, *http.Response, error) {
				signed, err := s.SignNonce("prod-eu", "m1", nonce)
				if err != nil {
					t.Fatal(err)
				}
				return w.get(http.Header{"Authorization": {"Bearer " + signed}}, wire.Subprotocol)
			}
			first := nonce()
			conn, response, err := dial(first)
			if err != nil {
				t.Fatalf("%s: %v", skew, err)
			}
			m := w.meet(conn)
			m.channel, _ = token.ChannelOf(response.TLS)
			m.say(s.report(m.statement("m1", "s"), reportOf("m1")))
			m.granted()
			m.mustNext()
			late := nonce()
			if _, answer, err := dial(first); err == nil || answer.Header.Get(wire.NonceHeader) != "" {
				t.Errorf("%s: the nonce again: %v, %v", skew, answer, err)
			}
			m.say(&wire.Stop{})
			m.wantEnd(wire.EndStopped)
			<-time.After(token.Lifetime)
			if _, answer, err := dial(late); err == nil || answer.StatusCode != http.StatusUnauthorized || answer.Header.Get(wire.NonceHeader) != "" {
				t.Errorf("%s: a nonce that has expired: %v, %v", skew, answer, err)
			}
		})
	}
}

func TestTLS12IsRefusedByTheAgent(t *testing.T) {
	inBoundWorld(t, nil, func(t *testing.T, w *world, _ signer) {
		conn, err := w.listener.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		err = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}).HandshakeContext(t.Context())
		if err == nil || !strings.Contains(err.Error(), "protocol version") {
			t.Errorf("%v, want that there is no version in common", err)
		}
	})
}

func TestAnAgentWithoutKeysNamesNoNonce(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		m := w.open("m1", time.Second, time.Minute)
		if m.hello.Nonce != nil || m.hello.Unbound || m.grant.Nonce != nil {
			t.Errorf("hello %+v, granted %+v; want no nonces", m.hello, m.grant)
		}
	})
}
