package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session"
)

// withSeq returns a copy of a report with another seq, as after a change.
func withSeq(t *testing.T, r *session.Report, seq uint64) *session.Report {
	t.Helper()
	next := *r
	s := *stateOf(t, r)
	s.Seq = seq
	next.LazyState = wire.NewLazyState(&s)
	return &next
}

// TestNotOlderThan reads from a master that gets a version some time after another master.
func TestNotOlderThan(t *testing.T) {
	for name, tc := range map[string]struct {
		query string
		after time.Duration // when the version comes; 0: never
		code  int
		took  time.Duration
		newer bool
	}{
		"without":         {"?", time.Second, http.StatusOK, 0, false},
		"comes":           {"?resourceVersionMatch=NotOlderThan&resourceVersion=%s", 100 * time.Millisecond, http.StatusOK, 100 * time.Millisecond, true},
		"does not come":   {"?timeout=2s&resourceVersionMatch=NotOlderThan&resourceVersion=%s", 0, http.StatusGatewayTimeout, 2 * time.Second, false},
		"without a match": {"?resourceVersion=%s", time.Second, http.StatusBadRequest, 0, false},
		"of no version":   {"?resourceVersionMatch=NotOlderThan", time.Second, http.StatusBadRequest, 0, false},
		"invalid":         {"?resourceVersionMatch=NotOlderThan&resourceVersion=1.x-2", time.Second, http.StatusBadRequest, 0, false},
		"too large":       {"?resourceVersionMatch=NotOlderThan&resourceVersion=99999999999999999999.1-2", time.Second, http.StatusBadRequest, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := shop(t)
				older := f.Reports["prod-eu"]
				newer := withSeq(t, older, older.Seq+1)
				if tc.after > 0 {
					go func() {
						<-time.After(tc.after)
						f.Change(func() { f.Reports["prod-eu"] = newer })
					}()
				}
				query := tc.query
				if strings.Contains(query, "%s") {
					query = fmt.Sprintf(query, newer.Version())
				}
				start := time.Now()
				w := get(f.api(nil), "/api/v1/clusters/prod-eu/nodes"+query)
				if took := time.Since(start); w.Code != tc.code || took != tc.took {
					t.Errorf("got %d after %s, want %d after %s: %s", w.Code, took, tc.code, tc.took, w.Body)
				}
				if got := strings.Contains(w.Body.String(), newer.ResourceVersion()); tc.code == http.StatusOK && got != tc.newer {
					t.Errorf("got the newer version: %t, want %t", got, tc.newer)
				}
				<-time.After(2 * time.Second)
			})
		})
	}
}

// TestWatchResumesFromAVersionOfAnotherMaster: the version arrives after the client.
func TestWatchResumesFromAVersionOfAnotherMaster(t *testing.T) {
	for name, tc := range map[string]struct {
		query string
		want  []string
		not   string
	}{
		"resumption": {"resourceVersion=%s", []string{`"BOOKMARK"`}, `"ADDED"`},
		"a list":     {"resourceVersion=%s&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", []string{`"ADDED"`, "%s"}, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := shop(t)
				older := f.Reports["prod-eu"]
				newer := withSeq(t, older, older.Seq+1)
				go func() {
					<-time.After(time.Second)
					f.Change(func() { f.Reports["prod-eu"] = newer })
				}()
				target := "/api/v1/clusters/prod-eu/nodes?watch=true&allowWatchBookmarks=true&timeoutSeconds=8&" + fmt.Sprintf(tc.query, newer.Version())
				w := get(f.api(nil), target)
				body := w.Body.String()
				for _, want := range tc.want {
					if want = strings.ReplaceAll(want, "%s", newer.ResourceVersion()); !strings.Contains(body, want) {
						t.Errorf("got %d %s, want it to contain %s", w.Code, body, want)
					}
				}
				if w.Code != http.StatusOK || strings.Contains(body, tc.not) || strings.Contains(body, older.ResourceVersion()) {
					t.Errorf("got %d %s, want no %s and not the older version", w.Code, body, tc.not)
				}
			})
		})
	}
}
