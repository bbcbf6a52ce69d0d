package httpapi

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session"
)

const listPath = "/api/v1/clusters?watch=true"

func TestListWatchSendsChangesAtMostOncePerSecond(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), listPath, nil)
		w.expect("ADDED Cluster prod-eu", "ADDED Cluster v1.24.lab", "BOOKMARK initial-events-end")
		for range 5 {
			<-time.After(100 * time.Millisecond)
			f.report(t, "prod-eu", nil, node("n1", state.False))
			f.report(t, "prod-eu", nil, node("n1", state.True), node("n2", state.True))
		}
		w.expect()
		<-time.After(time.Second)
		w.expect("MODIFIED Cluster prod-eu")
		f.report(t, "prod-eu", nil)
		<-time.After(2 * time.Second)
		w.expect()
		f.Change(func() { f.Registered = append(f.Registered, session.Registered{Name: "new"})[1:] })
		<-time.After(time.Second)
		w.expect("ADDED Cluster new", "DELETED Cluster prod-eu")
		if f.Watching("prod-eu")+f.Watching("v1.24.lab") != 0 {
			t.Error("watching the list registered demand")
		}
	})
}

func TestListWatchDemand(t *testing.T) {
	for demand, want := range map[string]string{"": "0 0 0", "&demand=prod-eu": "1 0 0", "&demand=prod-eu,v1.24.lab": "1 1 0", "&demand=*": "1 1 1"} {
		bubble(t, func(t *testing.T, f *fake) {
			w := watching(t, f.api(nil), listPath+demand, nil)
			f.Change(func() { f.Registered = append(f.Registered, session.Registered{Name: "new"}) })
			<-time.After(time.Second)
			w.text()
			if got := fmt.Sprint(f.Watching("prod-eu"), f.Watching("v1.24.lab"), f.Watching("new")); got != want {
				t.Errorf("%q: got demand %s, want %s", demand, got, want)
			}
			w.cancel()
			if !w.ended() || f.Watching("prod-eu")+f.Watching("v1.24.lab")+f.Watching("new") != 0 {
				t.Errorf("%q: got demand after the end of the stream, want none", demand)
			}
		})
	}
}

func TestListWatchDetail(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), listPath+"&detail=prod-eu", nil)
		w.expect("ADDED Cluster prod-eu", "ADDED Cluster v1.24.lab", "BOOKMARK initial-events-end",
			"prod-eu: ADDED Node n1", "prod-eu: ADDED Pod web-1", "prod-eu: ADDED Container app", "prod-eu: ADDED Port", "prod-eu: ADDED Summary", "prod-eu: ADDED Session Reporting", "prod-eu: BOOKMARK initial-events-end")
		f.report(t, "prod-eu", nil, node("n2", state.True))
		f.report(t, "v1.24.lab", nil, node("n3", state.True))
		w.expect("prod-eu: ADDED Node n2", "prod-eu: MODIFIED Summary")
		f.Change(func() { f.Registered = f.Registered[1:] })
		w.expect("prod-eu: ERROR 404 NotFound")
		<-time.After(time.Second)
		w.expect("DELETED Cluster prod-eu", "MODIFIED Cluster v1.24.lab")
	})
}

func TestListWatchResumes(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		api := f.api(nil)
		listed := strings.Trim(string(fields(t, get(api, "/api/v1/clusters").Body)["resourceVersion"]), `"`)
		<-time.After(time.Second)
		f.report(t, "prod-eu", nil, node("n2", state.True))
		w := watching(t, api, listPath+"&resourceVersion="+listed, nil)
		w.expect("MODIFIED Cluster prod-eu")
		for version, want := range map[string]int{"0123456789abcdef-1": 410, strings.TrimSuffix(listed, "1") + "99": 410, "17.9f2c-4": 400, "0": 200} {
			if w := watching(t, api, listPath+"&resourceVersion="+version, nil); w.status != want {
				t.Errorf("version %s: got %d, want %d", version, w.status, want)
			}
		}
	})
}

func TestListWatchHeartbeatsAreBookmarksIfAllowed(t *testing.T) {
	for query, want := range map[string][]string{"": nil, "&allowWatchBookmarks=true": {"BOOKMARK", "BOOKMARK"}} {
		bubble(t, func(t *testing.T, f *fake) {
			w := watching(t, f.api(nil), listPath+query, nil)
			<-time.After(time.Minute)
			w.text() // by now nothing is fresh any more, and nothing else will happen
			<-time.After(2 * heartbeatInterval)
			w.expect(want...)
		})
	}
}

func TestListWatchAsServerSentEvents(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), listPath+"&detail=prod-eu", eventSource(""))
		stream := w.text()
		lines, ids := parseSSE(t, stream)
		if n := len(decodeEvents(t, lines)); n != 10 || len(ids) != 3 || ids[0] != "0" || strings.Contains(ids[2], ".") {
			t.Errorf("got %d events with ids %v; want 10 events, with ids for the 3 of the list", n, ids)
		}
	})
}

// fakeAuthorizer is an authorizer whose results change over time.
type fakeAuthorizer struct {
	mu      sync.Mutex
	results map[string]error
}

func (s *fakeAuthorizer) set(results map[string]error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.results, results)
}

func (s *fakeAuthorizer) authenticate(*http.Request) (Authorizer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.authorize, s.results["identify"]
}

func (s *fakeAuthorizer) authorize(_ context.Context, want Access) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err, ok := s.results[strings.TrimSpace(want.Verb+" "+want.Cluster)]; ok {
		return err
	}
	if want.Cluster != "" {
		return ErrHidden
	}
	return ErrForbidden
}

func TestListWatchHidesInvisibleClusters(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		s := &fakeAuthorizer{results: map[string]error{"get prod-eu": nil, "watch prod-eu": nil}}
		api := f.api(func(c *Config) { c.Authenticate = s.authenticate })
		for _, query := range []string{"&detail=v1.24.lab", "&demand=v1.24.lab", "&detail=nowhere", "&demand=nowhere"} {
			if w := watching(t, api, listPath+query, nil); w.status != 404 {
				t.Errorf("%s: got %d, want 404", query, w.status)
			}
		}
		w := watching(t, api, listPath+"&demand=*&detail=prod-eu", nil)
		if text := w.text(); strings.Contains(text, "v1.24") || !strings.Contains(text, `"cluster":"prod-eu"`) {
			t.Errorf("got events %s, want none about the invisible cluster", text)
		}
		if f.Watching("v1.24.lab") != 0 {
			t.Error("demand=* registered demand for an invisible cluster")
		}
		f.report(t, "v1.24.lab", nil, node("n3", state.True))
		<-time.After(time.Second)
		if text := w.text(); strings.Contains(text, "v1.24") {
			t.Errorf("got events %s, want none about the invisible cluster", text)
		}
		s.set(map[string]error{"get v1.24.lab": nil, "get prod-eu": ErrHidden, "watch prod-eu": ErrHidden})
		<-time.After(recheckInterval)
		text := w.text()
		got := strings.Join(briefs(decodeEvents(t, text)), ", ")
		for _, want := range []string{"DELETED Cluster prod-eu", "ADDED Cluster v1.24.lab", "prod-eu: ERROR 404 NotFound"} {
			if !strings.Contains(got, want) {
				t.Errorf("after a review: got %s, want it to contain %s", got, want)
			}
		}
		s.set(map[string]error{"identify": fmt.Errorf("%w: expired", ErrUnauthenticated)})
		<-time.After(recheckInterval)
		if got := w.received(); len(got) == 0 || got[len(got)-1] != "ERROR 401 Unauthorized" || !w.ended() {
			t.Errorf("after the token expired: got %v, want ERROR 401 and the end of the stream", got)
		}
	})
}

func TestListWatchReviewsAccessOnceAtStart(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		identified, reviews := 0, 0
		w := watching(t, f.api(func(c *Config) {
			c.Authenticate = func(*http.Request) (Authorizer, error) {
				identified++
				return func(context.Context, Access) error { reviews++; return nil }, nil
			}
		}), listPath+"&demand=*", nil)
		if w.text(); identified != 1 || reviews != 1 {
			t.Errorf("got %d authentications and %d reviews, want 1 each", identified, reviews)
		}
	})
}

func TestListWatchFiltersByWords(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), listPath+"&q=Backoff", nil)
		w.expect("BOOKMARK initial-events-end")
		f.observe("prod-eu", session.Status{Session: session.Info{Phase: session.Backoff}, Message: "refused"})
		<-time.After(time.Second)
		w.expect("ADDED Cluster prod-eu")
		f.observe("prod-eu", reporting)
		<-time.After(time.Second)
		w.expect("DELETED Cluster prod-eu")
	})
}

func TestDetailStartsWithTheFirstReport(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		v := f.Reports["prod-eu"]
		delete(f.Reports, "prod-eu")
		w := watching(t, f.api(nil), listPath+"&detail=prod-eu", nil)
		w.expect("ADDED Cluster prod-eu", "ADDED Cluster v1.24.lab", "BOOKMARK initial-events-end")
		f.Change(func() { f.Reports["prod-eu"] = v })
		if got := w.received(); len(got) != 7 || got[6] != "prod-eu: BOOKMARK initial-events-end" {
			t.Errorf("got events %v, want seven, the last of which ends the initial events", got)
		}
	})
}

func TestListWatchRejectsInvalidParameters(t *testing.T) {
	many := strings.Repeat("a,", maxDetailClusters) + "a"
	for query, parameter := range map[string]string{
		"&detail=": "detail", "&detail=a%20b": "detail", "&detail=*": "detail", "&detail=a@yesterday": "detail", "&demand=": "demand", "&limit=1": "limit", "&namespace=x": "namespace",
		"&timeout=5s": "timeout", "&detail=" + many: "detail", "&q=": "q",
	} {
		w := get(shop(t).api(nil), listPath+query)
		if got := string(fields(t, w.Body)["parameter"]); w.Code != 400 || got != fmt.Sprintf("%q", parameter) {
			t.Errorf("%s: got %d, parameter %s; want 400, parameter %q", query, w.Code, got, parameter)
		}
	}
}

func TestListIsPagedAndSearched(t *testing.T) {
	f := shop(t)
	api := f.api(nil)
	first := fields(t, get(api, "/api/v1/clusters?limit=1").Body)
	token := strings.Trim(string(first["continue"]), `"`)
	second := fields(t, get(api, "/api/v1/clusters?limit=1&continue="+token).Body)
	if string(first["resourceVersion"]) != string(second["resourceVersion"]) {
		t.Errorf("got versions %s and %s, want both pages to have the first version", first["resourceVersion"], second["resourceVersion"])
	}
	if !strings.Contains(string(first["clusters"]), `"prod-eu"`) || !strings.Contains(string(second["clusters"]), `"v1.24.lab"`) || second["continue"] != nil {
		t.Errorf("got pages %s and %s, want one cluster on each, and no third page", first["clusters"], second["clusters"])
	}
	if found := fields(t, get(api, "/api/v1/clusters?q=2001:DB8").Body); !strings.Contains(string(found["clusters"]), `"prod-eu"`) || strings.Contains(string(found["clusters"]), "v1.24") {
		t.Errorf("got %s, want only prod-eu", found["clusters"])
	}
	for _, query := range []string{"continue=%ff", "continue=!", "continue=QSBi", "limit=0", "limit=-1"} {
		if w := get(api, "/api/v1/clusters?"+query); w.Code != 400 {
			t.Errorf("%s: got %d, want 400", query, w.Code)
		}
	}
}
