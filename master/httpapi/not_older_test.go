package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
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

func TestVersionsThatCannotBeResumed(t *testing.T) {
	for _, tc := range []struct {
		name, version string
		status        int
		reason        string
		wait          time.Duration
	}{
		{"of another epoch", "17.abc-4", 410, httpv1.ReasonExpired, 0},
		{"of the future", "17.9f2c-400", 410, httpv1.ReasonExpired, maxResumeWait},
		{"of the past, and forgotten", "17.9f2c-1", 410, httpv1.ReasonExpired, 0},
		{"of a lower term, of the same content", "3.9f2c-4", 200, "", 0},
		{"of a higher term, of the same content", "99.9f2c-4", 410, httpv1.ReasonExpired, maxResumeWait},
		{"no version", "yesterday", 400, httpv1.ReasonBadRequest, 0},
		{"a number", "42", 400, httpv1.ReasonBadRequest, 0},
		{"endless", "1." + strings.Repeat("f", 100) + "-1", 400, httpv1.ReasonBadRequest, 0},
		{"empty", "", 200, "", 0},
		{"zero", "0", 200, "", 0},
	} {
		bubble(t, func(t *testing.T, f *fake) {
			w := watching(t, f.api(nil), eu1+"?watch=true&resourceVersion="+tc.version, nil)
			<-time.After(tc.wait)
			synctest.Wait()
			if w.status != tc.status || tc.reason != "" && !strings.Contains(w.text(), `"reason":"`+tc.reason) {
				t.Errorf("%s: got %d %s, want %d %s", tc.name, w.status, w.text(), tc.status, tc.reason)
			}
			if want := 1; tc.status == 200 && f.Watching("prod-eu") != want || tc.status != 200 && f.Watching("prod-eu") != 0 {
				t.Errorf("%s: %d watches register demand, want 0", tc.name, f.Watching("prod-eu"))
			}
		})
	}
}
