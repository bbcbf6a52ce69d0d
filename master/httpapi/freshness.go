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

// freshness tells in headers how old an answer is, and its tag. They are apart from the
// body, which is the same for all readers of a report. Names are written as net/http
// has them: to make them so costs as much as all the rest.
func freshness(h http.Header, r *view.Report, tag string, now time.Time) {
	stamps := [...]string{
		strconv.FormatInt(int64(max(0, now.Sub(r.ReceivedAt))/time.Second), 10),
		r.ReceivedAt.UTC().Format(instants), r.Session.ID, strconv.FormatBool(r.Stale()), tag,
	}
	for i, name := range [...]string{"Age", "Rollcall-Received-At", "Rollcall-Session", "Rollcall-Stale", "Etag"} {
		h[name] = stamps[i : i+1 : i+1]
	}
	if observed := r.ObservedAt(); !observed.IsZero() {
		h["Rollcall-Observed-At"] = []string{observed.UTC().Format(instants)}
	}
	// Nobody in between may keep it, as it is for this caller and this moment only.
	h["Cache-Control"], h["Vary"] = noCache, varies
}

// Values of headers that all answers share: nobody changes them.
var (
	noCache   = []string{"private, no-cache"}
	varies    = []string{"Accept-Encoding, Authorization, Cookie"}
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
