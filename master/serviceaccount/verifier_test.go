package serviceaccount

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	issuerURL = "https://issuer.example"
	subject   = "system:serviceaccount:rollcall-system:rollcall-agent"
	audience  = "rollcall:0123456789abcdef:edge-1"
)

var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// signer signs tokens of an issuer.
type signer struct {
	t         testing.TB
	key       crypto.Signer
	id        string
	algorithm jose.SignatureAlgorithm
}

func newSigner(t testing.TB, id string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{t, key, id, jose.ES256}
}

// token returns a token of the agent, as Kubernetes issues it. change may change its claims.
func (s signer) token(change ...func(map[string]any)) string {
	s.t.Helper()
	sign, err := jose.NewSigner(jose.SigningKey{Algorithm: s.algorithm, Key: jose.JSONWebKey{Key: s.key, KeyID: s.id}}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	claims := map[string]any{
		"iss": issuerURL, "sub": subject, "aud": []string{audience},
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"kubernetes.io": map[string]any{"namespace": "rollcall-system"},
	}
	for _, f := range change {
		f(claims)
	}
	token, err := jwt.Signed(sign).Claims(claims).Serialize()
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// keySet returns the public keys of signers as JSON.
func keySet(t testing.TB, all ...signer) string {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, s := range all {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: s.key.Public(), KeyID: s.id, Algorithm: string(s.algorithm), Use: "sig"})
	}
	encoded, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func account(keys string) Account {
	return Account{Issuer: issuerURL, Subject: subject, Audience: audience, KeySet: keys}
}

func newVerifier(at time.Time) *Verifier {
	v := New(Transport{})
	v.now = func() time.Time { return at }
	return v
}

func TestTokensOfEveryAlgorithmAreAccepted(t *testing.T) {
	keys := map[jose.SignatureAlgorithm]func() (crypto.Signer, error){
		jose.RS256: func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) },
		jose.ES256: func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
		jose.ES384: func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) },
		jose.ES512: func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P521(), rand.Reader) },
	}
	for algorithm, generate := range keys {
		key, err := generate()
		if err != nil {
			t.Fatal(err)
		}
		s := signer{t, key, "k", algorithm}
		if err := newVerifier(now).Verify(t.Context(), s.token(), account(keySet(t, newSigner(t, "other"), s))); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}

// TestTokensAreRefused has the tokens that must not enroll a key.
func TestTokensAreRefused(t *testing.T) {
	s := newSigner(t, "k")
	claim := func(name string, value any) string {
		return s.token(func(c map[string]any) { c[name] = value })
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	hmac, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: make([]byte, 32), KeyID: "k"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	symmetric, err := jwt.Signed(hmac).Claims(map[string]any{"iss": issuerURL}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	none := "eyJhbGciOiJub25lIiwia2lkIjoiayJ9." + strings.Split(s.token(), ".")[1] + "."
	for name, test := range map[string]struct{ token, want string }{
		"another issuer's key":         {newSigner(t, "k").token(), "its signature does not fit"},
		"an unknown key":               {newSigner(t, "l").token(), `has no key "l"`},
		"no key ID":                    {newSigner(t, "").token(), "no key ID"},
		"no token":                     {"password", "not a JSON Web Token"},
		"algorithm none":               {none, "not a JSON Web Token"},
		"a symmetric algorithm":        {symmetric, "not a JSON Web Token"},
		"Ed25519":                      {signer{t, ed, "k", jose.EdDSA}.token(), "not a JSON Web Token"},
		"another issuer":               {claim("iss", "https://other.example"), `its issuer is "https://other.example"`},
		"another service account":      {claim("sub", "system:serviceaccount:default:default"), "it is a token of"},
		"the API server's audience":    {claim("aud", []string{"https://kubernetes.default.svc"}), "its audience is"},
		"another cluster's audience":   {claim("aud", []string{"rollcall:0123456789abcdef:edge-2"}), "its audience is"},
		"a further audience":           {claim("aud", []string{audience, "https://kubernetes.default.svc"}), "expected only"},
		"no audience":                  {claim("aud", []string{}), "its audience is"},
		"no expiry":                    {claim("exp", nil), "no time of issue or of expiry"},
		"no time of issue":             {claim("iat", nil), "no time of issue or of expiry"},
		"a long life":                  {claim("exp", now.Add(2*time.Hour).Unix()), "valid for 2h0m0s, at most 1h0m0s"},
		"issued later":                 {claim("iat", now.Add(10*time.Minute).Unix()), "not valid yet"},
		"valid later":                  {claim("nbf", now.Add(10*time.Minute).Unix()), "not valid yet"},
		"expired":                      {s.token(func(c map[string]any) { c["iat"], c["exp"] = now.Add(-2*time.Hour).Unix(), now.Add(-time.Hour).Unix() }), "it expired at 2026-11-29T11:00:00Z"},
		"expiry before issue":          {claim("exp", now.Add(-time.Hour).Unix()), "it expired at"},
		"a claim of another type":      {claim("sub", 1), "claims cannot be decoded"},
		"a signature that was altered": {s.token()[:len(s.token())-8] + "AAAAAAAA", "its signature does not fit"},
	} {
		err := newVerifier(now).Verify(t.Context(), test.token, account(keySet(t, s)))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		} else if strings.Contains(err.Error(), test.token[:8]) {
			t.Errorf("%s: the error has a part of the token: %v", name, err)
		}
	}
}

func TestKeySetsAreRefused(t *testing.T) {
	s := newSigner(t, "k")
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	short := signer{t, weak, "k", jose.RS256}
	encryption := strings.Replace(keySet(t, s), `"use":"sig"`, `"use":"enc"`, 1)
	for name, test := range map[string]struct{ token, keys, want string }{
		"not JSON":             {s.token(), "none", "not a JSON Web Key Set"},
		"empty":                {s.token(), `{"keys":[]}`, "the key set is empty"},
		"large":                {s.token(), keySet(t, s) + strings.Repeat(" ", MaxKeySet), "the limit is 65536"},
		"a key for encryption": {s.token(), encryption, `has no key "k"`},
		"a short RSA key":      {short.token(), keySet(t, short), `has no key "k"`},
		"a private key":        {s.token(), `{"keys":[{"kty":"oct","kid":"k","k":"AAAA"}]}`, `has no key "k"`},
	} {
		if err := newVerifier(now).Verify(t.Context(), test.token, account(test.keys)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func FuzzVerify(f *testing.F) {
	s := newSigner(f, "k")
	keys := keySet(f, s)
	f.Add(s.token(), keys)
	f.Add("a.b.c", `{"keys":[{"kty":"RSA","kid":"k","n":"AAAA","e":"AQAB"}]}`)
	other := newSigner(f, "k").token()
	f.Fuzz(func(t *testing.T, token, keys string) {
		v := newVerifier(now.Add(24 * time.Hour)) // no token of the corpus is valid
		if v.Verify(t.Context(), token, account(keys)) == nil || v.Verify(t.Context(), other, account(keys)) == nil {
			t.Error("a token was accepted")
		}
	})
}
