package token

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func newKey(t *testing.T) (ed25519.PrivateKey, ed25519.PublicKey) {
	t.Helper()
	key, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key, key.Public().(ed25519.PublicKey)
}

func sign(t *testing.T, key ed25519.PrivateKey, cluster, masterID string, at time.Time) string {
	t.Helper()
	signed, err := NewSigner(key).Sign(cluster, masterID, at)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func claimsOf(edit func(*jwt.RegisteredClaims)) jwt.RegisteredClaims {
	c := jwt.RegisteredClaims{
		Audience: jwt.ClaimStrings{"rollcall-agent:prod-eu"}, Subject: "master-1", ID: "once",
		ExpiresAt: jwt.NewNumericDate(now.Add(Lifetime)),
	}
	if edit != nil {
		edit(&c)
	}
	return c
}

func TestVerifyReturnsMasterID(t *testing.T) {
	key, public := newKey(t)
	masterID, err := NewVerifier("prod-eu", public).Verify(sign(t, key, "prod-eu", "master-1", now), now)
	if err != nil || masterID != "master-1" {
		t.Fatalf("Verify = %q, %v; want master-1", masterID, err)
	}
}

func TestTokenLifetimeAndLeeway(t *testing.T) {
	key, public := newKey(t)
	for _, tc := range []struct {
		name string
		age  time.Duration
		want error
	}{
		{"as old as it may be", Lifetime + Leeway - time.Second, nil},
		{"too old", Lifetime + Leeway, ErrExpired},
		{"much too old", time.Hour, ErrExpired},
		{"as early as it may be", -Leeway, nil},
		{"from the future", -Leeway - time.Second, ErrNotYetValid},
		{"from far in the future", -time.Hour, ErrNotYetValid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := NewVerifier("prod-eu", public).Verify(sign(t, key, "prod-eu", "m", now), now.Add(tc.age))
			if !errors.Is(err, tc.want) {
				t.Fatalf("err = %v, want %v", err, tc.want)
			}
			if IsTimeError(err) != (tc.want != nil) {
				t.Errorf("TimeTrouble(%v) = %v", err, IsTimeError(err))
			}
		})
	}
}

func TestTokenForAnotherClusterIsRefused(t *testing.T) {
	key, public := newKey(t)
	for _, age := range []time.Duration{0, time.Hour} {
		_, err := NewVerifier("prod-eu", public).Verify(sign(t, key, "prod-us", "m", now), now.Add(age))
		if !errors.Is(err, ErrWrongAudience) || IsTimeError(err) {
			t.Errorf("%s old: err = %v, want %v and no time trouble", age, err, ErrWrongAudience)
		}
	}
}

// TestWrongAudienceRequiresKnownKey checks who learns the name of the cluster: only clients with a
// token of a known key.
func TestWrongAudienceRequiresKnownKey(t *testing.T) {
	key, public := newKey(t)
	unknownKey, _ := newKey(t)
	genuine := sign(t, key, "prod-us", "m", now)
	signature := genuine[strings.LastIndex(genuine, "."):]
	forged := sign(t, unknownKey, "prod-us", "m", now)
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, claimsOf(func(c *jwt.RegisteredClaims) { c.Audience = jwt.ClaimStrings{"rollcall-agent:prod-us"} })).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"another key": forged, "another key, with a signature of ours": forged[:strings.LastIndex(forged, ".")] + signature,
		"no signature": strings.TrimSuffix(genuine, signature) + ".", "no algorithm": none,
	} {
		if _, err := NewVerifier("prod-eu", public).Verify(text, now); errors.Is(err, ErrWrongAudience) || !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: err = %v, want %v", name, err, ErrInvalid)
		}
	}
}

func TestTokenOfAnotherAlgorithmIsRefused(t *testing.T) {
	_, public := newKey(t)
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, claimsOf(nil)).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	// In a known attack the public key is used as a shared secret.
	hmac, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claimsOf(nil)).SignedString([]byte(public))
	if err != nil {
		t.Fatal(err)
	}
	for name, forged := range map[string]string{"none": none, "HS256": hmac} {
		if _, err := NewVerifier("prod-eu", public).Verify(forged, now); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: err = %v, want %v", name, err, ErrInvalid)
		}
	}
}

func TestTokenOfUnknownKeyIsRefused(t *testing.T) {
	_, public := newKey(t)
	unknownKey, _ := newKey(t)
	forged := sign(t, unknownKey, "prod-eu", "m", now)
	if _, err := NewVerifier("prod-eu", public).Verify(forged, now.Add(time.Hour)); !errors.Is(err, ErrInvalid) || IsTimeError(err) {
		t.Errorf("err = %v, want %v and no time trouble", err, ErrInvalid)
	}
	if _, err := NewVerifier("prod-eu").Verify(forged, now); !errors.Is(err, ErrInvalid) {
		t.Errorf("without any key: err = %v, want %v", err, ErrInvalid)
	}
}

func TestKeyRotation(t *testing.T) {
	oldKey, oldPublic := newKey(t)
	newerKey, newerPublic := newKey(t)
	v := NewVerifier("prod-eu", oldPublic, newerPublic)
	for name, key := range map[string]ed25519.PrivateKey{"old": oldKey, "new": newerKey} {
		if _, err := v.Verify(sign(t, key, "prod-eu", "m", now), now); err != nil {
			t.Errorf("%s key: %v", name, err)
		}
	}
}

func TestTokenIsValidOnce(t *testing.T) {
	key, public := newKey(t)
	v := NewVerifier("prod-eu", public)
	signed := sign(t, key, "prod-eu", "m", now)
	if _, err := v.Verify(signed, now); err != nil {
		t.Fatal(err)
	}
	for age := time.Duration(0); age < Lifetime+Leeway; age += time.Second {
		if _, err := v.Verify(signed, now.Add(age)); !errors.Is(err, ErrReplayed) {
			t.Fatalf("used again after %s: err = %v, want %v", age, err, ErrReplayed)
		}
	}
	if _, err := v.Verify(signed, now.Add(Lifetime+Leeway)); !errors.Is(err, ErrExpired) {
		t.Fatalf("after its lifetime: err = %v, want %v", err, ErrExpired)
	}
}

func TestFullReplayCacheRefusesTokens(t *testing.T) {
	key, public := newKey(t)
	v := NewVerifier("prod-eu", public)
	v.replays.limit = 3
	for i := range 3 {
		if _, err := v.Verify(sign(t, key, "prod-eu", "m", now), now); err != nil {
			t.Fatalf("token %d: %v", i, err)
		}
	}
	if _, err := v.Verify(sign(t, key, "prod-eu", "m", now), now); !errors.Is(err, ErrTooManyTokens) {
		t.Fatalf("err = %v, want %v", err, ErrTooManyTokens)
	}
	later := now.Add(Lifetime + Leeway)
	if _, err := v.Verify(sign(t, key, "prod-eu", "m", later), later); err != nil {
		t.Fatalf("once the others have expired: %v", err)
	}
	if len(v.replays.used) != 1 || len(v.replays.order) != 1 {
		t.Errorf("remembers %d and %d tokens, want 1", len(v.replays.used), len(v.replays.order))
	}
}

// TestTokenOfAnOlderMasterIsAccepted uses a token from before protocol 3, with an iat and a longer
// jti. It is accepted so that the master learns from Hello that it is too old.
func TestTokenOfAnOlderMasterIsAccepted(t *testing.T) {
	key, public := newKey(t)
	signed, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claimsOf(func(c *jwt.RegisteredClaims) {
		c.IssuedAt, c.ID = jwt.NewNumericDate(now), "ABCDEFGHIJKLM"
	})).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	if masterID, err := NewVerifier("prod-eu", public).Verify(signed, now); err != nil || masterID != "master-1" {
		t.Errorf("Verify = %q, %v; want master-1", masterID, err)
	}
}

func TestLongLivedTokenIsRefused(t *testing.T) {
	key, public := newKey(t)
	v := NewVerifier("prod-eu", public)
	signed := sign(t, key, "prod-eu", "m", now.Add(365*24*time.Hour))
	for _, age := range []time.Duration{0, time.Hour, 364 * 24 * time.Hour} {
		if _, err := v.Verify(signed, now.Add(age)); !errors.Is(err, ErrNotYetValid) {
			t.Errorf("after %s: err = %v, want %v", age, err, ErrNotYetValid)
		}
	}
}

func TestRefusedTokenIsNotUsedUp(t *testing.T) {
	key, public := newKey(t)
	v := NewVerifier("prod-eu", public)
	signed := sign(t, key, "prod-eu", "m", now)
	if _, err := v.Verify(signed, now.Add(-time.Hour)); !errors.Is(err, ErrNotYetValid) {
		t.Fatal(err)
	}
	if _, err := v.Verify(signed, now); err != nil {
		t.Fatalf("in time: %v", err)
	}
}

func TestIncompleteTokenIsRefused(t *testing.T) {
	key, public := newKey(t)
	for name, edit := range map[string]func(*jwt.RegisteredClaims){
		"no exp":                              func(c *jwt.RegisteredClaims) { c.ExpiresAt = nil },
		"no audience":                         func(c *jwt.RegisteredClaims) { c.Audience = nil },
		"two audiences":                       func(c *jwt.RegisteredClaims) { c.Audience = append(c.Audience, "rollcall-agent:prod-us") },
		"an audience for nonces, without one": func(c *jwt.RegisteredClaims) { c.Audience = jwt.ClaimStrings{"rollcall-agent-nonce:prod-eu"} },
		"no master ID":                        func(c *jwt.RegisteredClaims) { c.Subject = "" },
		"long master ID":                      func(c *jwt.RegisteredClaims) { c.Subject = strings.Repeat("m", maxMasterID+1) },
		"no jti":                              func(c *jwt.RegisteredClaims) { c.ID = "" },
		"long jti":                            func(c *jwt.RegisteredClaims) { c.ID = strings.Repeat("1", maxID+1) },
	} {
		t.Run(name, func(t *testing.T) {
			signed, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claimsOf(edit)).SignedString(key)
			if err != nil {
				t.Fatal(err)
			}
			_, err = NewVerifier("prod-eu", public).Verify(signed, now)
			if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrWrongAudience) || IsTimeError(err) {
				t.Errorf("err = %v, want a refusal that is no time trouble", err)
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	key, err := GenerateKey()
	if err != nil {
		f.Fatal(err)
	}
	signed, err := NewSigner(key).Sign("prod-eu", "m", now)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", ".", "..", "a.b.c", signed, signed + ".", strings.ToUpper(signed), strings.Repeat("a", maxToken+1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := NewVerifier("prod-eu", key.Public().(ed25519.PublicKey)).Verify(text, now)
		if (err == nil) != (text == signed) {
			t.Errorf("Verify(%q): %v", text, err)
		}
	})
}
