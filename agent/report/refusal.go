package report

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// refusal is an answer before the upgrade.
type refusal struct {
	status int
	// label is a word for metrics.
	label string
	words string
}

func (r *refusal) Error() string { return r.words }

// authenticate is the holder that the dial's token was signed for; empty where
// anybody may dial.
func (h *Handler) authenticate(r *http.Request) (holder string, err error) {
	if h.cfg.Verifier == nil {
		return "", nil
	}
	scheme, credentials, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", &refusal{http.StatusUnauthorized, "unauthorized", "a token is missing: start the master with --signing-key-file"}
	}
	return h.cfg.Verifier.Verify(strings.TrimSpace(credentials), time.Now())
}

// refuse answers a dial that gets no websocket.
func (h *Handler) refuse(w http.ResponseWriter, err error) {
	r := refusal{http.StatusUnauthorized, "unauthorized", err.Error()}
	if answer := (*refusal)(nil); errors.As(err, &answer) {
		r = *answer
	}
	switch {
	case r.status == http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="rollcall", error="invalid_token"`)
	case r.status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	if token.TimeTrouble(err) {
		// The master corrects its clock by ours and tries again.
		w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	if errors.Is(err, token.ErrWrongAudience) {
		w.Header().Set(wire.ClusterNameHeader, h.cfg.ClusterName)
	}
	h.metrics.refused.WithLabelValues(r.label).Inc()
	h.strangers.Do(func() { h.cfg.Log.Warn("refused a dial", "status", r.status, "error", err) })
	http.Error(w, r.words, r.status)
}

// offers says whether a dial names a subprotocol.
func offers(r *http.Request, subprotocol string) bool {
	return slices.ContainsFunc(r.Header.Values("Sec-WebSocket-Protocol"), func(list string) bool {
		return slices.ContainsFunc(strings.Split(list, ","), func(name string) bool { return strings.TrimSpace(name) == subprotocol })
	})
}
