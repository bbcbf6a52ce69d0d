package session

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/egress"
)

// identity is a certificate for a name, signed by itself.
type identity struct {
	pair tls.Certificate
	pem  []byte
	pin  string
}

func newIdentity(t *testing.T, name string) identity {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return identity{
		pair: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private},
		pem:  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pin: hex.EncodeToString(sum[:]),
	}
}

// secure is an agent behind TLS, registered with that trust.
func (s *stage) secure(name string, id identity, trust TLS) *agent {
	a := newAgent(s.t, name, func(l net.Listener) net.Listener {
		return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{id.pair}})
	})
	s.mu.Lock()
	s.agents[name] = a
	s.mu.Unlock()
	s.register(name, func(c *Cluster) { c.Endpoint, c.TLS = "wss://"+name+":7443", trust })
	return a
}

func TestCertificatesAreHeldAgainstBundleNameAndPins(t *testing.T) {
	wrong := strings.Repeat("ab", 32)
	for name, tc := range map[string]struct {
		trust func(id identity) TLS
		fails bool
		words string
	}{
		"a pin alone is the trust":  {trust: func(id identity) TLS { return TLS{PinnedSHA256: []string{id.pin}} }},
		"one of several pins":       {trust: func(id identity) TLS { return TLS{PinnedSHA256: []string{wrong, id.pin}} }},
		"a wrong pin":               {trust: func(identity) TLS { return TLS{PinnedSHA256: []string{wrong}} }, fails: true, words: "its SHA-256 is "},
		"a bundle and the name":     {trust: func(id identity) TLS { return TLS{CABundle: id.pem, ServerName: "agent.example"} }},
		"a bundle and another name": {trust: func(id identity) TLS { return TLS{CABundle: id.pem} }, fails: true, words: "agent.example"},
		"a bundle and the pin": {trust: func(id identity) TLS {
			return TLS{CABundle: id.pem, ServerName: "agent.example", PinnedSHA256: []string{id.pin}}
		}},
		"a bundle and a wrong pin": {trust: func(id identity) TLS {
			return TLS{CABundle: id.pem, ServerName: "agent.example", PinnedSHA256: []string{wrong}}
		}, fails: true, words: "not pinned"},
		"a pin does not make up for another name": {trust: func(id identity) TLS { return TLS{CABundle: id.pem, PinnedSHA256: []string{id.pin}} }, fails: true},
		"another bundle":         {trust: func(identity) TLS { return TLS{CABundle: newIdentity(t, "x").pem, ServerName: "agent.example"} }, fails: true},
		"the host's authorities": {trust: func(identity) TLS { return TLS{ServerName: "agent.example"} }, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			act(t, func(t *testing.T, s *stage) {
				id := newIdentity(t, "agent.example")
				a := s.secure("a", id, tc.trust(id))
				if !tc.fails {
					s.get("a")
					return
				}
				s.wantUnreachable("a", CertificateRefused, "wss://a:7443", tc.words)
				upgrades, _, _, _ := a.seen()
				want(t, "upgrades", upgrades, 0)
			}, func(s *stage) { s.config.Insecure = false })
		})
	}
}

func TestOnlyTLS13IsSpokenToAgents(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		id := newIdentity(t, "agent.example")
		a := newAgent(s.t, "a", func(l net.Listener) net.Listener {
			return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{id.pair}, MaxVersion: tls.VersionTLS12})
		})
		s.agents["a"] = a
		s.register("a", func(c *Cluster) { c.Endpoint, c.TLS = "wss://a:7443", TLS{PinnedSHA256: []string{id.pin}} })
		s.wantUnreachable("a", DialFailed, "wss://a:7443", "TLS 1.3")
		upgrades, _, _, _ := a.seen()
		want(t, "upgrades", upgrades, 0)
	}, func(s *stage) { s.config.Insecure = false })
}

// guarded has an agent check tokens by a clock of its own, which is ahead by skew.
func guarded(a *agent, verifier *token.Verifier, skew *time.Duration, tokens *[]string) {
	a.admit = func(w http.ResponseWriter, r *http.Request) bool {
		bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		now := time.Now().Add(*skew)
		a.count(func() { *tokens = append(*tokens, bearer) })
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		if _, err := verifier.Verify(bearer, now); err != nil {
			if token.IsTimeError(err) {
				w.Header().Set(wire.NonceHeader, verifier.Nonce(now))
			}
			w.Header().Set("WWW-Authenticate", `Bearer realm="rollcall"`)
			w.Header().Set(wire.ProtocolHeader, "3-3")
			w.WriteHeader(http.StatusUnauthorized)
			return false
		}
		return true
	}
}

// TestClocksMayDifferByAnyTime is of agents and masters whose clocks are an hour or a year
// apart: a dial goes by a nonce of the agent's.
func TestClocksMayDifferByAnyTime(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const year = 365 * 24 * time.Hour
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		var skew time.Duration
		var tokens []string
		guarded(a, token.NewVerifier("a", public), &skew, &tokens)

		s.get("a")
		want(t, "tokens", len(tokens), 1)
		s.wantReason("a", Succeeded)
		for _, skew = range []time.Duration{-year, -time.Hour, -2 * time.Minute, 2 * time.Minute, time.Hour, year} {
			tokens = nil
			s.pass(20 * time.Second)
			s.get("a")
			want(t, "tokens, the second of them for a nonce", len(tokens), 2)
			o := s.wantReason("a", ClockSkew)
			want(t, "ready", o.Ready.String(), "True")
			if !strings.Contains(o.Message, clockSkew{true, skew}.describe()) {
				t.Errorf("told %q, want it to say that %s", o.Message, clockSkew{true, skew}.describe())
			}
		}
		skew, tokens = 0, nil
		s.pass(20 * time.Second)
		s.get("a")
		want(t, "tokens after the clock was put right", len(tokens), 1)
		s.wantReason("a", Succeeded)
	}, func(s *stage) { s.config.Signer = token.NewSigner(private) })
}

func TestRefusedTokensAreToldApart(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		key    ed25519.PublicKey
		skew   time.Duration
		reason Reason
		tries  int
	}{
		"another key":                         {key: other, reason: Unauthorized, tries: 1},
		"another key and a clock that is off": {key: other, skew: -time.Minute, reason: Unauthorized, tries: 1},
		"a clock that is a little off":        {key: public, skew: 9 * time.Second, reason: Succeeded, tries: 1},
	} {
		t.Run(name, func(t *testing.T) {
			act(t, func(t *testing.T, s *stage) {
				a := s.cluster("a")
				var tokens []string
				guarded(a, token.NewVerifier("a", tc.key), &tc.skew, &tokens)
				_, err := s.await("a", 5*time.Second)
				if (err == nil) != (tc.reason == Succeeded) {
					t.Errorf("got %v", err)
				}
				s.wantReason("a", tc.reason)
				want(t, "tries", len(tokens), tc.tries)
			}, func(s *stage) { s.config.Signer = token.NewSigner(private) })
		})
	}
}

// TestAnAgentOfAnotherProtocolIsToldByItsRefusal is of peers whose tokens are others, so that
// they never come to their Hello.
func TestAnAgentOfAnotherProtocolIsToldByItsRefusal(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		header http.Header
		reason Reason
		words  string
	}{
		"an agent before protocol 3": {http.Header{"Www-Authenticate": {`Bearer realm="rollcall", error="invalid_token"`}}, ProtocolUnsupported, "update the agent"},
		"a newer agent":              {http.Header{"Www-Authenticate": {`Bearer realm="rollcall"`}, wire.ProtocolHeader: {"7-9"}}, ProtocolUnsupported, "7 to 9"},
		"an agent of this protocol":  {http.Header{"Www-Authenticate": {`Bearer realm="rollcall"`}, wire.ProtocolHeader: {"3-4"}}, Unauthorized, "--signing-key-file"},
		"somebody else":              {http.Header{"Www-Authenticate": {`Basic realm="ingress"`}}, Unauthorized, "--signing-key-file"},
		"a protocol that is none":    {http.Header{wire.ProtocolHeader: {"x"}}, Unauthorized, "--signing-key-file"},
	} {
		t.Run(name, func(t *testing.T) {
			act(t, func(t *testing.T, s *stage) {
				s.cluster("a").admit = func(w http.ResponseWriter, _ *http.Request) bool {
					for name, values := range tc.header {
						w.Header()[name] = values
					}
					w.WriteHeader(http.StatusUnauthorized)
					return false
				}
				s.wantUnreachable("a", tc.reason, tc.words)
				want(t, "dials", s.dialsOf("a"), 1)
			}, func(s *stage) { s.config.Signer = token.NewSigner(private) })
		})
	}
}

func TestAnAgentOfAnotherClusterIsToldWithBothNames(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		skew   time.Duration
		tells  string
		reason Reason
		words  []string
	}{
		"its name":                       {tells: "prod-us", reason: WrongCluster, words: []string{`belongs to the cluster "prod-us"`, `named "a"`, "--cluster-name a"}},
		"its name, and the clock is off": {tells: "prod-us", skew: time.Hour, reason: WrongCluster, words: []string{`"prod-us"`}},
		"a name that is none":            {tells: "x\" y", reason: WrongCluster, words: []string{`"x\" y"`}},
		"far too much":                   {tells: strings.Repeat("x", 1000), reason: Unauthorized},
		"nothing":                        {reason: Unauthorized, words: []string{"public key"}},
	} {
		t.Run(name, func(t *testing.T) {
			act(t, func(t *testing.T, s *stage) {
				a := s.cluster("a")
				verifier := token.NewVerifier("prod-us", public)
				a.admit = func(w http.ResponseWriter, r *http.Request) bool {
					_, err := verifier.Verify(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), time.Now())
					if !errors.Is(err, token.ErrWrongAudience) {
						t.Errorf("verify: %v", err)
					}
					w.Header().Set("Date", time.Now().Add(tc.skew).UTC().Format(http.TimeFormat))
					if tc.tells != "" {
						w.Header().Set(wire.ClusterNameHeader, tc.tells)
					}
					w.WriteHeader(http.StatusUnauthorized)
					return false
				}
				s.wantUnreachable("a", tc.reason, tc.words...)
				want(t, "dials", s.dialsOf("a"), 1)
			}, func(s *stage) { s.config.Signer = token.NewSigner(private) })
		})
	}
}

func TestNoTokenWithoutASigner(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		a.admit = func(w http.ResponseWriter, r *http.Request) bool {
			if h := r.Header.Get("Authorization"); h != "" {
				t.Errorf("Authorization: %s", h)
			}
			w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusUnauthorized)
			return false
		}
		s.wantUnreachable("a", Unauthorized)
		want(t, "dials", s.dialsOf("a"), 1)
	})
}

// TestNoTokenIsSignedForATimeThatTheOtherSideNames is the attack of an endpoint that collects
// tokens for later: it refuses each, claims another time, and names nonces. What it gets are
// tokens by the master's own clock, and such as claim one nonce and no time.
func TestNoTokenIsSignedForATimeThatTheOtherSideNames(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, claimed := range []time.Duration{10 * 365 * 24 * time.Hour, 24 * time.Hour, time.Minute, 0, -time.Minute, -10 * 365 * 24 * time.Hour} {
		for nonce, tokens := range map[string]int{
			"": 1, "anything": 2, "A_nonce-of-64-letters" + strings.Repeat("x", 43): 2,
			"a nonce": 1, "\"}": 1, strings.Repeat("x", token.MaxNonce+1): 1, strings.Repeat("x", 8<<10): 1,
		} {
			act(t, func(t *testing.T, s *stage) {
				a := s.cluster("a")
				collected := 0
				a.admit = func(w http.ResponseWriter, r *http.Request) bool {
					var claims jwt.MapClaims
					if _, _, err := jwt.NewParser().ParseUnverified(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), &claims); err != nil {
						t.Errorf("%s: %v", claimed, err)
					}
					expires, err := claims.GetExpirationTime()
					switch {
					case collected == 0 && (err != nil || expires == nil || time.Until(expires.Time) > token.Lifetime || claims["nonce"] != nil):
						t.Errorf("claimed %s: the first token is %v", claimed, claims)
					case collected == 1 && (claims["nonce"] != nonce || claims["exp"] != nil || claims["iat"] != nil || claims["nbf"] != nil || claims["aud"] != "rollcall-agent-nonce:a"):
						t.Errorf("claimed %s: the second token is %v", claimed, claims)
					}
					a.count(func() { collected++ })
					w.Header().Set("Date", time.Now().Add(claimed).UTC().Format(http.TimeFormat))
					w.Header()[wire.NonceHeader] = []string{nonce}
					w.WriteHeader(http.StatusUnauthorized)
					return false
				}
				if _, err := s.await("a", time.Second); err == nil {
					t.Error("it was answered")
				}
				want(t, "tokens for "+claimed.String(), collected, tokens)
			}, func(s *stage) { s.config.Signer = token.NewSigner(private) })
		}
	}
}

func TestAProxyIsUsedOnlyWhereItIsNamed(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.cluster("a")
		s.get("a")
		want(t, "dials of the environment's proxy", s.dialsOf("proxy-of-the-environment"), 0)
	})
	act(t, func(t *testing.T, s *stage) {
		s.cluster("a")
		s.wantUnreachable("a", DialFailed)
		want(t, "dials of the named proxy", s.dialsOf("proxy"), 1)
		want(t, "dials of the agent", s.dialsOf("a"), 0)
	}, func(s *stage) { s.config.Proxy = &url.URL{Scheme: "http", Host: "proxy:3128"} })
}

// TestAddressesThatMustNotBeDialedAreNamedInTheCondition is of endpoints that probe the
// master's network.
func TestAddressesThatMustNotBeDialedAreNamedInTheCondition(t *testing.T) {
	policy := &egress.Policy{}
	act(t, func(t *testing.T, s *stage) {
		s.register("a", func(c *Cluster) { c.Endpoint = "ws://169.254.169.254:80" })
		s.wantUnreachable("a", DialFailed, "169.254.169.254", "link-local", "must not be dialed")
	}, func(s *stage) {
		s.config.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if err := policy.Control(ctx, network, address, nil); err != nil {
				return nil, &net.OpError{Op: "dial", Net: network, Err: err}
			}
			t.Errorf("%s would be dialed", address)
			return nil, errors.New("dialed")
		}
	})
}
