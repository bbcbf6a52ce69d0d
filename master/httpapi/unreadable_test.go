package httpapi

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session"
)

// unreadable returns a copy of a report whose objects cannot be decoded.
func unreadable(t *testing.T, r *session.Report) *session.Report {
	t.Helper()
	s := stateOf(t, r)
	receiver := wire.NewReceiver(s.Epoch, wire.NewLazyState(s))
	c := *r
	c.LazyState = receiver.CompactAs(wire.NewCodec(), [][]byte{make([]byte, 4<<10)})
	if !c.IsCompact() {
		t.Fatal("the objects are not compact")
	}
	c.Evict()
	return &c
}

func TestUnreadableReportIsAProblem(t *testing.T) {
	f := shop(t)
	f.Reports["prod-eu"] = unreadable(t, f.Reports["prod-eu"])
	api := f.api(nil)
	for _, path := range []string{"", "/pods", "/ports?port=8080", "/nodes?limit=1"} {
		w := get(api, "/api/v1/clusters/prod-eu"+path)
		body := w.Body.String()
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(body, `"reason":"Unreadable"`) || !strings.Contains(body, "try again in some seconds") || w.Header().Get("Retry-After") != "6" {
			t.Errorf("%s: got %d, Retry-After %q, %s; want a 503 that says when to try again", path, w.Code, w.Header().Get("Retry-After"), body)
		}
	}
	// A summary needs no objects.
	if w := get(api, "/api/v1/clusters/prod-eu/summary"); w.Code != http.StatusOK {
		t.Errorf("summary: got %d, want 200", w.Code)
	}
	// The next report is of another session.
	next := *newReport(t, "prod-eu", time.Now())
	next.Term++
	f.Change(func() { f.Reports["prod-eu"] = &next })
	if w := get(api, "/api/v1/clusters/prod-eu/pods"); w.Code != http.StatusOK {
		t.Errorf("after the next report: got %d, want 200", w.Code)
	}
}
