package agent

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/state"
)

// health serves /healthz and /readyz.
type health struct {
	identity func() (uid, version string, ok bool)
	current  func() *snapshot.Version
	// certificate returns an error if there is no serving certificate. It is nil if there always is one.
	certificate func() error
	// keys returns an error while the agent has no public key of a master. It is nil if it needs none.
	keys func() error
}

// register adds the handlers to mux.
func (h *health) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", h.readyz)
}

// readyz responds with 200 if the agent can report the current state, else with 503 and one line per problem.
func (h *health) readyz(w http.ResponseWriter, _ *http.Request) {
	problems := h.problems(time.Now())
	if len(problems) == 0 {
		fmt.Fprintln(w, "ok")
		return
	}
	http.Error(w, strings.Join(problems, "\n"), http.StatusServiceUnavailable)
}

// problems returns the reasons why the agent is not ready. Only nodes and pods are required. Masters see the errors of
// other sections in the reports.
func (h *health) problems(now time.Time) []string {
	var problems []string
	if _, _, known := h.identity(); !known {
		problems = append(problems, "identity: the UID of the cluster has not been read from its API server yet")
	}
	if h.certificate != nil {
		if err := h.certificate(); err != nil {
			problems = append(problems, "certificate: "+err.Error())
		}
	}
	if h.keys != nil {
		if err := h.keys(); err != nil {
			problems = append(problems, "keys: "+err.Error())
		}
	}
	v := h.current()
	for _, name := range []state.SectionName{state.SectionNodes, state.SectionPods} {
		if p := sectionProblem(name, v.SectionStatuses[name], now); p != "" {
			problems = append(problems, p)
		}
	}
	return problems
}

// sectionProblem returns why a section is not live, or "" if it is.
func sectionProblem(name state.SectionName, status state.SectionStatus, now time.Time) string {
	if status.Live {
		return ""
	}
	text := "not read yet"
	if !status.ObservedAt.IsZero() {
		text = fmt.Sprintf("last seen %s ago", now.Sub(status.ObservedAt).Round(time.Second))
	}
	if status.Error.Reason != "" {
		text += fmt.Sprintf(": %s: %s", status.Error.Reason, status.Error.Message)
	}
	return fmt.Sprintf("%s: %s", name, text)
}
