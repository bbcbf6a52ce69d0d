package prom

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"rollcall.dev/rollcall/master/session"
)

// TestRegistryErrorsAreReturned checks that no route returns an answer that lacks clusters because they could not be
// read.
func TestRegistryErrorsAreReturned(t *testing.T) {
	form := url.Values{"query": {`up{cluster="lab"}`}, "match[]": {"up"}, "start": {"0"}, "end": {"10"}, "step": {"5"}}
	for name, set := range map[string]func(*harness){
		"the names cannot be read":                     func(s *harness) { s.namesErr = session.ErrRegistryUnavailable },
		"a cluster cannot be read":                     func(s *harness) { s.currentErr = session.ErrRegistryUnavailable },
		"a cluster cannot be demanded":                 func(s *harness) { s.demandErr = session.ErrRegistryUnavailable },
		"a cluster was removed before it was demanded": func(s *harness) { s.demandErr = session.ErrNotFound },
		"a cluster was removed before it was read":     func(s *harness) { s.currentErr = session.ErrNotFound },
	} {
		runTest(t, func(s *harness) {
			s.addRunningClusters(time.Minute, "lab")
			set(s)
			for _, r := range append(s.api.Routes(), s.api.Federation()) {
				a, err := r.Serve(s.t.Context(), Request{Form: form, Label: "node", Authorize: s.authorize})
				a.Close()
				unreadable := errors.Is(s.namesErr, session.ErrRegistryUnavailable) || errors.Is(s.currentErr, session.ErrRegistryUnavailable) ||
					errors.Is(s.demandErr, session.ErrRegistryUnavailable) && (r.Path == "/query" || r.Path == "/query_range")
				switch {
				case r.Path == "/metadata" || r.Path == "/query_exemplars" || r.Path == "/rules" || r.Path == "/alerts" || r.Path == "/status/buildinfo":
				case unreadable && !errors.Is(err, session.ErrRegistryUnavailable):
					t.Errorf("%s, %s: got error %v, want %v", name, r.Path, err, session.ErrRegistryUnavailable)
				case !unreadable && err != nil:
					t.Errorf("%s, %s: got error %v, want none", name, r.Path, err)
				}
			}
		})
	}
}
