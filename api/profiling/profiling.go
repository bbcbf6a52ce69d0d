// Package profiling serves Go's profiles of the own process. Who may have them is the
// caller's business: a heap profile tells what a process works with, and goroutines show
// what it does for whom.
package profiling

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"
	"time"
)

// Path is where the profiles are; a handler takes what begins with it.
const Path = "/debug/pprof/"

// maxDuration is how long a profile or trace may be recorded: it slows the process down.
const maxDuration = 2 * time.Minute

// Handler answers GET requests below Path: the list of profiles, a CPU profile (profile),
// an execution trace (trace), and by name those of runtime/pprof, such as heap and
// goroutine. The command line is not served, since URLs in it may have passwords.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := checkDuration(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		switch name := strings.TrimPrefix(r.URL.Path, Path); name {
		case "":
			pprof.Index(w, r)
		case "profile":
			pprof.Profile(w, r)
		case "trace":
			pprof.Trace(w, r)
		default:
			pprof.Handler(name).ServeHTTP(w, r)
		}
	})
}

// checkDuration returns an error where a request wants to record for too long.
func checkDuration(r *http.Request) error {
	text := r.FormValue("seconds")
	if text == "" {
		return nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds > 0 && seconds <= maxDuration.Seconds()) {
		return fmt.Errorf("seconds has to be a number above 0 and up to %.0f", maxDuration.Seconds())
	}
	return nil
}
