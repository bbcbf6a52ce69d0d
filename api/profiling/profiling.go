// Package profiling serves Go's profiles of its own process. The caller has to control access:
// heap profiles and goroutine dumps reveal the data that a process handles.
package profiling

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"
	"time"
)

// Path is the URL path of the profiles. A handler has to serve everything below it.
const Path = "/debug/pprof/"

// maxDuration is the longest duration of a profile or trace, since recording slows the process
// down.
const maxDuration = 2 * time.Minute

// Handler returns a handler of GET requests below Path: the list of profiles, a CPU profile
// (profile), an execution trace (trace), and the profiles of runtime/pprof by name, such as heap
// and goroutine. It does not serve the command line, since URLs in it may have passwords.
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

// checkDuration returns an error if a request's duration is invalid or too long.
func checkDuration(r *http.Request) error {
	text := r.FormValue("seconds")
	if text == "" {
		return nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds > 0 && seconds <= maxDuration.Seconds()) {
		return fmt.Errorf("query parameter seconds must be above 0 and at most %.0f", maxDuration.Seconds())
	}
	return nil
}
