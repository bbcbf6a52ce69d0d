package access

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apiserver/pkg/authentication/user"

	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/session"
)

// TestReviewsAreNotSharedBetweenCallers checks that a cached review of one caller does not apply to
// another one, however similar their names, groups and other attributes are, and with concurrent
// requests. Headlamp reused credentials in this way (CVE-2025-14269).
func TestReviewsAreNotSharedBetweenCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{latency: 5 * time.Millisecond}
		hub.may = func(s authorizationv1.SubjectAccessReviewSpec) bool {
			return s.User == "jane" && s.UID == "1" && slices.Equal(s.Groups, []string{"a", "b"}) && slices.Equal(s.Extra["scopes"], []string{"all"})
		}
		reviewer := hub.accessReviewer(t)
		jane := user.DefaultInfo{Name: "jane", UID: "1", Groups: []string{"a", "b"}, Extra: map[string][]string{"scopes": {"all"}}}
		callers := []user.DefaultInfo{jane}
		for _, change := range []func(*user.DefaultInfo){
			func(u *user.DefaultInfo) { u.Name = "joe" },
			func(u *user.DefaultInfo) { u.Name = `jane","uid":"1` },
			func(u *user.DefaultInfo) { u.Name = "jan"; u.UID = "e1" },
			func(u *user.DefaultInfo) { u.UID = "" },
			func(u *user.DefaultInfo) { u.Groups = []string{"a"} },
			func(u *user.DefaultInfo) { u.Groups = []string{"a,b"} },
			func(u *user.DefaultInfo) { u.Groups = []string{`a","b`} },
			func(u *user.DefaultInfo) { u.Groups = []string{"b", "a"} },
			func(u *user.DefaultInfo) { u.Extra = nil },
			func(u *user.DefaultInfo) { u.Extra = map[string][]string{"scopes": {"none"}} },
			func(u *user.DefaultInfo) { u.Extra = map[string][]string{"scope": {"all"}} },
		} {
			other := jane
			change(&other)
			callers = append(callers, other)
		}
		for range 3 {
			var all sync.WaitGroup
			for i := range callers {
				for range 5 {
					all.Go(func() {
						err := (caller{&callers[i], reviewer.authorize}).check(t.Context(), httpapi.Access{Verb: "get", Cluster: "prod-eu", ListOnly: true})
						if (err == nil) != (i == 0) {
							t.Errorf("%+v: got error %v, want access %t", callers[i], err, i == 0)
						}
					})
				}
			}
			all.Wait()
		}
		if int(hub.accessReviews.Load()) != len(callers) {
			t.Errorf("got %d reviews, want one for each of %d callers", hub.accessReviews.Load(), len(callers))
		}
	})
}

// TestHubRequestsUseOwnCredentials checks that each review is sent with the master's own
// credentials and about the caller of the request, with concurrent requests that have tokens or
// cookies and share connections. Rancher's proxy used credentials of other callers
// (CVE-2021-25320).
func TestHubRequestsUseOwnCredentials(t *testing.T) {
	names := []string{"jane", "joe", "ann"}
	var mu sync.Mutex
	reviewed := map[string]int{}
	hub := &fakeHub{user: userNames(names...)}
	hub.may = func(s authorizationv1.SubjectAccessReviewSpec) bool {
		return s.ResourceAttributes.Name == "of-"+s.User
	}
	hub.onRequest = func(r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		reviewed[r.Header.Get("Authorization")]++
		for name := range r.Header {
			if strings.HasPrefix(name, "Impersonate") || name == "Cookie" || name == "X-Forwarded-For" {
				t.Errorf("got header %s in a request to the hub, want it removed", name)
			}
		}
	}
	config := hub.config()
	config.BearerToken = "the-master"
	auth, err := New(Config{Hub: config, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var clusters []session.Registered
	for _, name := range names {
		clusters = append(clusters, session.Registered{Name: "of-" + name})
	}
	server := httptest.NewServer(newAPIWith(auth, slog.New(slog.DiscardHandler), clusters))
	defer server.Close()
	// All callers share the connections of one client, as behind a proxy.
	client := server.Client()
	cookies := map[string]string{}
	for _, name := range names {
		if cookies[name], _, err = auth.SignIn().Start(request(""), name); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for i := range 120 {
		name, other := names[i%3], names[(i+1)%3]
		all.Go(func() {
			for _, cluster := range []string{"of-" + name, "of-" + other} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/clusters/"+cluster, nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Impersonate-User", other)
				r.Header.Set("X-Remote-User", other)
				switch i % 2 {
				case 0:
					r.Header.Set("Authorization", "Bearer "+name)
					r.AddCookie(&http.Cookie{Name: "rollcall-session", Value: cookies[other]})
				default:
					r.AddCookie(&http.Cookie{Name: "rollcall-session", Value: cookies[name]})
				}
				response, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				if want := map[bool]int{true: statusVisible, false: http.StatusNotFound}[cluster == "of-"+name]; response.StatusCode != want {
					t.Errorf("%s, cluster %s: got %d, want %d", name, cluster, response.StatusCode, want)
				}
			}
		})
	}
	all.Wait()
	if len(reviewed) != 1 || reviewed["Bearer the-master"] == 0 {
		t.Errorf("got reviews with credentials %v, want only the master's", reviewed)
	}
}

// TestReviewsOfHiddenAndUnknownClustersAreTheSame compares responses and the number of reviews, for
// names and addresses and in several orders: a cached review must not reveal that a cluster exists.
func TestReviewsOfHiddenAndUnknownClustersAreTheSame(t *testing.T) {
	const list = "/api/v1/clusters"
	orders := [][]string{
		{list + "/NAME", list + "/ADDRESS"},
		{list + "/ADDRESS", list + "/NAME"},
		{list, list + "/NAME"},
		{list, list + "/ADDRESS"},
		{list + "/NAME/summary", list + "/NAME/pods?watch=true", list + "/ADDRESS/summary", list + "/ADDRESS/pods?watch=true"},
		{"/heapster/NAME/api/v1/model/nodes/", "/heapster/ADDRESS/api/v1/model/nodes/"},
		{list + "/ADDRESS", list + "/ADDRESS"},
	}
	for _, granted := range []bool{false, true} {
		for _, order := range orders {
			ask := func(name, address string) (text string) {
				hub := &fakeHub{may: func(s authorizationv1.SubjectAccessReviewSpec) bool {
					return granted && s.ResourceAttributes.Name == "mine"
				}}
				clusters := []session.Registered{{Name: "mine"}, {Name: "hidden", ClusterIPs: []string{"203.0.113.7"}}}
				api := newAPIWith(hub.authenticator(t), slog.New(slog.DiscardHandler), clusters)
				for _, path := range order {
					r := request("jane")
					target := strings.NewReplacer("NAME", name, "ADDRESS", address).Replace(path)
					r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
					w := httptest.NewRecorder()
					before := hub.accessReviews.Load()
					api.ServeHTTP(w, r)
					response := strings.NewReplacer(name, "NAME", address, "ADDRESS").Replace(fmt.Sprint(w.Code, w.Header(), w.Body))
					if strings.HasSuffix(path, "clusters") {
						response = "" // it contains times
					}
					text += fmt.Sprintf("%s: %d reviews, %s\n", path, hub.accessReviews.Load()-before, response)
				}
				return text
			}
			hidden, unknown := ask("hidden", "203.0.113.7"), ask("nowher", "203.0.113.8")
			if hidden != unknown {
				t.Errorf("%v: got different responses, want the same; hidden cluster:\n%sunknown cluster:\n%s", order, hidden, unknown)
			}
		}
	}
}

// TestTooManyReviewsOfOneUser checks that a user with too many waiting reviews gets an error, and
// that other users do not.
func TestTooManyReviewsOfOneUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{latency: time.Second, user: func(token string) string { return token }}
		auth := hub.authenticator(t)
		for _, who := range []string{"much", "little"} {
			if _, err := auth.Identify(request(who)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		api := newAPIWith(auth, slog.New(slog.DiscardHandler), nil)
		ask := func(who string, i int) *httptest.ResponseRecorder {
			r := request(who).WithContext(ctx)
			r.URL.Path = fmt.Sprintf("/api/v1/clusters/c%d", i)
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			return w
		}
		for i := range accessQueue.perKey + accessQueue.waitingPerKey {
			go ask("much", i)
		}
		synctest.Wait()
		if w := ask("much", -1); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "too many of your access reviews") {
			t.Errorf("got %d %s, want 429 with Retry-After", w.Code, w.Body)
		}
		start := time.Now()
		if w := ask("little", 1); w.Code != http.StatusNotFound || time.Since(start) > 2*hub.latency {
			t.Errorf("other user: got %d %s after %s, want 404 within %s", w.Code, w.Body, time.Since(start), 2*hub.latency)
		}
		cancel()
		<-time.After(time.Minute)
	})
}
