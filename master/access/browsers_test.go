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

// cookied is a request with the cookie of a browser that signed in, by plain HTTP.
func cookied(secret string) *http.Request {
	r := request("")
	r.AddCookie(&http.Cookie{Name: "rollcall-session", Value: secret})
	return r
}

func signIn(t *testing.T, g *Guard) (secret string) {
	t.Helper()
	secret, user, err := g.SignIn().Begin(request(""), "jane")
	if err != nil || user != "jane" {
		t.Fatalf("signed in as %q, %v", user, err)
	}
	return secret
}

func TestACookieStandsForItsTokenUntilThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{}
		guard := hub.guard(t)
		secret := signIn(t, guard)
		if user, err := guard.SignIn().Who(cookied(secret)); err != nil || user != "jane" {
			t.Errorf("%q, %v; want jane", user, err)
		}
		if _, err := guard.Identify(cookied("x" + secret)); !errors.Is(err, httpapi.ErrUnauthenticated) {
			t.Errorf("another secret: %v", err)
		}
		hub.revoked.Store(true)
		<-time.After(acceptedFor + time.Second)
		hub.status.Store(500)
		if _, err := guard.Identify(cookied(secret)); !errors.Is(err, httpapi.ErrUndecided) {
			t.Errorf("while the hub is away: %v", err)
		}
		hub.status.Store(0)
		if _, err := guard.Identify(cookied(secret)); !errors.Is(err, httpapi.ErrUnauthenticated) {
			t.Errorf("after the token was revoked: %v", err)
		}
		hub.revoked.Store(false)
		<-time.After(acceptedFor + time.Second)
		if _, err := guard.Identify(cookied(secret)); !errors.Is(err, httpapi.ErrUnauthenticated) {
			t.Errorf("a secret that has ended lives again: %v", err)
		}
	})
}

func TestASessionEndsWhenNobodyUsesItOrItIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard := (&fakeHub{}).guard(t)
		idle, used, out := signIn(t, guard), signIn(t, guard), signIn(t, guard)
		guard.SignIn().End(out)
		if _, err := guard.Identify(cookied(out)); !errors.Is(err, httpapi.ErrUnauthenticated) {
			t.Errorf("after signing out: %v", err)
		}
		began := time.Now()
		for time.Since(began) < longestSession-idleSession/2 {
			if _, err := guard.Identify(cookied(used)); err != nil {
				t.Fatalf("after %s: %v", time.Since(began), err)
			}
			<-time.After(idleSession / 2)
			if time.Since(began) == idleSession {
				if _, err := guard.Identify(cookied(idle)); !errors.Is(err, httpapi.ErrUnauthenticated) {
					t.Errorf("one that was not used for %s: %v", idleSession, err)
				}
			}
		}
		<-time.After(longestSession - time.Since(began))
		if _, err := guard.Identify(cookied(used)); !errors.Is(err, httpapi.ErrUnauthenticated) {
			t.Errorf("after %s: %v", longestSession, err)
		}
	})
}

func TestSessionsAreBoundedAndOneUserTakesNobodyElsesPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrowsers(nil)
		first := b.begin("token", "somebody")
		var mine []string
		for range 3 * maxOfOne {
			<-time.After(time.Millisecond)
			mine = append(mine, b.begin("token", "jane"))
		}
		for i, secret := range mine {
			if _, ok := b.tokenOf(secret); ok != (i >= 2*maxOfOne) {
				t.Errorf("session %d of %d lives: %t", i, len(mine), ok)
			}
		}
		if _, ok := b.tokenOf(first); !ok {
			t.Error("somebody else was signed out")
		}
		for i := range maxSessions + 10 {
			b.begin("token", fmt.Sprint("user", i))
		}
		if len(b.all) > maxSessions {
			t.Errorf("%d sessions, want %d at most", len(b.all), maxSessions)
		}
	})
}

func TestWhatIsSentGoesBeforeTheCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard := (&fakeHub{}).guard(t)
		r := cookied(signIn(t, guard))
		r.Header.Set("Authorization", "Bearer garbage")
		if _, err := guard.Identify(r); !errors.Is(err, httpapi.ErrUnauthenticated) {
			t.Errorf("a garbage token beside a cookie: %v", err)
		}
	})
}

func TestNobodySignsInWithATokenThatTheHubRefusesOrWhileItIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{}
		guard := hub.guard(t)
		if secret, _, err := guard.SignIn().Begin(request(""), "garbage"); !errors.Is(err, httpapi.ErrUnauthenticated) || secret != "" {
			t.Errorf("garbage: %q, %v", secret, err)
		}
		hub.status.Store(500)
		if secret, _, err := guard.SignIn().Begin(request(""), "jane"); !errors.Is(err, httpapi.ErrUndecided) || secret != "" {
			t.Errorf("hub away: %q, %v", secret, err)
		}
	})
}
