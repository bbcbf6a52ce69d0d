package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// instants is how times read in headers: RFC 3339 in UTC, in milliseconds, as in bodies.
const instants = "2006-01-02T15:04:05.000Z07:00"

// freshness tells in headers how old an answer is. They are apart from the body, which
// is the same for all readers of a report.
func freshness(h http.Header, r *view.Report, now time.Time) {
	h.Set("Age", strconv.FormatInt(int64(max(0, now.Sub(r.ReceivedAt))/time.Second), 10))
	h.Set("Rollcall-Received-At", r.ReceivedAt.UTC().Format(instants))
	if observed := r.ObservedAt(); !observed.IsZero() {
		h.Set("Rollcall-Observed-At", observed.UTC().Format(instants))
	}
	h.Set("Rollcall-Session", r.Session.ID)
	h.Set("Rollcall-Stale", strconv.FormatBool(r.Stale()))
	// Nobody in between may keep it, as it is for this caller and this moment only.
	h["Cache-Control"], h["Vary"] = noCache, varies
}

// Values of headers that all answers share: nobody changes them.
var (
	noCache   = []string{"private, no-cache"}
	varies    = []string{"Accept-Encoding, Authorization"}
	noSniff   = []string{"nosniff"}
	plainJSON = []string{"application/json"}
)

// reportOf is a session's value as view shows it.
func reportOf(v *session.Value) view.Report {
	return view.Report{
		Cluster:         v.Cluster,
		UID:             v.UID,
		ResourceVersion: v.ResourceVersion(),
		ReceivedAt:      v.ReceivedAt,
		TTL:             v.TTL,
		Session:         sessionOf(v.Session),
		State:           v.State,
		Summary:         v.Summary,
	}
}

func sessionOf(s session.Info) view.Session {
	return view.Session{ID: s.ID, Phase: string(s.Phase), StartedAt: s.StartedAt, ExpiresAt: s.ExpiresAt}
}
