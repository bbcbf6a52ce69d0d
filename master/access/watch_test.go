package access

import (
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/httpapi"
)

func TestRequestHeadersAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{}
		auth := hub.authenticator(t)
		r := requestWithCookie(signIn(t, auth))
		r.Header.Set("Authorization", "Bearer jane")
		for i := range 3 {
			if _, err := auth.Identify(r); err != nil || r.Header.Get("Authorization") != "Bearer jane" {
				t.Errorf("request %d: got error %v and headers %v, want no error and unchanged headers", i+1, err, r.Header)
			}
		}
		hub.revoked.Store(true)
		<-time.After(acceptedFor + time.Second)
		if _, err := auth.Identify(r); !errors.Is(err, httpapi.ErrUnauthenticated) || !strings.Contains(err.Error(), "does not accept this token") {
			t.Errorf("revoked token: got error %v, want one about the token", err)
		}
	})
}

func TestWatchEndsWhenTokenIsRevoked(t *testing.T) {
	for _, tc := range []struct{ revoked, cookie bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
		synctest.Test(t, func(t *testing.T) {
			hub := &fakeHub{}
			auth := hub.authenticator(t)
			api := newAPI(auth, slog.New(slog.DiscardHandler))
			r := request("jane")
			if tc.cookie {
				r = requestWithCookie(signIn(t, auth))
			}
			r.URL.RawQuery = "watch=true&timeoutSeconds=300"
			w := httptest.NewRecorder()
			begin := time.Now()
			time.AfterFunc(100*time.Second, func() { hub.revoked.Store(tc.revoked) })
			api.ServeHTTP(w, r)
			elapsed, refused := time.Since(begin), strings.Contains(w.Body.String(), `"code":401`)
			if w.Code != 200 || refused != tc.revoked || (elapsed == 300*time.Second) == tc.revoked || elapsed < 100*time.Second {
				t.Errorf("%+v: got %d after %s with %s, want a watch of 300s, or of 100s and then 401 if revoked", tc, w.Code, elapsed, w.Body)
			}
		})
	}
}
