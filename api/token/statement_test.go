package token

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"
)

func statement(edit func(*Statement)) Statement {
	s := Statement{Domain: DomainSubscribe, Cluster: "prod-eu", MasterID: "m1", Session: "s1", Nonce: bytes.Repeat([]byte{7}, NonceSize), Channel: "channel"}
	if edit != nil {
		edit(&s)
	}
	return s
}

// TestSignatureIsValidForItsStatementOnly changes each field of a Statement, and moves text from one
// field to the next.
func TestSignatureIsValidForItsStatementOnly(t *testing.T) {
	key, public := newKey(t)
	v := NewVerifier("prod-eu", public)
	signature := NewSigner(key).SignStatement(statement(nil))
	if signer, err := v.VerifyStatement(statement(nil), signature); err != nil || !signer.Equal(public) {
		t.Fatalf("its own: %v", err)
	}
	for name, edit := range map[string]func(*Statement){
		"a summary":                     func(s *Statement) { s.Domain = DomainSummary },
		"a renewal":                     func(s *Statement) { s.Domain = DomainRenew },
		"another cluster":               func(s *Statement) { s.Cluster = "prod-us" },
		"an owner":                      func(s *Statement) { s.Domain = DomainOwner },
		"a term":                        func(s *Statement) { s.Term = 1 },
		"another master ID":             func(s *Statement) { s.MasterID = "m2" },
		"another session":               func(s *Statement) { s.Session = "s2" },
		"another nonce":                 func(s *Statement) { s.Nonce = bytes.Repeat([]byte{8}, NonceSize) },
		"a longer nonce":                func(s *Statement) { s.Nonce = append(s.Nonce, 0) },
		"no nonce":                      func(s *Statement) { s.Nonce = nil },
		"another connection":            func(s *Statement) { s.Channel = "other" },
		"no connection":                 func(s *Statement) { s.Channel = Unbound },
		"a character in the next field": func(s *Statement) { s.Cluster, s.MasterID = "prod-e", "um1" },
		"an empty master ID":            func(s *Statement) { s.MasterID, s.Session = "", "m1s1" },
		"a nonce in the session":        func(s *Statement) { s.Session, s.Nonce = s.Session+string(s.Nonce), nil },
	} {
		if _, err := v.VerifyStatement(statement(edit), signature); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: err = %v, want %v", name, err, ErrSignature)
		}
	}
	for name, spoiled := range map[string][]byte{"none": nil, "short": signature[:63], "long": append(bytes.Clone(signature), 0), "zeros": make([]byte, SignatureSize)} {
		if _, err := v.VerifyStatement(statement(nil), spoiled); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: err = %v, want %v", name, err, ErrSignature)
		}
	}
}

func TestSetKeys(t *testing.T) {
	oldKey, oldPublic := newKey(t)
	newerKey, newerPublic := newKey(t)
	v := NewVerifier("prod-eu", oldPublic)
	signed := func(key ed25519.PrivateKey) []byte { return NewSigner(key).SignStatement(statement(nil)) }
	for _, step := range []struct {
		keys         []ed25519.PublicKey
		changed      bool
		older, newer error
	}{
		{[]ed25519.PublicKey{oldPublic}, false, nil, ErrSignature},
		{[]ed25519.PublicKey{oldPublic, newerPublic}, true, nil, nil},
		{[]ed25519.PublicKey{newerPublic}, true, ErrSignature, nil},
		{nil, true, ErrSignature, ErrSignature},
	} {
		if changed := v.SetKeys(step.keys...); changed != step.changed {
			t.Errorf("SetKeys of %d keys says %v, want %v", len(step.keys), changed, step.changed)
		}
		for _, which := range []struct {
			key    ed25519.PrivateKey
			public ed25519.PublicKey
			want   error
		}{{oldKey, oldPublic, step.older}, {newerKey, newerPublic, step.newer}} {
			_, err := v.VerifyStatement(statement(nil), signed(which.key))
			if !errors.Is(err, which.want) || v.Accepts(which.public) != (which.want == nil) {
				t.Errorf("of %d keys: err = %v, want %v", len(step.keys), err, which.want)
			}
			if _, err := v.Verify(sign(t, which.key, "prod-eu", "m", now), now); (err == nil) != (which.want == nil) {
				t.Errorf("a token, of %d keys: %v", len(step.keys), err)
			}
		}
	}
}

// FuzzStatement checks that two Statements have the same encoding only if they are equal.
func FuzzStatement(f *testing.F) {
	f.Add("prod-eu", "m1", "s1", []byte("n"), uint64(0), "prod-e", "um1", "s1", []byte("n"), uint64(1))
	f.Add("", "", "", []byte{}, uint64(1), "", "", "", []byte{0}, uint64(1))
	f.Add("a", "\x00\x00\x00\x01b", "", []byte{}, uint64(0), "a", "b", "", []byte{}, uint64(0))
	f.Fuzz(func(t *testing.T, cluster, masterID, session string, nonce []byte, term uint64, cluster2, holder2, session2 string, nonce2 []byte, term2 uint64) {
		a := Statement{Domain: DomainSubscribe, Cluster: cluster, MasterID: masterID, Session: session, Nonce: nonce, Channel: Unbound, Term: term}
		b := Statement{Domain: DomainSubscribe, Cluster: cluster2, MasterID: holder2, Session: session2, Nonce: nonce2, Channel: Unbound, Term: term2}
		same := cluster == cluster2 && masterID == holder2 && session == session2 && bytes.Equal(nonce, nonce2) && term == term2
		if bytes.Equal(a.encode(), b.encode()) != same {
			t.Errorf("%+v and %+v: one encoding, want %v", a, b, same)
		}
	})
}

// handshake returns the states of both ends of a new TLS connection.
func handshake(t *testing.T, version uint16) (client, server tls.ConnectionState) {
	t.Helper()
	key, public := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(nil, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	s := tls.Server(there, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MaxVersion: version, SessionTicketsDisabled: true})
	done := make(chan error, 1)
	go func() { done <- s.HandshakeContext(t.Context()) }()
	c := tls.Client(here, &tls.Config{InsecureSkipVerify: true})
	if err := errors.Join(c.HandshakeContext(t.Context()), <-done); err != nil {
		t.Fatal(err)
	}
	return c.ConnectionState(), s.ConnectionState()
}

func TestChannelIsEqualAtBothEndsOnly(t *testing.T) {
	seen := map[Channel]bool{Unbound: true}
	for range 3 {
		client, server := handshake(t, tls.VersionTLS13)
		here, err := ChannelOf(&client)
		if err != nil {
			t.Fatal(err)
		}
		there, err := ChannelOf(&server)
		if err != nil || here != there || len(here) != exporterSize {
			t.Errorf("%x and %x, %v", here, there, err)
		}
		if seen[here] {
			t.Error("two connections have one channel")
		}
		seen[here] = true
	}
}

func TestChannelRequiresTLS13(t *testing.T) {
	client, server := handshake(t, tls.VersionTLS12)
	for _, state := range []*tls.ConnectionState{&client, &server} {
		if _, err := ChannelOf(state); !errors.Is(err, ErrOldTLS) {
			t.Errorf("TLS 1.2: %v, want %v", err, ErrOldTLS)
		}
	}
	for _, state := range []*tls.ConnectionState{nil, {}, {Version: tls.VersionTLS13}} {
		if _, err := ChannelOf(state); !errors.Is(err, ErrNoTLS) {
			t.Errorf("no TLS: %v, want %v", err, ErrNoTLS)
		}
	}
}
