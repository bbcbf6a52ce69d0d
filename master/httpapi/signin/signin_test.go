package signin

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// fakeSessions numbers the sessions that it starts, and records those that ended.
type fakeSessions struct {
	started int
	ended   []string
}

func (f *fakeSessions) config(cookie string) *Config {
	return &Config{
		Cookie: cookie,
		Start: func(_ *http.Request, token string) (string, string, error) {
			f.started++
			return strings.Repeat("s", f.started), "user of " + token, nil
		},
		End: func(secret string) { f.ended = append(f.ended, secret) },
	}
}

func TestSigningInAgainEndsTheFormerSession(t *testing.T) {
	for _, tc := range []struct {
		named, want string
		over        *tls.ConnectionState
	}{
		{"", PlainCookie, nil},
		{"", SecureCookie, &tls.ConnectionState{}},
		{"mine", "mine", nil},
	} {
		f := &fakeSessions{}
		c := f.config(tc.named)
		var cookie *http.Cookie
		for range 2 {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"token":" jane\n"}`))
			r.Header.Set("Content-Type", "application/json; charset=utf-8")
			r.TLS = tc.over
			if cookie != nil {
				r.AddCookie(cookie)
			}
			w := httptest.NewRecorder()
			signedIn, err := c.SignIn(w, r)
			if err != nil || signedIn.User != "user of jane" || !signedIn.Required {
				t.Fatalf("got %v, %v, want the user of jane", signedIn, err)
			}
			cookie = w.Result().Cookies()[0]
		}
		if cookie.Name != tc.want || cookie.Value != "ss" || cookie.Secure != (tc.over != nil) || !cookie.HttpOnly {
			t.Errorf("got cookie %s, want %s with the second secret", cookie, tc.want)
		}
		if want := []string{"s"}; !slices.Equal(f.ended, want) {
			t.Errorf("got ended sessions %v, want %v", f.ended, want)
		}
	}
}

func TestSecretIgnoresCookiesOfOtherMasters(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "mine", Value: "local"})
	r.AddCookie(&http.Cookie{Name: SecureCookie, Value: "over TLS"})
	if got := Secret(r); got != "" {
		t.Errorf("got secret %q, want none without TLS", got)
	}
	if got := (&Config{Cookie: "mine"}).secret(r); got != "local" {
		t.Errorf("got secret %q, want that of the named cookie", got)
	}
}
