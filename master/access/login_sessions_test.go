package access

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/httpapi"
)

// requestWithCookie returns a plain HTTP request with the cookie of a login session.
func requestWithCookie(secret string) *http.Request {
	r := request("")
	r.AddCookie(&http.Cookie{Name: "rollcall-session", Value: secret})
	return r
}

func signIn(t *testing.T, a *Authenticator) (secret string) {
	t.Helper()
	secret, user, err := a.SignIn().Start(request(""), "jane")
	if err != nil || user != "jane" {
		t.Fatalf("sign in: got user %q and error %v, want jane", user, err)
	}
	return secret
}

func TestLoginSessionEndsWhenItsTokenIsRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{}
		auth := hub.authenticator(t)
		secret := signIn(t, auth)
		if user, err := auth.SignIn().User(requestWithCookie(secret)); err != nil || user != "jane" {
			t.Errorf("got user %q and error %v, want jane", user, err)
		}
		if _, err := auth.Identify(requestWithCookie("x" + secret)); !errors.Is(err, httpapi.ErrUnauthenticated) {
			t.Errorf("invalid secret: got error %v, want %v", err, httpapi.ErrUnauthenticated)
		}
		hub.revoked.Store(true)
		<-time.After(acceptedFor + time.Second)
		hub.status.Store(500)
		if _, err := auth.Identify(requestWithCookie(secret)); err != nil {
			t.Errorf("hub unavailable: got error %v, want its last answer", err)
		}
		<-time.After(earlierFor)
		if _, err := auth.Identify(requestWithCookie(secret)); !errors.Is(err, httpapi.ErrAuthorizerUnavailable) {
			t.Errorf("hub unavailable for %s: got error %v, want %v", earlierFor, err, httpapi.ErrAuthorizerUnavailable)
		}
		hub.status.Store(0)
		if _, err := auth.Identify(requestWithCookie(secret)); !errors.Is(err, httpapi.ErrUnauthenticated) {
			t.Errorf("revoked token: got error %v, want %v", err, httpapi.ErrUnauthenticated)
		}
		hub.revoked.Store(false)
		<-time.After(acceptedFor + time.Second)
		if _, err := auth.Identify(requestWithCookie(secret)); !errors.Is(err, httpapi.ErrUnauthenticated) {
			t.Errorf("ended session: got error %v, want %v", err, httpapi.ErrUnauthenticated)
		}
	})
}

func TestLoginSessionTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := (&fakeHub{}).authenticator(t)
		idle, used, out := signIn(t, auth), signIn(t, auth), signIn(t, auth)
		auth.SignIn().End(out)
		if _, err := auth.Identify(requestWithCookie(out)); !errors.Is(err, httpapi.ErrUnauthenticated) {
			t.Errorf("signed out: got error %v, want %v", err, httpapi.ErrUnauthenticated)
		}
		start := time.Now()
		for time.Since(start) < maxLifetime-idleTimeout/2 {
			if _, err := auth.Identify(requestWithCookie(used)); err != nil {
				t.Fatalf("after %s: got error %v, want none", time.Since(start), err)
			}
			<-time.After(idleTimeout / 2)
			if time.Since(start) == idleTimeout {
				if _, err := auth.Identify(requestWithCookie(idle)); !errors.Is(err, httpapi.ErrUnauthenticated) {
					t.Errorf("idle for %s: got error %v, want %v", idleTimeout, err, httpapi.ErrUnauthenticated)
				}
			}
		}
		<-time.After(maxLifetime - time.Since(start))
		if _, err := auth.Identify(requestWithCookie(used)); !errors.Is(err, httpapi.ErrUnauthenticated) {
			t.Errorf("after %s: got error %v, want %v", maxLifetime, err, httpapi.ErrUnauthenticated)
		}
	})
}

func TestLoginSessionsAreLimitedPerUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLoginSessions(nil)
		first := s.start("token", "somebody")
		var mine []string
		for range 3 * maxLoginsPerUser {
			<-time.After(time.Millisecond)
			mine = append(mine, s.start("token", "jane"))
		}
		for i, secret := range mine {
			if _, ok := s.token(secret); ok != (i >= 2*maxLoginsPerUser) {
				t.Errorf("session %d of %d: got valid %t, want only the last %d valid", i, len(mine), ok, maxLoginsPerUser)
			}
		}
		if _, ok := s.token(first); !ok {
			t.Error("the session of another user ended, want it to stay")
		}
		for i := range maxLogins + 10 {
			s.start("token", fmt.Sprint("user", i))
		}
		if len(s.sessions) > maxLogins {
			t.Errorf("got %d sessions, want at most %d", len(s.sessions), maxLogins)
		}
	})
}

func TestAuthorizationHeaderPrecedesCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := (&fakeHub{}).authenticator(t)
		r := requestWithCookie(signIn(t, auth))
		r.Header.Set("Authorization", "Bearer garbage")
		if _, err := auth.Identify(r); !errors.Is(err, httpapi.ErrUnauthenticated) {
			t.Errorf("invalid token with a valid cookie: got error %v, want %v", err, httpapi.ErrUnauthenticated)
		}
	})
}

func TestSignInRequiresAcceptedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{}
		auth := hub.authenticator(t)
		if secret, _, err := auth.SignIn().Start(request(""), "garbage"); !errors.Is(err, httpapi.ErrUnauthenticated) || secret != "" {
			t.Errorf("invalid token: got secret %q and error %v, want none and %v", secret, err, httpapi.ErrUnauthenticated)
		}
		hub.status.Store(500)
		if secret, _, err := auth.SignIn().Start(request(""), "jane"); !errors.Is(err, httpapi.ErrAuthorizerUnavailable) || secret != "" {
			t.Errorf("hub unavailable: got secret %q and error %v, want none and %v", secret, err, httpapi.ErrAuthorizerUnavailable)
		}
	})
}
