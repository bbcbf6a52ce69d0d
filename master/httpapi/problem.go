package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
)

// writeProblem writes p as the response.
func writeProblem(w http.ResponseWriter, p *httpv1.Problem) {
	p.Title = http.StatusText(p.Status)
	p.LastObservedAt = p.LastObservedAt.UTC().Truncate(time.Millisecond)
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		body.Reset()
		fmt.Fprintf(&body, `{"status":%d,"reason":%q}`, p.Status, p.Reason)
	}
	h := w.Header()
	h.Set("Content-Type", httpv1.ProblemMediaType)
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Cache-Control", "no-store")
	setRetryAfter(h, p)
	w.WriteHeader(p.Status)
	// A failed write means that the client has disconnected.
	_, _ = body.WriteTo(w)
}

func setRetryAfter(h http.Header, p *httpv1.Problem) {
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatFloat(max(1, math.Ceil(p.RetryAfter.Seconds())), 'f', 0, 64))
	}
}

// quoteShort quotes a string from outside for use in a message, shortened to 80 bytes.
func quoteShort(s string) string {
	const shown = 80
	if len(s) > shown {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(s[:shown], "\ufffd"))
	}
	return strconv.Quote(s)
}
