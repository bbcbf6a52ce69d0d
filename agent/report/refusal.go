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
	// reason is a metric label value.
	reason  string
	message string
}

func (r *refusal) Error() string { return r.message }

// refuse responds to a dial with an HTTP error. An error that is not a refusal results in status 401.
func (h *Handler) refuse(w http.ResponseWriter, err error) {
	r := refusal{http.StatusUnauthorized, "unauthorized", err.Error()}
	if specific := (*refusal)(nil); errors.As(err, &specific) {
		r = *specific
	}
	switch {
	case r.status == http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q, error=%q", wire.Realm, "invalid_token"))
		w.Header().Set(wire.ProtocolHeader, fmt.Sprintf("%d-%d", wire.ProtocolMin, wire.ProtocolMax))
	case r.status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	if token.IsTimeError(err) {
		// The master retries with a token that has the nonce instead of times. It shows the Date in its condition.
		now := time.Now()
		w.Header().Set(wire.NonceHeader, h.cfg.Verifier.Nonce(now))
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	}
	if errors.Is(err, token.ErrWrongAudience) {
		w.Header().Set(wire.ClusterNameHeader, h.cfg.ClusterName)
	}
	h.metrics.refused.WithLabelValues(r.reason).Inc()
	h.refusedDials.Do(func() { h.cfg.Log.Warn("refused a connection", "status", r.status, "error", err) })
	http.Error(w, r.message, r.status)
}

// offersSubprotocol reports whether a request offers a websocket subprotocol.
func offersSubprotocol(r *http.Request, subprotocol string) bool {
	return slices.ContainsFunc(r.Header.Values("Sec-WebSocket-Protocol"), func(list string) bool {
		return slices.ContainsFunc(strings.Split(list, ","), func(name string) bool { return strings.TrimSpace(name) == subprotocol })
	})
}
