package agent

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/state"
)

// health answers /healthz and /readyz.
type health struct {
	identity func() (uid, version string, ok bool)
	current  func() *snapshot.Version
}

func (h *health) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", h.readyz)
}

// readyz serves the readiness check: whether the agent can report the present state, and if
// not, why.
func (h *health) readyz(w http.ResponseWriter, _ *http.Request) {
	problems := h.problems(time.Now())
	if len(problems) == 0 {
		fmt.Fprintln(w, "ok")
		return
	}
	http.Error(w, strings.Join(problems, "\n"), http.StatusServiceUnavailable)
}

// problems returns what keeps the agent from being ready. Only nodes and pods are required;
// other missing sections are part of reports.
func (h *health) problems(now time.Time) []string {
	var problems []string
	if _, _, known := h.identity(); !known {
		problems = append(problems, "identity: the API server has not told the cluster's UID yet")
	}
	v := h.current()
	for _, name := range []state.SectionName{state.SectionNodes, state.SectionPods} {
		if p := problem(name, v.SectionStatuses[name], now); p != "" {
			problems = append(problems, p)
		}
	}
	return problems
}

// problem returns what is wrong with a section, or "" if it is live.
func problem(name state.SectionName, r state.SectionStatus, now time.Time) string {
	if r.Live {
		return ""
	}
	words := "not read yet"
	if !r.ObservedAt.IsZero() {
		words = fmt.Sprintf("last seen %s ago", now.Sub(r.ObservedAt).Round(time.Second))
	}
	if r.Error.Reason != "" {
		words += fmt.Sprintf(": %s: %s", r.Error.Reason, r.Error.Message)
	}
	return fmt.Sprintf("%s: %s", name, words)
}
