package report

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// refusal is an HTTP error response that is sent instead of the websocket upgrade.
type refusal struct {
	status int
	// label is a word for metrics.
	label string
	words string
}

func (r *refusal) Error() string { return r.words }

// refuse answers a dial that gets no websocket.
func (h *Handler) refuse(w http.ResponseWriter, err error) {
	r := refusal{http.StatusUnauthorized, "unauthorized", err.Error()}
	if answer := (*refusal)(nil); errors.As(err, &answer) {
		r = *answer
	}
	switch {
	case r.status == http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q, error=%q", wire.Realm, "invalid_token"))
		w.Header().Set(wire.ProtocolHeader, fmt.Sprintf("%d-%d", wire.ProtocolMin, wire.ProtocolMax))
	case r.status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	if token.IsTimeError(err) {
		// The master tries once more, with a token that claims the nonce and no time. The date
		// is for its condition's words.
		now := time.Now()
		w.Header().Set(wire.NonceHeader, h.cfg.Verifier.Nonce(now))
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	}
	if errors.Is(err, token.ErrWrongAudience) {
		w.Header().Set(wire.ClusterNameHeader, h.cfg.ClusterName)
	}
	h.metrics.refused.WithLabelValues(r.label).Inc()
	h.refusedDials.Do(func() { h.cfg.Log.Warn("refused a dial", "status", r.status, "error", err) })
	http.Error(w, r.words, r.status)
}

// offers says whether a dial names a subprotocol.
func offers(r *http.Request, subprotocol string) bool {
	return slices.ContainsFunc(r.Header.Values("Sec-WebSocket-Protocol"), func(list string) bool {
		return slices.ContainsFunc(strings.Split(list, ","), func(name string) bool { return strings.TrimSpace(name) == subprotocol })
	})
}
