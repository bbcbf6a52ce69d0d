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
)

// TestAnswersOfOneCallerAreNoOthers holds that nothing that is remembered about one caller
// counts for another one, however alike their names, groups and other attributes are, and
// however many ask at a time. Headlamp did that with credentials (CVE-2025-14269).
func TestAnswersOfOneCallerAreNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{latency: 5 * time.Millisecond}
		hub.may = func(s authorizationv1.SubjectAccessReviewSpec) bool {
			return s.User == "jane" && s.UID == "1" && slices.Equal(s.Groups, []string{"a", "b"}) && slices.Equal(s.Extra["scopes"], []string{"all"})
		}
		reviewer := hub.reviewer(t)
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
						err := (caller{&callers[i], reviewer.authorize}).may(t.Context(), httpapi.Access{Verb: "get", Cluster: "prod-eu", Brief: true})
						if (err == nil) != (i == 0) {
							t.Errorf("%+v: %v", callers[i], err)
						}
					})
				}
			}
			all.Wait()
		}
		if int(hub.rights.Load()) != len(callers) {
			t.Errorf("%d questions for %d callers", hub.rights.Load(), len(callers))
		}
	})
}

// TestCredentialsOfOneCallerAreNeverUsedForAnother holds that each question to the hub is
// asked by the master's own credentials and about the caller of the request, while others ask
// at the time, by token or by cookie, on whichever connection. Rancher's proxy used the
// credentials of others (CVE-2021-25320).
func TestCredentialsOfOneCallerAreNeverUsedForAnother(t *testing.T) {
	names := []string{"jane", "joe", "ann"}
	var mu sync.Mutex
	reviewed := map[string]int{}
	hub := &fakeHub{user: tokensOf(names...)}
	hub.may = func(s authorizationv1.SubjectAccessReviewSpec) bool {
		return s.ResourceAttributes.Name == "of-"+s.User
	}
	hub.seen = func(r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		reviewed[r.Header.Get("Authorization")]++
		for name := range r.Header {
			if strings.HasPrefix(name, "Impersonate") || name == "Cookie" || name == "X-Forwarded-For" {
				t.Errorf("the hub is sent %s", name)
			}
		}
	}
	config := hub.config()
	config.BearerToken = "the-master"
	guard, err := New(Config{Hub: config, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var clusters []httpapi.Registered
	for _, name := range names {
		clusters = append(clusters, httpapi.Registered{Name: "of-" + name})
	}
	server := httptest.NewServer(serving(guard, slog.New(slog.DiscardHandler), clusters))
	defer server.Close()
	// One client, whose connections all callers share, as behind a proxy.
	client := server.Client()
	cookies := map[string]string{}
	for _, name := range names {
		if cookies[name], _, err = guard.SignIn().Begin(request(""), name); err != nil {
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
				answer, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
				if want := map[bool]int{true: seen, false: http.StatusNotFound}[cluster == "of-"+name]; answer.StatusCode != want {
					t.Errorf("%s asks for %s: %d, want %d", name, cluster, answer.StatusCode, want)
				}
			}
		})
	}
	all.Wait()
	if len(reviewed) != 1 || reviewed["Bearer the-master"] == 0 {
		t.Errorf("the hub was asked with %v, want the master's own credentials", reviewed)
	}
}

// TestTheHubIsAskedTheSameAboutHiddenAndUnknownClusters compares answers and the number of
// reviews, of names and of addresses, in any order of questions: what is remembered of one
// must not tell of another.
func TestTheHubIsAskedTheSameAboutHiddenAndUnknownClusters(t *testing.T) {
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
				clusters := []httpapi.Registered{{Name: "mine"}, {Name: "hidden", ClusterIPs: []string{"203.0.113.7"}}}
				api := serving(hub.guard(t), slog.New(slog.DiscardHandler), clusters)
				for _, path := range order {
					r := request("jane")
					target := strings.NewReplacer("NAME", name, "ADDRESS", address).Replace(path)
					r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
					w := httptest.NewRecorder()
					before := hub.rights.Load()
					api.ServeHTTP(w, r)
					answer := strings.NewReplacer(name, "NAME", address, "ADDRESS").Replace(fmt.Sprint(w.Code, w.Header(), w.Body))
					if strings.HasSuffix(path, "clusters") {
						answer = "" // it has times
					}
					text += fmt.Sprintf("%s: %d reviews, %s\n", path, hub.rights.Load()-before, answer)
				}
				return text
			}
			hidden, unknown := ask("hidden", "203.0.113.7"), ask("nowher", "203.0.113.8")
			if hidden != unknown {
				t.Errorf("%v: of a hidden cluster\n%sof an unknown one\n%s", order, hidden, unknown)
			}
		}
	}
}

// TestWhoAsksTooMuchIsToldSo is of one user with more questions waiting than may: nobody else
// is refused.
func TestWhoAsksTooMuchIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{latency: time.Second, user: func(token string) string { return token }}
		guard := hub.guard(t)
		for _, who := range []string{"much", "little"} {
			if _, err := guard.Identify(request(who)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, leave := context.WithCancel(t.Context())
		api := serving(guard, slog.New(slog.DiscardHandler), nil)
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
		if w := ask("much", -1); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "too many questions") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		began := time.Now()
		if w := ask("little", 1); w.Code != http.StatusNotFound || time.Since(began) > 2*hub.latency {
			t.Errorf("somebody else: %d %s after %s", w.Code, w.Body, time.Since(began))
		}
		leave()
		<-time.After(time.Minute)
	})
}
