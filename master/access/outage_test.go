package access

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"

	"rollcall.dev/rollcall/master/httpapi"
)

// outageHub is a hub that may stop answering, and an Authenticator that asks it.
type outageHub struct {
	fakeHub
	a *Authenticator
}

func newOutageHub(t *testing.T) *outageHub {
	h := &outageHub{fakeHub: fakeHub{user: userNames("jane", "joe"), latency: 5 * time.Millisecond}}
	h.a = h.authenticator(t)
	t.Cleanup(func() { <-time.After(reviewTimeout + time.Second) }) // for reviews without a caller that waits
	return h
}

// read reads a cluster with a token, and returns the error and how long it took.
func (h *outageHub) read(t *testing.T, token, cluster string) (time.Duration, error) {
	start := time.Now()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = "192.0.2.1:1"
	r.Header.Set("Authorization", "Bearer "+token)
	check, err := h.a.Identify(r)
	if err == nil {
		err = check(t.Context(), httpapi.Access{Verb: "get", Cluster: cluster, Details: true})
	}
	return time.Since(start), err
}

// TestGrantsApplyWhileTheHubDoesNotAnswer reads a cluster every 100 ms while the hub's API server hangs, or fails, for a
// minute.
func TestGrantsApplyWhileTheHubDoesNotAnswer(t *testing.T) {
	for name, set := range map[string]func(*outageHub, bool){
		"hangs": func(h *outageHub, away bool) { h.hang.Store(away) },
		"fails": func(h *outageHub, away bool) {
			h.status.Store(map[bool]int64{true: http.StatusInternalServerError}[away])
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := newOutageHub(t)
				read := func(token string, want time.Duration) {
					t.Helper()
					if took, err := hub.read(t, token, "prod-eu"); err != nil || took > want {
						t.Errorf("got %v after %s, want access within %s", err, took, want)
					}
				}
				read("jane", time.Second)
				set(hub, true)
				for range 600 {
					read("jane", 2*lateAfter)
					<-time.After(100 * time.Millisecond)
				}
				if _, err := hub.read(t, "jane", "prod-us"); !errors.Is(err, httpapi.ErrAuthorizerUnavailable) {
					t.Errorf("a cluster that was not read before: got %v, want %v", err, httpapi.ErrAuthorizerUnavailable)
				}
				if _, err := hub.read(t, "joe", "prod-eu"); !errors.Is(err, httpapi.ErrAuthorizerUnavailable) {
					t.Errorf("a user who was not known before: got %v, want %v", err, httpapi.ErrAuthorizerUnavailable)
				}
				set(hub, false)
				<-time.After(probePeriod)
				read("joe", time.Second)
				read("jane", time.Second)
			})
		})
	}
}

// TestOutageCostsOneDelay checks that many readers wait for the hub once, and that afterwards one of them at a time tests
// whether it answers.
func TestOutageCostsOneDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int64
		hub := newOutageHub(t)
		hub.onRequest = func(*http.Request) { requests.Add(1) }
		readAll := func() (longest time.Duration) {
			var mu sync.Mutex
			var all sync.WaitGroup
			for i := range 50 {
				all.Go(func() {
					took, err := hub.read(t, "jane", fmt.Sprint("cluster-", i))
					mu.Lock()
					defer mu.Unlock()
					if longest = max(longest, took); err != nil {
						t.Errorf("cluster-%d: got %v, want access", i, err)
					}
				})
			}
			all.Wait()
			return longest
		}
		readAll()
		<-time.After(acceptedFor)
		hub.hang.Store(true)
		if longest := readAll(); longest > 2*lateAfter {
			t.Errorf("the first reads took up to %s, want at most %s", longest, 2*lateAfter)
		}
		before := requests.Load()
		for range 100 {
			if longest := readAll(); longest > 0 {
				t.Fatalf("later reads took up to %s, want 0", longest)
			}
			<-time.After(100 * time.Millisecond)
		}
		if n := requests.Load() - before; n > 11 {
			t.Errorf("got %d requests to the hub in 10 s, want one a second", n)
		}
	})
}

// TestGrantsEndAfterFiveMinutesWithoutTheHub also revokes the access while the hub does not answer.
func TestGrantsEndAfterFiveMinutesWithoutTheHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var revoked atomic.Bool
		hub := newOutageHub(t)
		hub.may = func(authorizationv1.SubjectAccessReviewSpec) bool { return !revoked.Load() }
		if _, err := hub.read(t, "jane", "prod-eu"); err != nil {
			t.Fatal(err)
		}
		hub.hang.Store(true)
		revoked.Store(true)
		start := time.Now()
		for time.Since(start) < earlierFor-10*time.Second {
			if _, err := hub.read(t, "jane", "prod-eu"); err != nil {
				t.Fatalf("after %s: got %v, want access", time.Since(start), err)
			}
			<-time.After(time.Second)
		}
		<-time.After(10 * time.Second)
		if _, err := hub.read(t, "jane", "prod-eu"); !errors.Is(err, httpapi.ErrAuthorizerUnavailable) {
			t.Errorf("after %s: got %v, want %v", time.Since(start), err, httpapi.ErrAuthorizerUnavailable)
		}
		hub.hang.Store(false)
		if _, err := hub.read(t, "jane", "prod-eu"); err == nil || errors.Is(err, httpapi.ErrAuthorizerUnavailable) {
			t.Errorf("when the hub answers again: got %v, want that access is denied", err)
		}
	})
}

// TestRefusalIsNoOutage checks that a hub that refuses the master's own credentials denies access: that is an answer.
func TestRefusalIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newOutageHub(t)
		if _, err := hub.read(t, "jane", "prod-eu"); err != nil {
			t.Fatal(err)
		}
		<-time.After(acceptedFor)
		hub.status.Store(http.StatusForbidden)
		if _, err := hub.read(t, "jane", "prod-eu"); !errors.Is(err, httpapi.ErrAuthorizerUnavailable) {
			t.Errorf("got %v, want %v", err, httpapi.ErrAuthorizerUnavailable)
		}
	})
}
