package httpapi

import (
	"net/http"
	"strconv"
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

// ageHeader returns a duration in whole seconds as a header value. Small values are preallocated.
func ageHeader(d time.Duration) []string {
	if seconds := int(d / time.Second); seconds >= len(ageHeaders) {
		return []string{strconv.Itoa(seconds)}
	}
	return ageHeaders[d/time.Second]
}

var ageHeaders = func() (texts [64][]string) {
	for i := range texts {
		texts[i] = []string{strconv.Itoa(i)}
	}
	return texts
}()

// Header values that all responses share. They must not be modified.
var (
	cacheControlHeader = []string{"private, no-cache"}
	varyHeader         = []string{"Accept-Encoding, Authorization, Cookie"}
	noSniffHeader      = []string{"nosniff"}
	jsonContentType    = []string{jsonMediaType}
	contentEncodings   = [...][]string{view.Gzip: {view.Gzip.String()}, view.Zstd: {view.Zstd.String()}}
)

// currentSession returns the current session of a cluster, or why it has none.
func currentSession(status session.Status) httpv1.Session {
	s := view.SessionOf(status.Session)
	if s.Message = publicMessage(status.Reason, status.Message); s.Message != "" || status.Ready == state.False {
		s.Reason = string(status.Reason)
	}
	return s
}
