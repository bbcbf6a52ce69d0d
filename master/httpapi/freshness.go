package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// freshness tells in headers how old an answer is, and its tag. They are apart from the
// body, which is the same for all readers of a report. Names are written as net/http
// has them: to make them so costs as much as all the rest.
func freshness(h http.Header, d *view.Document) {
	s := d.Stamps()
	h["Age"] = age(d.Age(time.Now()))
	h["Rollcall-Received-At"], h["Rollcall-Session"], h["Rollcall-Stale"] = s.ReceivedAt, s.Session, s.Stale
	if s.ObservedAt != nil {
		h["Rollcall-Observed-At"] = s.ObservedAt
	}
	// Nobody in between may keep it, as it is for this caller and this moment only.
	h["Etag"], h["Cache-Control"], h["Vary"] = s.Tag, noCache, varies
}

// age is a time in whole seconds; most answers are younger than a TTL.
func age(d time.Duration) []string {
	if seconds := int(d / time.Second); seconds >= len(ages) {
		return []string{strconv.Itoa(seconds)}
	}
	return ages[d/time.Second]
}

var ages = func() (texts [64][]string) {
	for i := range texts {
		texts[i] = []string{strconv.Itoa(i)}
	}
	return texts
}()

// Values of headers that all answers share: nobody changes them.
var (
	noCache   = []string{"private, no-cache"}
	varies    = []string{"Accept-Encoding, Authorization, Cookie"}
	noSniff   = []string{"nosniff"}
	plainJSON = []string{"application/json"}
	packed    = [...][]string{view.Gzip: {view.Gzip.String()}, view.Zstd: {view.Zstd.String()}}
)

// reportOf is a session's value as view shows it.
func reportOf(v *session.Value) view.Report {
	return view.Report{
		Source:          v,
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

// sessionNow is the session that a cluster has now, or why it has none.
func sessionNow(o session.Observation) view.Session {
	s := sessionOf(o.Session)
	if s.Message = publicWords(o.Reason, o.Message); s.Message != "" || o.Ready == state.False {
		s.Reason = string(o.Reason)
	}
	return s
}
