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

	"rollcall.dev/rollcall/master/session/dial"

	"github.com/golang-jwt/jwt/v5"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/egress"
)

// testCert is a self-signed certificate for a name.
type testCert struct {
	pair tls.Certificate
	pem  []byte
	pin  string
}

func newTestCert(t *testing.T, name string) testCert {
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
	return testCert{
		pair: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private},
		pem:  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pin: hex.EncodeToString(sum[:]),
	}
}

// addTLSCluster registers a cluster with an agent behind dial.TLS, and with the given trust.
func (m *testMaster) addTLSCluster(name string, cert testCert, trust dial.TLS) *fakeAgent {
	a := newFakeAgent(m.t, name, func(l net.Listener) net.Listener {
		return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert.pair}})
	})
	m.mu.Lock()
	m.agents[name] = a
	m.mu.Unlock()
	m.register(name, func(c *Cluster) { c.Endpoint, c.TLS = "wss://"+name+":7443", trust })
	return a
}

func TestCertificatesAreVerifiedByBundleNameAndPins(t *testing.T) {
	wrong := strings.Repeat("ab", 32)
	for name, tc := range map[string]struct {
		trust func(cert testCert) dial.TLS
		fails bool
		text  string
	}{
		"a pin without a bundle":    {trust: func(cert testCert) dial.TLS { return dial.TLS{PinnedSHA256: []string{cert.pin}} }},
		"one of several pins":       {trust: func(cert testCert) dial.TLS { return dial.TLS{PinnedSHA256: []string{wrong, cert.pin}} }},
		"a wrong pin":               {trust: func(testCert) dial.TLS { return dial.TLS{PinnedSHA256: []string{wrong}} }, fails: true, text: "its SHA-256 is "},
		"a bundle and the name":     {trust: func(cert testCert) dial.TLS { return dial.TLS{CABundle: cert.pem, ServerName: "agent.example"} }},
		"a bundle and another name": {trust: func(cert testCert) dial.TLS { return dial.TLS{CABundle: cert.pem} }, fails: true, text: "agent.example"},
		"a bundle and the pin": {trust: func(cert testCert) dial.TLS {
			return dial.TLS{CABundle: cert.pem, ServerName: "agent.example", PinnedSHA256: []string{cert.pin}}
		}},
		"a bundle and a wrong pin": {trust: func(cert testCert) dial.TLS {
			return dial.TLS{CABundle: cert.pem, ServerName: "agent.example", PinnedSHA256: []string{wrong}}
		}, fails: true, text: "not pinned"},
		"a pin with another name": {trust: func(cert testCert) dial.TLS { return dial.TLS{CABundle: cert.pem, PinnedSHA256: []string{cert.pin}} }, fails: true},
		"another bundle": {trust: func(testCert) dial.TLS {
			return dial.TLS{CABundle: newTestCert(t, "x").pem, ServerName: "agent.example"}
		}, fails: true},
		"the system's CAs": {trust: func(testCert) dial.TLS { return dial.TLS{ServerName: "agent.example"} }, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			withMaster(t, func(t *testing.T, m *testMaster) {
				cert := newTestCert(t, "agent.example")
				a := m.addTLSCluster("a", cert, tc.trust(cert))
				if !tc.fails {
					m.get("a")
					return
				}
				m.wantUnreachable("a", dial.CertificateRefused, "wss://a:7443", tc.text)
				upgrades, _, _, _ := a.counts()
				wantEqual(t, "upgrades", upgrades, 0)
			}, func(m *testMaster) { m.config.Insecure = false })
		})
	}
}

func TestOnlyTLS13IsAccepted(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		cert := newTestCert(t, "agent.example")
		a := newFakeAgent(m.t, "a", func(l net.Listener) net.Listener {
			return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert.pair}, MaxVersion: tls.VersionTLS12})
		})
		m.agents["a"] = a
		m.register("a", func(c *Cluster) { c.Endpoint, c.TLS = "wss://a:7443", dial.TLS{PinnedSHA256: []string{cert.pin}} })
		m.wantUnreachable("a", dial.DialFailed, "wss://a:7443", "TLS 1.3")
		upgrades, _, _, _ := a.counts()
		wantEqual(t, "upgrades", upgrades, 0)
	}, func(m *testMaster) { m.config.Insecure = false })
}

// verifyTokens makes an agent verify tokens, with a clock that is ahead by skew.
func verifyTokens(a *fakeAgent, verifier *token.Verifier, skew *time.Duration, tokens *[]string) {
	a.admit = func(w http.ResponseWriter, r *http.Request) bool {
		bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		now := time.Now().Add(*skew)
		a.update(func() { *tokens = append(*tokens, bearer) })
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		if _, err := verifier.Verify(bearer, now); err != nil {
			if token.IsTimeError(err) {
				w.Header().Set(wire.NonceHeader, verifier.Nonce(now))
			}
			w.Header().Set("WWW-Authenticate", `Bearer realm="rollcall"`)
			w.Header().Set(wire.ProtocolHeader, "3-4")
			w.WriteHeader(http.StatusUnauthorized)
			return false
		}
		return true
	}
}

// TestClocksMayDiffer runs agents whose clocks differ by an hour or a year. The second token of a dial has a
// nonce instead of times.
func TestClocksMayDiffer(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const year = 365 * 24 * time.Hour
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		var skew time.Duration
		var tokens []string
		verifyTokens(a, token.NewVerifier("a", public), &skew, &tokens)

		m.get("a")
		wantEqual(t, "tokens", len(tokens), 1)
		m.wantReason("a", Succeeded)
		for _, skew = range []time.Duration{-year, -time.Hour, -2 * time.Minute, 2 * time.Minute, time.Hour, year} {
			tokens = nil
			m.advance(20 * time.Second)
			m.get("a")
			wantEqual(t, "tokens, the second one with a nonce", len(tokens), 2)
			status := m.wantReason("a", ClockSkew)
			wantEqual(t, "ready", status.Ready.String(), "True")
			if !strings.Contains(status.Message, (dial.ClockSkew{Detected: true, Ahead: skew}).String()) {
				t.Errorf("message is %q, want it to contain %q", status.Message, (dial.ClockSkew{Detected: true, Ahead: skew}).String())
			}
		}
		skew, tokens = 0, nil
		m.advance(20 * time.Second)
		m.get("a")
		wantEqual(t, "tokens after the clock was corrected", len(tokens), 1)
		m.wantReason("a", Succeeded)
	}, func(m *testMaster) { m.config.Signer = token.NewSigner(private) })
}

func TestClockSkewAndWrongKeysAreDistinguished(t *testing.T) {
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
		"another key":                         {key: other, reason: dial.Unauthorized, tries: 1},
		"another key and a clock that is off": {key: other, skew: -time.Minute, reason: dial.Unauthorized, tries: 1},
		"a clock that is slightly off":        {key: public, skew: 9 * time.Second, reason: Succeeded, tries: 1},
	} {
		t.Run(name, func(t *testing.T) {
			withMaster(t, func(t *testing.T, m *testMaster) {
				a := m.addCluster("a")
				var tokens []string
				verifyTokens(a, token.NewVerifier("a", tc.key), &tc.skew, &tokens)
				_, err := m.await("a", 5*time.Second)
				if (err == nil) != (tc.reason == Succeeded) {
					t.Errorf("got %v", err)
				}
				m.wantReason("a", tc.reason)
				wantEqual(t, "dials", len(tokens), tc.tries)
			}, func(m *testMaster) { m.config.Signer = token.NewSigner(private) })
		})
	}
}

// TestRefusalByAnotherProtocolVersionIsDetected checks agents of other protocol versions, which refuse the
// token before they send Hello.
func TestRefusalByAnotherProtocolVersionIsDetected(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		header http.Header
		reason Reason
		text   string
	}{
		"an agent before protocol 3": {http.Header{"Www-Authenticate": {`Bearer realm="rollcall", error="invalid_token"`}}, dial.ProtocolUnsupported, "update the agent"},
		"a newer agent":              {http.Header{"Www-Authenticate": {`Bearer realm="rollcall"`}, wire.ProtocolHeader: {"7-9"}}, dial.ProtocolUnsupported, "7 to 9"},
		"an agent of this protocol":  {http.Header{"Www-Authenticate": {`Bearer realm="rollcall"`}, wire.ProtocolHeader: {"3-4"}}, dial.Unauthorized, "--signing-key-file"},
		"another server":             {http.Header{"Www-Authenticate": {`Basic realm="ingress"`}}, dial.Unauthorized, "--signing-key-file"},
		"an invalid protocol":        {http.Header{wire.ProtocolHeader: {"x"}}, dial.Unauthorized, "--signing-key-file"},
	} {
		t.Run(name, func(t *testing.T) {
			withMaster(t, func(t *testing.T, m *testMaster) {
				m.addCluster("a").admit = func(w http.ResponseWriter, _ *http.Request) bool {
					for name, values := range tc.header {
						w.Header()[name] = values
					}
					w.WriteHeader(http.StatusUnauthorized)
					return false
				}
				m.wantUnreachable("a", tc.reason, tc.text)
				wantEqual(t, "dials", m.dials("a"), 1)
			}, func(m *testMaster) { m.config.Signer = token.NewSigner(private) })
		})
	}
}

func TestRefusalByAnotherClusterNamesBoth(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		skew      time.Duration
		refusedBy string
		reason    Reason
		texts     []string
	}{
		"its name":                       {refusedBy: "prod-us", reason: dial.WrongCluster, texts: []string{`belongs to the cluster "prod-us"`, `named "a"`, "--cluster-name a"}},
		"its name, and the clock is off": {refusedBy: "prod-us", skew: time.Hour, reason: dial.WrongCluster, texts: []string{`"prod-us"`}},
		"an invalid name":                {refusedBy: "x\" y", reason: dial.WrongCluster, texts: []string{`"x\" y"`}},
		"a name that is too long":        {refusedBy: strings.Repeat("x", 1000), reason: dial.Unauthorized},
		"no name":                        {reason: dial.Unauthorized, texts: []string{"public key"}},
	} {
		t.Run(name, func(t *testing.T) {
			withMaster(t, func(t *testing.T, m *testMaster) {
				a := m.addCluster("a")
				verifier := token.NewVerifier("prod-us", public)
				a.admit = func(w http.ResponseWriter, r *http.Request) bool {
					_, err := verifier.Verify(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), time.Now())
					if !errors.Is(err, token.ErrWrongAudience) {
						t.Errorf("verify: %v", err)
					}
					w.Header().Set("Date", time.Now().Add(tc.skew).UTC().Format(http.TimeFormat))
					if tc.refusedBy != "" {
						w.Header().Set(wire.ClusterNameHeader, tc.refusedBy)
					}
					w.WriteHeader(http.StatusUnauthorized)
					return false
				}
				m.wantUnreachable("a", tc.reason, tc.texts...)
				wantEqual(t, "dials", m.dials("a"), 1)
			}, func(m *testMaster) { m.config.Signer = token.NewSigner(private) })
		})
	}
}

func TestNoTokenWithoutASigner(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		a.admit = func(w http.ResponseWriter, r *http.Request) bool {
			if h := r.Header.Get("Authorization"); h != "" {
				t.Errorf("Authorization: %s", h)
			}
			w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusUnauthorized)
			return false
		}
		m.wantUnreachable("a", dial.Unauthorized)
		wantEqual(t, "dials", m.dials("a"), 1)
	})
}

// TestTokensDoNotUseTimesFromThePeer simulates an endpoint that collects tokens for later use: it refuses
// each token, claims another time and sends nonces. It must only get tokens that are valid by the master's
// clock, or that have a nonce and no times.
func TestTokensDoNotUseTimesFromThePeer(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, claimed := range []time.Duration{10 * 365 * 24 * time.Hour, 24 * time.Hour, time.Minute, 0, -time.Minute, -10 * 365 * 24 * time.Hour} {
		for nonce, tokens := range map[string]int{
			"": 1, "anything": 2, "A_nonce-of-64-letters" + strings.Repeat("x", 43): 2,
			"a nonce": 1, "\"}": 1, strings.Repeat("x", token.MaxNonce+1): 1, strings.Repeat("x", 8<<10): 1,
		} {
			withMaster(t, func(t *testing.T, m *testMaster) {
				a := m.addCluster("a")
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
					a.update(func() { collected++ })
					w.Header().Set("Date", time.Now().Add(claimed).UTC().Format(http.TimeFormat))
					w.Header()[wire.NonceHeader] = []string{nonce}
					w.WriteHeader(http.StatusUnauthorized)
					return false
				}
				if _, err := m.await("a", time.Second); err == nil {
					t.Error("got a report, want a refusal")
				}
				wantEqual(t, "tokens for "+claimed.String(), collected, tokens)
			}, func(m *testMaster) { m.config.Signer = token.NewSigner(private) })
		}
	}
}

func TestOnlyTheConfiguredProxyIsUsed(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a")
		m.get("a")
		wantEqual(t, "dials of the environment's proxy", m.dials("proxy-of-the-environment"), 0)
	})
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a")
		m.wantUnreachable("a", dial.DialFailed)
		wantEqual(t, "dials of the named proxy", m.dials("proxy"), 1)
		wantEqual(t, "dials of the agent", m.dials("a"), 0)
	}, func(m *testMaster) { m.config.Proxy = &url.URL{Scheme: "http", Host: "proxy:3128"} })
}

// TestForbiddenAddressesAreNamedInTheCondition checks endpoints that probe the master's network.
func TestForbiddenAddressesAreNamedInTheCondition(t *testing.T) {
	policy := &egress.Policy{}
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.register("a", func(c *Cluster) { c.Endpoint = "ws://169.254.169.254:80" })
		m.wantUnreachable("a", dial.DialFailed, "169.254.169.254", "link-local", "must not be dialed")
	}, func(m *testMaster) {
		m.config.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if err := policy.Control(ctx, network, address, nil); err != nil {
				return nil, &net.OpError{Op: "dial", Net: network, Err: err}
			}
			t.Errorf("%s would be dialed", address)
			return nil, errors.New("dialed")
		}
	})
}
