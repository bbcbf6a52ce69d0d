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
)

// from is a request with a token from an address.
func from(address, token string) *http.Request {
	r := request(token)
	r.RemoteAddr = address
	return r
}

// tokensOf returns whose token is whose: each of some users has one of their name.
func tokensOf(names ...string) func(token string) string {
	return func(token string) string {
		if slices.Contains(names, token) {
			return token
		}
		return ""
	}
}

// latencies are how long requests took.
type latencies struct {
	mu  sync.Mutex
	all []time.Duration
}

func (l *latencies) add(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, took)
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

// every calls f in a goroutine of its own each period, n times.
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

// TestGarbageTokensKeepNobodyOut is the attack of 830 made-up tokens a second, of one address
// and of many. Those who are known, and whose answers expire meanwhile, are let in at once,
// also from the attacker's address; and so is a newcomer from elsewhere.
func TestGarbageTokensKeepNobodyOut(t *testing.T) {
	const flood, lasts = 830, 22 * time.Second
	for name, tc := range map[string]struct {
		address func(i int) string
		// perSecond is how much garbage the hub sees at most.
		perSecond int
	}{
		"of one address":           {func(int) string { return "198.51.100.1:1" }, addressQPS},
		"of a /64":                 {func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i) }, addressQPS},
		"of four thousand of IPv6": {func(i int) string { return fmt.Sprintf("[2001:db8:0:%x::1]:1", i%4096) }, int(unknownQueue.qps)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := &fakeHub{latency: 5 * time.Millisecond, user: tokensOf("jane", "joe", "new")}
				guard := hub.guard(t)
				api := suspended(guard, slog.New(slog.DiscardHandler))
				for _, known := range []string{"jane", "joe"} {
					if _, err := guard.Identify(from("203.0.113.7:1", known)); err != nil {
						t.Fatal(err)
					}
				}
				var all sync.WaitGroup
				var refused, unauthorized atomic.Int64
				all.Go(func() {
					every(time.Second/flood, flood*int(lasts/time.Second), func(i int) {
						w := httptest.NewRecorder()
						api.ServeHTTP(w, from(tc.address(i), fmt.Sprint("garbage", i)))
						switch {
						case w.Code == http.StatusUnauthorized:
							unauthorized.Add(1)
						case w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "1" && strings.Contains(w.Body.String(), "has not seen before"):
							refused.Add(1)
						default:
							t.Errorf("garbage: %d %s", w.Code, w.Body)
						}
					})
				})
				var took latencies
				for who, address := range map[string]string{"jane": "198.51.100.1:2", "joe": "203.0.113.7:2"} {
					all.Go(func() {
						every(100*time.Millisecond, int(lasts/(100*time.Millisecond)), func(int) {
							began := time.Now()
							w := httptest.NewRecorder()
							api.ServeHTTP(w, from(address, who))
							if took.add(time.Since(began)); w.Code != http.StatusOK {
								t.Errorf("%s: %d %s", who, w.Code, w.Body)
							}
						})
					})
				}
				<-time.After(10 * time.Second)
				if tc.perSecond == addressQPS {
					began := time.Now()
					if _, err := guard.Identify(from("192.0.2.1:1", "new")); err != nil || time.Since(began) > 100*time.Millisecond {
						t.Errorf("a newcomer: %v after %s", err, time.Since(began))
					}
				}
				all.Wait()
				asked, most := int(hub.tokens.Load()), addressBurst+unknownQueue.burst+tc.perSecond*int((lasts+unknownQueue.timeout)/time.Second)+20
				if asked > most || refused.Load() == 0 || unauthorized.Load() == 0 {
					t.Errorf("the hub was asked about %d tokens, want %d at most; %d were refused, %d unauthorized", asked, most, refused.Load(), unauthorized.Load())
				}
				if p99 := took.p99(); p99 > 100*time.Millisecond {
					t.Errorf("the others' P99 was %s", p99)
				}
				t.Logf("%d TokenReviews in %s, others' P99 %s", asked, lasts, took.p99())
			})
		})
	}
}

// TestTokensCountForWhoSentThem is of proxies that are trusted, and of callers who write
// X-Forwarded-For themselves.
func TestTokensCountForWhoSentThem(t *testing.T) {
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
			guard, err := New(Config{Hub: (&fakeHub{}).config(), TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Metrics: metrics, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			refused := 0
			for i := range addressBurst + 50 {
				r := from(tc.remote, fmt.Sprint("garbage", i))
				if tc.forwarded != "" {
					r.Header.Set("X-Forwarded-For", strings.Replace(tc.forwarded, "%d", strconv.Itoa(i), 1))
				}
				if _, err := guard.Identify(r); errors.Is(err, httpapi.ErrTooMany) {
					refused++
				}
			}
			if (refused == 50) != tc.refused || (refused == 0) == tc.refused {
				t.Errorf("from %s for %q: %d are refused", tc.remote, tc.forwarded, refused)
			}
			want := fmt.Sprintf("# HELP rollcall_access_reviews_total Reviews that the hub was asked for, by kind (token, access) and outcome (allowed, denied, error).\n"+
				"# TYPE rollcall_access_reviews_total counter\nrollcall_access_reviews_total{kind=\"token\",outcome=\"denied\"} %d\n", addressBurst+50-refused)
			if err := testutil.GatherAndCompare(metrics, strings.NewReader(want), "rollcall_access_reviews_total"); err != nil {
				t.Error(err)
			}
			if n, err := testutil.GatherAndCount(metrics, "rollcall_access_reviews_waiting", "rollcall_access_refused_total"); err != nil || n < 3 {
				t.Errorf("%d metrics of queues and limits, %v", n, err)
			}
		})
	}
}

// TestRememberedTokensAreBounded holds that garbage takes no memory without limit, and no
// place of a token that is known.
func TestRememberedTokensAreBounded(t *testing.T) {
	tokens := newTokens(nil, nil, func(error) {})
	jane := acceptedToken{}
	tokens.known.add("jane", "jane's", jane, knownFor)
	for i := range 2 * maxRefused {
		tokens.remember(fmt.Sprint(i), addressOf(t.Context()), nil)
	}
	for i := range 3 * maxTokens {
		tokens.known.add(fmt.Sprint("user", i/(2*maxTokensOfUser)), fmt.Sprint(i), jane, knownFor)
	}
	if _, ok := tokens.known.get("jane's"); !ok || tokens.known.len() != maxTokens || tokens.refused.len() != maxRefusedOfAddress {
		t.Errorf("jane is known: %t, beside %d tokens and %d that were refused; want her, %d and %d", ok, tokens.known.len(), tokens.refused.len(), maxTokens, maxRefusedOfAddress)
	}
}

// fleet is an API with so many clusters, c0000 and on.
func fleet(guard *Guard, n int) *httpapi.API {
	clusters := make([]httpapi.Registered, n)
	for i := range clusters {
		clusters[i].Name = fmt.Sprintf("c%04d", i)
	}
	return serving(guard, slog.New(slog.DiscardHandler), clusters)
}

// tenth says that somebody may see some ten of 2,400 clusters.
func tenth(name string) bool {
	return strings.HasSuffix(name, "40") && name[1] < '1' || name == "c2399"
}

// answering is a client that notes when its answer began.
type answering struct {
	*httptest.ResponseRecorder
	began, first time.Time
}

func listAs(api http.Handler, token string) *answering {
	w := &answering{ResponseRecorder: httptest.NewRecorder(), began: time.Now()}
	api.ServeHTTP(w, request(token))
	return w
}

func (a *answering) Write(b []byte) (int, error) {
	if a.first.IsZero() {
		a.first = time.Now()
	}
	return a.ResponseRecorder.Write(b)
}

func clustersIn(t *testing.T, w *answering) (names []string) {
	t.Helper()
	var document struct{ Clusters []struct{ Name string } }
	if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %v: %.200s", w.Code, err, w.Body)
	}
	for _, c := range document.Clusters {
		names = append(names, c.Name)
	}
	return names
}

// TestAListOfManyClustersForWhoMaySeeTen holds how long it takes, in the time that the hub
// and the limits make it take, and that nobody else waits for it. Other questions are of 20
// users who ask about another cluster each time.
func TestAListOfManyClustersForWhoMaySeeTen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clusters = 2400
		hub := &fakeHub{latency: 5 * time.Millisecond, user: func(token string) string { return token }}
		hub.may = func(s authorizationv1.SubjectAccessReviewSpec) bool {
			return s.User != "ten" || s.ResourceAttributes.Verb == "get" && tenth(s.ResourceAttributes.Name)
		}
		api := fleet(hub.guard(t), clusters)
		var all sync.WaitGroup
		var took latencies
		all.Go(func() { others(t, api, &took) })
		<-time.After(100 * time.Millisecond)
		first := listAs(api, "ten")
		whole := time.Since(first.began)
		asked := hub.rights.Load()
		again := listAs(api, "ten")
		names := clustersIn(t, first)
		if len(names) != 11 || !slices.Equal(names, clustersIn(t, again)) || !slices.IsSorted(names) {
			t.Errorf("the lists have %v and %v", names, clustersIn(t, again))
		}
		if begins := first.first.Sub(first.began); whole > 12*time.Second || begins > time.Second || first.Header().Get("Etag") != "" {
			t.Errorf("the first list took %s and began after %s with the ETag %q; want 12 s and 1 s at most, and none", whole, begins, first.Header().Get("Etag"))
		}
		if again := time.Since(again.began) - whole; again > 200*time.Millisecond || hub.rights.Load() > asked+500 {
			t.Errorf("the second list took %s and %d questions", again, hub.rights.Load()-asked)
		}
		if again.Header().Get("Etag") == "" {
			t.Error("a list whose answers are known has no ETag")
		}
		all.Wait()
		if p99 := took.p99(); p99 > 100*time.Millisecond {
			t.Errorf("the others' P99 was %s", p99)
		}
		t.Logf("first %s, its first bytes after %s, others' P99 %s", whole, first.first.Sub(first.began), took.p99())
	})
}

// others has 20 users ask about a hundred clusters a second for five seconds, and adds to took
// how long each answer took.
func others(t *testing.T, api http.Handler, took *latencies) {
	every(10*time.Millisecond, 500, func(i int) {
		r := request(fmt.Sprint("other", i%20))
		r.URL.Path = fmt.Sprintf("/api/v1/clusters/c%04d", i)
		began := time.Now()
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		if took.add(time.Since(began)); w.Code != seen {
			t.Errorf("%s: %d %s", r.URL.Path, w.Code, w.Body)
		}
	})
}

// TestListsWithoutRightsMakeNobodyWait is the attack of six callers without a right, whose
// lists ask about 800 clusters each. The others are 20 users with some rights, of whom each
// asks about five more clusters a second.
func TestListsWithoutRightsMakeNobodyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{latency: 5 * time.Millisecond, user: func(token string) string { return token }}
		hub.may = func(s authorizationv1.SubjectAccessReviewSpec) bool { return strings.HasPrefix(s.User, "other") }
		api := fleet(hub.guard(t), 800)
		var all sync.WaitGroup
		var lists, took latencies
		for i := range 6 {
			all.Go(func() {
				w := listAs(api, fmt.Sprint("nobody", i))
				if lists.add(time.Since(w.began)); w.Code != http.StatusForbidden {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			})
		}
		all.Go(func() { others(t, api, &took) })
		all.Wait()
		if p99 := took.p99(); p99 > 100*time.Millisecond {
			t.Errorf("the others' P99 was %s", p99)
		}
		asked := hub.rights.Load()
		again := listAs(api, "nobody0")
		if again.Code != http.StatusForbidden || hub.rights.Load() != asked {
			t.Errorf("%d with %d questions, want that refusals are remembered", again.Code, hub.rights.Load()-asked)
		}
		t.Logf("the lists' P99 %s, others' P99 %s, the hub answered %d at once at most", lists.p99(), took.p99(), hub.most.Load())
	})
}

// TestHowLongRightsAreRemembered is of a right that is given, and of one that is taken.
func TestHowLongRightsAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var allowed atomic.Bool
		hub := &fakeHub{may: func(authorizationv1.SubjectAccessReviewSpec) bool { return allowed.Load() }}
		reviewer := hub.reviewer(t)
		jane := caller{userOf("jane"), reviewer.authorize}
		may := func() bool { return jane.may(t.Context(), httpapi.Access{Verb: "list"}) == nil }
		until := func(want bool) time.Duration {
			began := time.Now()
			for may() != want {
				<-time.After(time.Second)
			}
			return time.Since(began)
		}
		if may() {
			t.Fatal("allowed")
		}
		allowed.Store(true)
		if took := until(true); took < deniedFor-deniedJitter || took > deniedFor+time.Second {
			t.Errorf("a right that was given counts after %s", took)
		}
		allowed.Store(false)
		if took := until(false); took < acceptedFor-time.Second || took > acceptedFor+time.Second {
			t.Errorf("a right that was taken counts for %s", took)
		}
	})
}

// TestOneUserCannotEvictTheAnswersOfOthers has one user ask about more clusters than
// are remembered, by many tokens.
func TestOneUserCannotEvictTheAnswersOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{may: func(authorizationv1.SubjectAccessReviewSpec) bool { return false }}
		reviewer := hub.reviewer(t)
		jane := caller{userOf("jane"), reviewer.authorize}
		first := httpapi.Access{Verb: "get", Cluster: "first", Brief: true}
		_ = jane.may(t.Context(), first)
		for i := range maxAnswersOfUser + 1000 {
			reviewer.answers.add("scanner", fmt.Sprint(i), false, deniedFor)
		}
		before := hub.rights.Load()
		if _ = jane.may(t.Context(), first); hub.rights.Load() != before || reviewer.answers.len() != maxAnswersOfUser+1 {
			t.Errorf("%d questions, %d answers; want that jane's is remembered beside %d", hub.rights.Load()-before, reviewer.answers.len(), maxAnswersOfUser)
		}
	})
}
