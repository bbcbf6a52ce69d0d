package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
)

// checkSameSite rejects requests that pages of other sites make a browser send, including those of
// subdomains.
func checkSameSite(r *http.Request) error {
	if http.NewCrossOriginProtection().Check(r) != nil {
		return crossOrigin(r, "sign in or out on this host")
	}
	return sameOrigin(r, "sign in or out on this host")
}

// sameOrigin rejects requests from pages of other sites: browsers do not apply the same-origin
// policy to websockets. If the master itself terminates TLS, a page without TLS is another site.
func sameOrigin(r *http.Request, what string) error {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	u, err := url.Parse(origin)
	if err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host) && (r.TLS == nil || u.Scheme == "https") {
		return nil
	}
	return crossOrigin(r, what)
}

func crossOrigin(r *http.Request, what string) error {
	return &httpv1.Problem{
		Status: http.StatusForbidden, Reason: httpv1.ReasonCrossOrigin,
		Detail: fmt.Sprintf("cross-origin request: a page of %s may not %s", quoteShort(r.Header.Get("Origin")), what),
	}
}
