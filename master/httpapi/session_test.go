package httpapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/master/httpapi/signin"
)

// fakeSignIn accepts the token "good" and starts a session with the secret "s3cret".
type fakeSignIn struct {
	open bool
	log  bytes.Buffer
}

func (d *fakeSignIn) config(c *Config) {
	c.Log = slog.New(slog.NewTextHandler(&d.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c.Authenticate = func(r *http.Request) (Authorizer, error) {
		if _, err := d.user(r); err != nil {
			return nil, err
		}
		return func(context.Context, Access) error { return nil }, nil
	}
	c.SignIn = signin.Config{
		Start: func(_ *http.Request, token string) (string, string, error) {
			if token != "good" {
				return "", "", fmt.Errorf("%w: refused", ErrUnauthenticated)
			}
			d.open = true
			return "s3cret", "jane", nil
		},
		End:  func(secret string) { d.open = d.open && secret != "s3cret" },
		User: d.user,
	}
}

func (d *fakeSignIn) user(r *http.Request) (string, error) {
	if signin.Secret(r) != "s3cret" || !d.open {
		return "", fmt.Errorf("%w: sign in", ErrUnauthenticated)
	}
	return "jane", nil
}

const sessionPath = "/api/v1/session"

// signInRequest returns a request to sign in. headers holds names and values.
func signInRequest(body string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, sessionPath, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func TestSignInAndSignOut(t *testing.T) {
	for name, over := range map[string]*tls.ConnectionState{signin.SecureCookie: {}, signin.PlainCookie: nil} {
		d := &fakeSignIn{}
		api := shop(t).api(d.config)
		c := readContract(t, api)
		session := c.Paths[sessionPath]
		send := func(r *http.Request, with *http.Cookie) *httptest.ResponseRecorder {
			r.TLS = over
			if with != nil {
				r.AddCookie(with)
			}
			return do(api, r)
		}
		w := send(signInRequest(`{"token":" good\n"}`), nil)
		c.checkRoute(sessionPath, session.Post, w)
		cookies := w.Result().Cookies()
		if w.Code != 200 || len(cookies) != 1 || w.Body.String() != `{"required":true,"user":"jane"}`+"\n" || w.Header().Get("Cache-Control") != "no-store" {
			t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
		}
		cookie := cookies[0]
		if cookie.Name != name || !cookie.HttpOnly || cookie.Secure != (over != nil) || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || cookie.Domain != "" {
			t.Errorf("got cookie %s, want %s with HttpOnly, SameSite=Strict, Path=/, and Secure over TLS", cookie, name)
		}
		for _, path := range []string{sessionPath, "/api/v1/clusters", eu1} {
			if w := send(httptest.NewRequest(http.MethodGet, path, nil), cookie); w.Code != 200 {
				t.Errorf("%s: got %d %s, want 200", path, w.Code, w.Body)
			}
			if w := send(httptest.NewRequest(http.MethodGet, path, nil), nil); w.Code != 401 {
				t.Errorf("%s without the cookie: got %d, want 401", path, w.Code)
			}
		}
		out := send(httptest.NewRequest(http.MethodDelete, sessionPath, nil), cookie)
		c.checkRoute(sessionPath, session.Delete, out)
		if gone := out.Result().Cookies(); out.Code != 204 || len(gone) != 1 || gone[0].Name != name || gone[0].MaxAge >= 0 {
			t.Errorf("sign out: got %d %v, want 204 and the cookie deleted", out.Code, out.Header())
		}
		w = send(httptest.NewRequest(http.MethodGet, sessionPath, nil), cookie)
		c.checkRoute(sessionPath, session.Get, w)
		if w.Code != 401 {
			t.Errorf("after signing out: got %d %s, want 401", w.Code, w.Body)
		}
	}
}

func TestInvalidSignInIsRejectedWithoutExposingTheToken(t *testing.T) {
	long := `{"token":"hunter2` + strings.Repeat("a", 64<<10) + `"}`
	for name, tc := range map[string]struct {
		request *http.Request
		status  int
	}{
		"a token that the hub refuses": {signInRequest(`{"token":"hunter2"}`), 401},
		"no token":                     {signInRequest(`{}`), 400},
		"no JSON":                      {signInRequest(`token=hunter2`), 400},
		"JSON of another form":         {signInRequest(`["hunter2"]`), 400},
		"more than one":                {signInRequest(`{"token":"good"} hunter2`), 400},
		"too long":                     {signInRequest(long), 413},
		"a form":                       {signInRequest(`{"token":"hunter2"}`, "Content-Type", "application/x-www-form-urlencoded"), 415},
		"plain text":                   {signInRequest(`{"token":"hunter2"}`, "Content-Type", "text/plain"), 415},
		"of another site":              {signInRequest(`{"token":"good"}`, "Origin", "https://evil.example"), 403},
		"of a sister":                  {signInRequest(`{"token":"good"}`, "Sec-Fetch-Site", "same-site"), 403},
		"of nobody":                    {signInRequest(`{"token":"good"}`, "Origin", "null"), 403},
		"by two words":                 {signInRequest(`{"token":"good"}`, "Origin", "https://evil.example", "Sec-Fetch-Site", "same-origin"), 403},
		"in the address":               {httptest.NewRequest(http.MethodPost, sessionPath+"?token=hunter2", nil), 400},
	} {
		d := &fakeSignIn{}
		api := shop(t).api(d.config)
		w := do(api, tc.request)
		readContract(t, api).checkRoute(sessionPath, readContract(t, api).Paths[sessionPath].Post, w)
		if w.Code != tc.status || len(w.Result().Cookies()) > 0 || d.open {
			t.Errorf("%s: got %d %s %v, want %d", name, w.Code, w.Body, w.Header(), tc.status)
		}
		if strings.Contains(w.Body.String()+d.log.String()+get(api, "/metrics").Body.String(), "hunter2") {
			t.Errorf("%s: got the token in a response, log or metric, want it nowhere:\n%s%s", name, w.Body, &d.log)
		}
	}
}

func TestSameOriginPageSignsInAndOut(t *testing.T) {
	d := &fakeSignIn{}
	api := shop(t).api(d.config)
	for _, headers := range [][]string{{"Origin", "http://example.com"}, {"Sec-Fetch-Site", "same-origin", "Origin", "http://example.com"}, {"Sec-Fetch-Site", "none"}} {
		if w := do(api, signInRequest(`{"token":"good"}`, headers...)); w.Code != 200 {
			t.Errorf("%v: got %d %s, want 200", headers, w.Code, w.Body)
		}
	}
	out := httptest.NewRequest(http.MethodDelete, sessionPath, nil)
	out.Header.Set("Origin", "https://evil.example")
	out.AddCookie(&http.Cookie{Name: signin.PlainCookie, Value: "s3cret"})
	if w := do(api, out); w.Code != 403 || !d.open {
		t.Errorf("sign out from another site: got %d, signed in: %t, want 403 and true", w.Code, d.open)
	}
}

func TestSignInIsOptionalWithoutAuthentication(t *testing.T) {
	api := shop(t).api(nil)
	for _, r := range []*http.Request{httptest.NewRequest(http.MethodGet, sessionPath, nil), signInRequest(`{"token":"any"}`)} {
		w := do(api, r)
		if w.Code != 200 || w.Body.String() != `{"required":false}`+"\n" || len(w.Result().Cookies()) > 0 {
			t.Errorf("%s: got %d %s %v, want 200, required false and no cookie", r.Method, w.Code, w.Body, w.Header())
		}
	}
}

func TestOnlyTheSessionSupportsPostAndDelete(t *testing.T) {
	api := shop(t).api((&fakeSignIn{}).config)
	for path := range readContract(t, api).Paths {
		for _, method := range []string{http.MethodPost, http.MethodDelete, http.MethodPut, http.MethodPatch} {
			w := do(api, httptest.NewRequest(method, targetOf(path, "prod-eu"), nil))
			allowed := path == sessionPath && (method == http.MethodPost || method == http.MethodDelete)
			if (w.Code == 405) == allowed {
				t.Errorf("%s %s: got %d, want 405", method, path, w.Code)
			}
			if want := map[bool]string{true: "GET, HEAD, POST, DELETE", false: "GET, HEAD"}[path == sessionPath]; !allowed && w.Header().Get("Allow") != want {
				t.Errorf("%s %s: got Allow %s, want %s", method, path, w.Header().Get("Allow"), want)
			}
		}
	}
}

func TestSlowTokenTimesOut(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		h := newMemListener()
		h.serve(t, f.api((&fakeSignIn{}).config))
		c := h.dial()
		defer c.Close()
		begin := time.Now()
		fmt.Fprint(c, "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
		var answer bytes.Buffer
		_, _ = answer.ReadFrom(c)
		if took := time.Since(begin); took != connlimit.BodyTimeout || !strings.HasPrefix(answer.String(), "HTTP/1.1 408") {
			t.Errorf("got an end after %s with %s, want 408 after %s", took, &answer, connlimit.BodyTimeout)
		}
	})
}
