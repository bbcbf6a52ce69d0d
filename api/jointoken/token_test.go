package jointoken

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/tlsfiles"
)

var expiry = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func newToken(t testing.TB) Token {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tlsfiles.SelfSigned("hub", []string{"hub"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	token, err := New("prod-eu", "wss://hub.example:443", public, expiry)
	if err != nil {
		t.Fatal(err)
	}
	token.HubPin, token.HubCA, token.HubServerName = strings.Repeat("ab", 32), string(pair.Cert), "masters.example"
	return token
}

func TestEncodedTokenRoundTrip(t *testing.T) {
	token := newToken(t)
	encoded := token.Encode()
	if !strings.HasPrefix(encoded, Prefix) || strings.ContainsAny(encoded, " \n+/=") {
		t.Errorf("got %q, want one word that begins with %s", encoded, Prefix)
	}
	got, err := Parse(" " + encoded + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if got.Encode() != encoded || !got.Key.Equal(token.Key) || got.KeySHA256() != token.KeySHA256() || got.HubServerName != "masters.example" || !got.ExpiresAt.Equal(expiry) {
		t.Errorf("got %+v, want %+v", got, token)
	}
}

func TestIncompleteTokensAreRefused(t *testing.T) {
	encoded := newToken(t).Encode()
	for n := range len(encoded) {
		if _, err := Parse(encoded[:n]); err == nil {
			t.Fatalf("the first %d of %d characters were accepted", n, len(encoded))
		}
	}
	for i := len(Prefix); i < len(encoded); i++ {
		altered := []byte(encoded)
		altered[i] ^= 1
		if _, err := Parse(string(altered)); err == nil || !strings.Contains(err.Error(), "incomplete or was changed") {
			t.Fatalf("with another character at %d: got %v, want that it was changed", i, err)
		}
	}
}

// encode returns an encoded token with changed fields.
func encode(t *testing.T, token Token, change func(map[string]any)) string {
	t.Helper()
	body, _, _ := strings.Cut(strings.TrimPrefix(token.Encode(), Prefix), ".")
	decoded, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(decoded, &all); err != nil {
		t.Fatal(err)
	}
	change(all)
	if decoded, err = json.Marshal(all); err != nil {
		t.Fatal(err)
	}
	text := Prefix + base64.RawURLEncoding.EncodeToString(decoded)
	return text + "." + checksum(text)
}

func TestInvalidTokensSayWhy(t *testing.T) {
	token := newToken(t)
	set := func(field string, value any) string {
		return encode(t, token, func(all map[string]any) { all[field] = value })
	}
	withoutFields := encode(t, token, func(all map[string]any) { clear(all) })
	for text, want := range map[string]string{
		"":                                             "is empty",
		"rollcall-j":                                   "incomplete",
		"rollcall-join.v2.abc.def":                     "another version",
		"eyJhbGciOi":                                   "no join token",
		strings.Repeat("a", MaxSize+1):                 "the limit is 32768",
		set("cluster", "Prod EU"):                      "no valid name",
		set("cluster", strings.Repeat("a", 64)):        "no valid name",
		set("cluster", 1):                              "another type",
		set("hub", "https://hub"):                      "no valid address",
		set("hub", "wss://user:word@hub"):              "no valid address",
		set("hub", "wss://hub/path"):                   "no valid address",
		set("hubPin", "abc"):                           "no valid pin",
		set("hubCA", "none"):                           "no valid CA",
		set("hubServerName", strings.Repeat("a", 254)): "no valid name of the masters",
		set("signingKey", "AAAA"):                      "no signing key",
		set("key", "AAAA"):                             "no private key",
		set("expiresAt", "0001-01-01T00:00:00Z"):       "no valid time",
		withoutFields:                                  "no private key",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: got %v, want %q", text, err, want)
		}
	}
	if _, err := Parse(set("later", "field")); err != nil {
		t.Errorf("an unknown field: %v", err)
	}
}

func TestExpiry(t *testing.T) {
	token := newToken(t)
	if err := token.Expired(expiry.Add(-time.Second)); err != nil {
		t.Error(err)
	}
	err := token.Expired(expiry)
	if err == nil || !strings.Contains(err.Error(), "expired at 2026-11-29T12:00:00Z") || !strings.Contains(err.Error(), "kubectl rollcall token create prod-eu") {
		t.Errorf("got %v, want the time, and the command for another token", err)
	}
}

func TestPrivateKeyIsNeverPrinted(t *testing.T) {
	token := newToken(t)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("token", "token", token, "in", struct{ T Token }{token})
	inJSON, err := json.Marshal(token)
	if err != nil {
		t.Fatal(err)
	}
	outputs := []string{token.String(), log.String(), string(inJSON), fmt.Sprint(&token), fmt.Sprint([]Token{token}), fmt.Sprint(map[string]any{"t": token})}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		outputs = append(outputs, fmt.Sprintf(verb, token), fmt.Sprintf(verb, &token), fmt.Sprintf(verb, struct{ T Token }{token}))
	}
	seed := token.Key.Seed()
	secrets := []string{hex.EncodeToString(seed), base64.StdEncoding.EncodeToString(seed)[:20], base64.RawURLEncoding.EncodeToString(seed)[:20], strings.Trim(fmt.Sprintf("%d", seed[:8]), "[]")}
	for _, out := range outputs {
		for _, secret := range secrets {
			if strings.Contains(strings.ToLower(out), strings.ToLower(secret)) {
				t.Errorf("the private key is in %s", out)
			}
		}
		if !strings.Contains(out, "prod-eu") {
			t.Errorf("got %s, want the name of the cluster", out)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(newToken(f).Encode())
	f.Add("rollcall-join.v1.e30." + checksum("rollcall-join.v1.e30"))
	f.Fuzz(func(t *testing.T, text string) {
		token, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(token.Encode()); err != nil || again.String() != token.String() {
			t.Errorf("got %v (%v), want %v", again, err, token)
		}
	})
}
