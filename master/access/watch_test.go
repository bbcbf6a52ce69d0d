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

func TestARequestIsAlwaysJudgedByWhatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{}
		guard := hub.guard(t)
		r := cookied(signIn(t, guard))
		r.Header.Set("Authorization", "Bearer jane")
		for i := range 3 {
			if _, err := guard.Identify(r); err != nil || r.Header.Get("Authorization") != "Bearer jane" {
				t.Errorf("time %d: %v, with the headers %v", i+1, err, r.Header)
			}
		}
		hub.revoked.Store(true)
		<-time.After(acceptedFor + time.Second)
		if _, err := guard.Identify(r); !errors.Is(err, httpapi.ErrUnauthenticated) || !strings.Contains(err.Error(), "does not accept this token") {
			t.Errorf("after the token was revoked: %v; want it refused as the token that it is", err)
		}
	})
}

func TestAWatchWithATokenLastsAsLongAsTheToken(t *testing.T) {
	for _, tc := range []struct{ revoked, cookie bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
		synctest.Test(t, func(t *testing.T) {
			hub := &fakeHub{}
			guard := hub.guard(t)
			api := suspended(guard, slog.New(slog.DiscardHandler))
			r := request("jane")
			if tc.cookie {
				r = cookied(signIn(t, guard))
			}
			r.URL.RawQuery = "watch=true&timeoutSeconds=300"
			w := httptest.NewRecorder()
			begin := time.Now()
			time.AfterFunc(100*time.Second, func() { hub.revoked.Store(tc.revoked) })
			api.ServeHTTP(w, r)
			took, refused := time.Since(begin), strings.Contains(w.Body.String(), `"code":401`)
			if w.Code != 200 || refused != tc.revoked || (took == 300*time.Second) == tc.revoked || took < 100*time.Second {
				t.Errorf("%+v: %d, ended after %s with %s", tc, w.Code, took, w.Body)
			}
		})
	}
}
