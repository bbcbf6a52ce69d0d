package token

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func signNonce(t *testing.T, s *Signer, cluster, nonce string) string {
	t.Helper()
	signed, err := s.SignNonce(cluster, "master-1", nonce)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// TestNonceTokenIgnoresClockSkew has clocks that differ by an hour or a year. Only the agent's own
// clock counts.
func TestNonceTokenIgnoresClockSkew(t *testing.T) {
	key, public := newKey(t)
	signer := NewSigner(key)
	for _, skew := range []time.Duration{-365 * 24 * time.Hour, -time.Hour, 0, time.Hour, 365 * 24 * time.Hour} {
		v := NewVerifier("prod-eu", public)
		agents := now.Add(skew)
		first := signNonce(t, signer, "prod-eu", v.Nonce(agents))
		if masterID, err := v.Verify(first, agents.Add(Lifetime-time.Second)); err != nil || masterID != "master-1" {
			t.Errorf("%s: %q, %v", skew, masterID, err)
		}
		if _, err := v.Verify(first, agents.Add(Lifetime-time.Second)); !errors.Is(err, ErrReplayed) {
			t.Errorf("%s: again: %v, want %v", skew, err, ErrReplayed)
		}
		late := signNonce(t, signer, "prod-eu", v.Nonce(agents))
		if _, err := v.Verify(late, agents.Add(Lifetime)); !errors.Is(err, ErrInvalid) || IsTimeError(err) {
			t.Errorf("%s: too late: %v, want %v, which no other nonce mends", skew, err, ErrInvalid)
		}
	}
}

func TestNonceIsValidOnce(t *testing.T) {
	key, public := newKey(t)
	v := NewVerifier("prod-eu", public)
	nonce := v.Nonce(now)
	if _, err := v.Verify(signNonce(t, NewSigner(key), "prod-eu", nonce), now); err != nil {
		t.Fatal(err)
	}
	another, err := NewSigner(key).SignNonce("prod-eu", "master-2", nonce)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(another, now); !errors.Is(err, ErrReplayed) {
		t.Errorf("err = %v, want %v", err, ErrReplayed)
	}
}

func TestForeignNonceIsRefused(t *testing.T) {
	key, public := newKey(t)
	otherKey, _ := newKey(t)
	v := NewVerifier("prod-eu", public)
	nonce := v.Nonce(now)
	for name, signed := range map[string]string{
		"of another agent":         signNonce(t, NewSigner(key), "prod-eu", NewVerifier("prod-eu", public).Nonce(now)),
		"changed":                  signNonce(t, NewSigner(key), "prod-eu", "A"+nonce[1:]+"A"),
		"with another MAC":         signNonce(t, NewSigner(key), "prod-eu", nonce[:len(nonce)-4]+"AAAA"),
		"arbitrary":                signNonce(t, NewSigner(key), "prod-eu", "x"),
		"as long as it may be":     signNonce(t, NewSigner(key), "prod-eu", strings.Repeat("x", MaxNonce)),
		"signed by an unknown key": signNonce(t, NewSigner(otherKey), "prod-eu", nonce),
		"for another cluster":      signNonce(t, NewSigner(key), "prod-us", nonce),
		"as a claim beside exp":    claiming(t, NewSigner(key), jwt.MapClaims{"aud": "rollcall-agent:prod-eu", "sub": "m", "nonce": nonce, "jti": "x"}),
		"without a master ID":      claiming(t, NewSigner(key), jwt.MapClaims{"aud": "rollcall-agent-nonce:prod-eu", "nonce": nonce}),
		"that is a list":           claiming(t, NewSigner(key), jwt.MapClaims{"aud": "rollcall-agent-nonce:prod-eu", "sub": "m", "nonce": []string{nonce}}),
		"for both, and no nonce":   claiming(t, NewSigner(key), jwt.MapClaims{"aud": []string{"rollcall-agent-nonce:prod-eu", "rollcall-agent:prod-eu"}, "sub": "m", "jti": "x"}),
	} {
		if _, err := v.Verify(signed, now); err == nil || IsTimeError(err) {
			t.Errorf("%s: err = %v, want a refusal that is no time trouble", name, err)
		}
	}
	if _, err := v.Verify(signNonce(t, NewSigner(key), "prod-eu", nonce), now); err != nil {
		t.Errorf("the nonce itself: %v", err)
	}
}

func claiming(t *testing.T, s *Signer, c jwt.MapClaims) string {
	t.Helper()
	signed, err := s.sign("prod-eu", c)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestSignNonceChecksTheNonce(t *testing.T) {
	key, _ := newKey(t)
	for _, nonce := range []string{"", "a b", "a\n", "\x00", "é", "a.b", "\"", strings.Repeat("a", MaxNonce+1), strings.Repeat("a", 1<<20)} {
		if signed, err := NewSigner(key).SignNonce("prod-eu", "m", nonce); err == nil {
			t.Errorf("a nonce of %d bytes is signed: %s", len(nonce), signed)
		}
	}
}

// TestUnusedNoncesTakeNoMemory requests many nonces, as a client can with one expired token.
func TestUnusedNoncesTakeNoMemory(t *testing.T) {
	_, public := newKey(t)
	v := NewVerifier("prod-eu", public)
	seen := map[string]bool{}
	for range 1000 {
		seen[v.Nonce(now)] = true
	}
	if len(seen) != 1000 || len(v.replays.used) != 0 {
		t.Errorf("%d different nonces, %d remembered; want 1000 and 0", len(seen), len(v.replays.used))
	}
}
