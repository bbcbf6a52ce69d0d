package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	authorizationv1 "k8s.io/api/authorization/v1"

	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/session"
)

// requestFrom returns a request with a token from an address.
func requestFrom(address, token string) *http.Request {
	r := request(token)
	r.RemoteAddr = address
	return r
}

// userNames returns a fakeHub.user function that accepts the names of some users as their tokens.
func userNames(names ...string) func(token string) string {
	return func(token string) string {
		if slices.Contains(names, token) {
			return token
		}
		return ""
	}
}

// latencies collects the durations of requests.
type latencies struct {
	mu  sync.Mutex
	all []time.Duration
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, d)
}

func (l *latencies) p99() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == 0 {
		return 0
	}
	slices.Sort(l.all)
	return l.all[len(l.all)*99/100]
}

// every calls f n times, once per period, each time in its own goroutine.
func every(period time.Duration, n int, f func(i int)) {
	var all sync.WaitGroup
	tick := time.NewTicker(period)
	defer tick.Stop()
	for i := range n {
		all.Go(func() { f(i) })
		<-tick.C
	}
	all.Wait()
}

// TestInvalidTokensDelayNobody sends 830 invalid tokens a second, from one address and from many.
// Users with known tokens, whose reviews expire meanwhile, must not be delayed, even at the
// attacker's address. Neither must a new user at another address.
func TestInvalidTokensDelayNobody(t *testing.T) {
	const flood, lasts = 830, 22 * time.Second
	for name, tc := range map[string]struct {
		address func(i int) string
		// perSecond limits the reviews of invalid tokens that reach the hub.
		perSecond int
	}{
		"of one address":           {func(int) string { return "198.51.100.1:1" }, addressQPS},
		"of a /64":                 {func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i) }, addressQPS},
		"of four thousand of IPv6": {func(i int) string { return fmt.Sprintf("[2001:db8:0:%x::1]:1", i%4096) }, int(unknownQueue.qps)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := &fakeHub{latency: 5 * time.Millisecond, user: userNames("jane", "joe", "new")}
				auth := hub.authenticator(t)
				api := newAPI(auth, slog.New(slog.DiscardHandler))
				for _, known := range []string{"jane", "joe"} {
					if _, err := auth.Identify(requestFrom("203.0.113.7:1", known)); err != nil {
						t.Fatal(err)
					}
				}
				var all sync.WaitGroup
				var refused, unauthorized atomic.Int64
				all.Go(func() {
					every(time.Second/flood, flood*int(lasts/time.Second), func(i int) {
						w := httptest.NewRecorder()
						api.ServeHTTP(w, requestFrom(tc.address(i), fmt.Sprint("garbage", i)))
						switch {
						case w.Code == http.StatusUnauthorized:
							unauthorized.Add(1)
						case w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "1" && strings.Contains(w.Body.String(), "unknown tokens"):
							refused.Add(1)
						default:
							t.Errorf("invalid token: got %d %s, want 401 or 429 with Retry-After", w.Code, w.Body)
						}
					})
				})
				var others latencies
				for who, address := range map[string]string{"jane": "198.51.100.1:2", "joe": "203.0.113.7:2"} {
					all.Go(func() {
						every(100*time.Millisecond, int(lasts/(100*time.Millisecond)), func(int) {
							start := time.Now()
							w := httptest.NewRecorder()
							api.ServeHTTP(w, requestFrom(address, who))
							if others.add(time.Since(start)); w.Code != http.StatusOK {
								t.Errorf("%s: got %d %s, want 200", who, w.Code, w.Body)
							}
						})
					})
				}
				<-time.After(10 * time.Second)
				if tc.perSecond == addressQPS {
					start := time.Now()
					if _, err := auth.Identify(requestFrom("192.0.2.1:1", "new")); err != nil || time.Since(start) > 100*time.Millisecond {
						t.Errorf("new user: got error %v after %s, want none within 100ms", err, time.Since(start))
					}
				}
				all.Wait()
				reviews, maxReviews := int(hub.tokenReviews.Load()), addressBurst+unknownQueue.burst+tc.perSecond*int((lasts+unknownQueue.timeout)/time.Second)+20
				if reviews > maxReviews || refused.Load() == 0 || unauthorized.Load() == 0 {
					t.Errorf("got %d token reviews, %d responses 429 and %d responses 401, want at most %d reviews and some of both responses", reviews, refused.Load(), unauthorized.Load(), maxReviews)
				}
				if p99 := others.p99(); p99 > 100*time.Millisecond {
					t.Errorf("other users: got a P99 of %s, want at most 100ms", p99)
				}
				t.Logf("%d TokenReviews in %s, others' P99 %s", reviews, lasts, others.p99())
			})
		})
	}
}

// TestTokensCountForForwardedAddress uses trusted proxies, and callers that set X-Forwarded-For
// themselves.
func TestTokensCountForForwardedAddress(t *testing.T) {
	for _, tc := range []struct {
		remote, forwarded string
		refused           bool
	}{
		{"10.0.0.1:1", "198.51.100.%d", false},
		{"10.0.0.1:1", "198.51.100.%d, 203.0.113.7", true},
		{"192.0.2.1:1", "198.51.100.%d", true},
		{"10.0.0.1:1", "", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			metrics := prometheus.NewPedanticRegistry()
			auth, err := New(Config{Hub: (&fakeHub{}).config(), TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Metrics: metrics, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			refused := 0
			for i := range addressBurst + 50 {
				r := requestFrom(tc.remote, fmt.Sprint("garbage", i))
				if tc.forwarded != "" {
					r.Header.Set("X-Forwarded-For", strings.Replace(tc.forwarded, "%d", strconv.Itoa(i), 1))
				}
				if _, err := auth.Identify(r); errors.Is(err, httpapi.ErrTooManyRequests) {
					refused++
				}
			}
			if (refused == 50) != tc.refused || (refused == 0) == tc.refused {
				t.Errorf("from %s for %q: got %d rejected tokens, want some: %t", tc.remote, tc.forwarded, refused, tc.refused)
			}
			want := fmt.Sprintf("# HELP rollcall_access_reviews_total Reviews by the hub, by kind (token, access) and outcome (allowed, denied, error).\n"+
				"# TYPE rollcall_access_reviews_total counter\nrollcall_access_reviews_total{kind=\"token\",outcome=\"denied\"} %d\n", addressBurst+50-refused)
			if err := testutil.GatherAndCompare(metrics, strings.NewReader(want), "rollcall_access_reviews_total"); err != nil {
				t.Error(err)
			}
			if n, err := testutil.GatherAndCount(metrics, "rollcall_access_reviews_waiting", "rollcall_access_refused_total"); err != nil || n < 3 {
				t.Errorf("got %d metrics of queues and limits and error %v, want at least 3", n, err)
			}
		})
	}
}

// TestTokenCachesAreLimited checks that invalid tokens need limited memory and do not evict known
// tokens.
func TestTokenCachesAreLimited(t *testing.T) {
	tokens := newTokenReviewer(nil, nil, newOutage(func(error) {}), func(error) {})
	jane := acceptedToken{}
	tokens.known.add("jane", "jane's", jane, knownFor)
	for i := range 2 * maxRejected {
		tokens.store(fmt.Sprint(i), addressOf(t.Context()), nil)
	}
	for i := range 3 * maxTokens {
		tokens.known.add(fmt.Sprint("user", i/(2*maxTokensPerUser)), fmt.Sprint(i), jane, knownFor)
	}
	if _, ok := tokens.known.get("jane's"); !ok || tokens.known.len() != maxTokens || tokens.rejected.len() != maxRejectedPerAddress {
		t.Errorf("got jane known: %t, %d known and %d rejected tokens, want true, %d and %d", ok, tokens.known.len(), tokens.rejected.len(), maxTokens, maxRejectedPerAddress)
	}
}

// newLargeAPI returns an API with n clusters, named c0000, c0001 and so on.
func newLargeAPI(auth *Authenticator, n int) *httpapi.API {
	clusters := make([]session.Registered, n)
	for i := range clusters {
		clusters[i].Name = fmt.Sprintf("c%04d", i)
	}
	return newAPIWith(auth, slog.New(slog.DiscardHandler), clusters)
}

// visibleToTen reports whether the user "ten" may see a cluster: about ten of 2,400.
func visibleToTen(name string) bool {
	return strings.HasSuffix(name, "40") && name[1] < '1' || name == "c2399"
}

// timedRecorder is a ResponseRecorder that records the time of the first write.
type timedRecorder struct {
	*httptest.ResponseRecorder
	startedAt, firstWrite time.Time
}

func listAs(api http.Handler, token string) *timedRecorder {
	w := &timedRecorder{ResponseRecorder: httptest.NewRecorder(), startedAt: time.Now()}
	api.ServeHTTP(w, request(token))
	return w
}

func (a *timedRecorder) Write(b []byte) (int, error) {
	if a.firstWrite.IsZero() {
		a.firstWrite = time.Now()
	}
	return a.ResponseRecorder.Write(b)
}

func clustersIn(t *testing.T, w *timedRecorder) (names []string) {
	t.Helper()
	var document struct{ Clusters []struct{ Name string } }
	if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil || w.Code != http.StatusOK {
		t.Fatalf("got %d %.200s and error %v, want a list of clusters", w.Code, w.Body, err)
	}
	for _, c := range document.Clusters {
		names = append(names, c.Name)
	}
	return names
}

// TestListOfManyClustersWithFewVisible limits the time of a list, as far as the hub and the limits
// determine it, and checks that other users are not delayed: 20 users who each request another
// cluster each time.
func TestListOfManyClustersWithFewVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clusters = 2400
		hub := &fakeHub{latency: 5 * time.Millisecond, user: func(token string) string { return token }}
		hub.may = func(s authorizationv1.SubjectAccessReviewSpec) bool {
			return s.User != "ten" || s.ResourceAttributes.Verb == "get" && visibleToTen(s.ResourceAttributes.Name)
		}
		api := newLargeAPI(hub.authenticator(t), clusters)
		var all sync.WaitGroup
		var others latencies
		all.Go(func() { runOtherUsers(t, api, &others) })
		<-time.After(100 * time.Millisecond)
		first := listAs(api, "ten")
		total := time.Since(first.startedAt)
		reviewsBefore := hub.accessReviews.Load()
		again := listAs(api, "ten")
		names := clustersIn(t, first)
		if len(names) != 11 || !slices.Equal(names, clustersIn(t, again)) || !slices.IsSorted(names) {
			t.Errorf("got lists %v and %v, want the same 11 sorted clusters", names, clustersIn(t, again))
		}
		if firstByte := first.firstWrite.Sub(first.startedAt); total > 12*time.Second || firstByte > time.Second || first.Header().Get("Etag") != "" {
			t.Errorf("first list: got %s, first write after %s, ETag %q, want at most 12s and 1s, and no ETag", total, firstByte, first.Header().Get("Etag"))
		}
		if again := time.Since(again.startedAt) - total; again > 200*time.Millisecond || hub.accessReviews.Load() > reviewsBefore+500 {
			t.Errorf("second list: got %s and %d reviews, want at most 200ms and 500", again, hub.accessReviews.Load()-reviewsBefore)
		}
		if again.Header().Get("Etag") == "" {
			t.Error("got no ETag of a list whose reviews are cached, want one")
		}
		all.Wait()
		if p99 := others.p99(); p99 > 100*time.Millisecond {
			t.Errorf("other users: got a P99 of %s, want at most 100ms", p99)
		}
		t.Logf("first %s, its first bytes after %s, others' P99 %s", total, first.firstWrite.Sub(first.startedAt), others.p99())
	})
}

// runOtherUsers sends 100 requests a second for five seconds, from 20 users for different clusters,
// and adds the duration of each to others.
func runOtherUsers(t *testing.T, api http.Handler, others *latencies) {
	every(10*time.Millisecond, 500, func(i int) {
		r := request(fmt.Sprint("other", i%20))
		r.URL.Path = fmt.Sprintf("/api/v1/clusters/c%04d", i)
		start := time.Now()
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		if others.add(time.Since(start)); w.Code != statusVisible {
			t.Errorf("%s: got %d %s, want %d", r.URL.Path, w.Code, w.Body, statusVisible)
		}
	})
}

// TestListsWithoutAccessDelayNobody runs six callers without access, whose lists need 800 reviews
// each, and the users of runOtherUsers.
func TestListsWithoutAccessDelayNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{latency: 5 * time.Millisecond, user: func(token string) string { return token }}
		hub.may = func(s authorizationv1.SubjectAccessReviewSpec) bool { return strings.HasPrefix(s.User, "other") }
		api := newLargeAPI(hub.authenticator(t), 800)
		var all sync.WaitGroup
		var lists, others latencies
		for i := range 6 {
			all.Go(func() {
				w := listAs(api, fmt.Sprint("nobody", i))
				if lists.add(time.Since(w.startedAt)); w.Code != http.StatusForbidden {
					t.Errorf("got %d %s, want 403", w.Code, w.Body)
				}
			})
		}
		all.Go(func() { runOtherUsers(t, api, &others) })
		all.Wait()
		if p99 := others.p99(); p99 > 100*time.Millisecond {
			t.Errorf("other users: got a P99 of %s, want at most 100ms", p99)
		}
		reviewsBefore := hub.accessReviews.Load()
		again := listAs(api, "nobody0")
		if again.Code != http.StatusForbidden || hub.accessReviews.Load() != reviewsBefore {
			t.Errorf("got %d after %d reviews, want 403 from the cache", again.Code, hub.accessReviews.Load()-reviewsBefore)
		}
		t.Logf("the lists' P99 %s, others' P99 %s, the hub answered %d at once at most", lists.p99(), others.p99(), hub.maxInFlight.Load())
	})
}

// TestAccessReviewTTL grants access and revokes it again.
func TestAccessReviewTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var allowed atomic.Bool
		hub := &fakeHub{may: func(authorizationv1.SubjectAccessReviewSpec) bool { return allowed.Load() }}
		reviewer := hub.accessReviewer(t)
		jane := caller{userOf("jane"), reviewer.authorize}
		may := func() bool { return jane.check(t.Context(), httpapi.Access{Verb: "list"}) == nil }
		until := func(want bool) time.Duration {
			start := time.Now()
			for may() != want {
				<-time.After(time.Second)
			}
			return time.Since(start)
		}
		if may() {
			t.Fatal("got access, want none")
		}
		allowed.Store(true)
		if elapsed := until(true); elapsed < deniedFor-deniedJitter || elapsed > deniedFor+time.Second {
			t.Errorf("granted access took effect after %s, want %s to %s", elapsed, deniedFor-deniedJitter, deniedFor)
		}
		allowed.Store(false)
		if elapsed := until(false); elapsed < acceptedFor-time.Second || elapsed > acceptedFor+time.Second {
			t.Errorf("revoked access took effect after %s, want %s", elapsed, acceptedFor)
		}
	})
}

// TestOneUserCannotEvictReviewsOfOthers has one user with more reviews than fit into the cache.
func TestOneUserCannotEvictReviewsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{may: func(authorizationv1.SubjectAccessReviewSpec) bool { return false }}
		reviewer := hub.accessReviewer(t)
		jane := caller{userOf("jane"), reviewer.authorize}
		first := httpapi.Access{Verb: "get", Cluster: "first", ListOnly: true}
		_ = jane.check(t.Context(), first)
		for i := range maxReviewsPerUser + 1000 {
			reviewer.cache.add("scanner", fmt.Sprint(i), answer{}, deniedFor)
		}
		before := hub.accessReviews.Load()
		if _ = jane.check(t.Context(), first); hub.accessReviews.Load() != before || reviewer.cache.len() != maxReviewsPerUser+1 {
			t.Errorf("got %d reviews and %d cached ones, want 0 and %d", hub.accessReviews.Load()-before, reviewer.cache.len(), maxReviewsPerUser+1)
		}
	})
}
