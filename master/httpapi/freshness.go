package httpapi

import (
	"net/http"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// setFreshnessHeaders sets the headers that describe the age of a response, and its ETag. They are
// not part of the body, which all readers of a report share. The header names are written in
// canonical form, because canonicalizing them costs as much as the rest of the response.
func setFreshnessHeaders(h http.Header, d *view.Document) {
	s := d.Headers()
	h["Age"] = ageHeader(d.Age(time.Now()))
	h["Rollcall-Received-At"], h["Rollcall-Session"], h["Rollcall-Stale"] = s.ReceivedAt, s.Session, s.Stale
	if s.ObservedAt != nil {
		h["Rollcall-Observed-At"] = s.ObservedAt
	}
	// Shared caches must not store the response: it is only for this caller.
	h["Etag"], h["Cache-Control"], h["Vary"] = s.ETag, cacheControlHeader, varyHeader
}

// currentSession returns the current session of a cluster, or why it has none.
func currentSession(status session.Status) httpv1.Session {
	s := view.SessionOf(status.Session)
	if s.Message = publicMessage(status.Reason, status.Message); s.Message != "" || status.Ready == state.False {
		s.Reason = string(status.Reason)
	}
	return s
}
