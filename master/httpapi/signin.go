package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"rollcall.dev/rollcall/api/connlimit"
	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/httpapi/openapi"
)

// SignIn creates and ends browser sessions. Browsers cannot be made to send a token with each
// request, so they get a cookie that stands for a token. The zero value disables signing in.
type SignIn struct {
	// Cookie is the name of the cookie, instead of the default. Cookies do not depend on the port, so several
	// masters on one host need different names.
	Cookie string
	// Start verifies a token and returns the secret of a new session and the token's user. Errors
	// wrap ErrUnauthenticated, ErrTooManyRequests or ErrAuthorizerUnavailable, and never contain the token.
	Start func(r *http.Request, token string) (secret, user string, err error)
	// End deletes a session.
	End func(secret string)
	// User returns the sender of a request, however it is authenticated. Its errors are those of
	// Authenticate.
	User func(r *http.Request) (user string, err error)
}

const (
	// secureCookie is the name of the cookie over TLS. Because of its prefix, browsers accept it
	// only from this host and only over TLS.
	secureCookie = "__Host-rollcall-session"
	// plainCookie is the name of the cookie over plain HTTP, for loopback addresses and behind a
	// proxy that terminates TLS.
	plainCookie = "rollcall-session"

	// maxCredentialsBytes is the maximum length of the body in bytes. Tokens have a few KiB at most.
	maxCredentialsBytes = 32 << 10
)

// LoginSecret returns the secret of a login session from the cookie of a request, or "".
func LoginSecret(r *http.Request) string { return SignIn{}.secret(r) }

// secret returns the secret of a login session from the cookie of a request, or "".
func (s SignIn) secret(r *http.Request) string {
	cookie, err := r.Cookie(s.cookieName(r))
	if err != nil {
		return ""
	}
	return cookie.Value
}

func (s SignIn) cookieName(r *http.Request) string {
	switch {
	case s.Cookie != "":
		return s.Cookie
	case r.TLS == nil:
		return plainCookie
	}
	return secureCookie
}

func (a *API) sessionOperations() []operation {
	const pattern = "/api/v1/session"
	return []operation{
		{
			Operation: openapi.Operation{
				Path: pattern, ID: "getSession", Schema: "SignedIn", Statuses: []int{400, 401, 405, 429, 500, 503},
				Summary: "Get the authenticated user. `required` is false if this master does not require signing in.",
			},
			serve: a.whenReady(a.getSession),
		},
		{
			Operation: openapi.Operation{
				Method: http.MethodPost, Path: pattern, ID: "signIn", Body: "Credentials", Schema: "SignedIn",
				Statuses: []int{400, 401, 403, 405, 408, 413, 415, 429, 500, 503},
				Summary:  "Sign a browser in: sets a session cookie that is valid until the token expires, at most 12 hours. Requests from pages of other sites are rejected.",
			},
			serve: a.whenReady(a.signIn),
		},
		{
			Operation: openapi.Operation{
				Method: http.MethodDelete, Path: pattern, ID: "signOut", Statuses: []int{400, 403, 405, 503},
				Summary: "Sign a browser out. Requests from pages of other sites are rejected.",
			},
			serve: a.whenReady(a.signOut),
		},
	}
}

// getSession returns the authenticated user.
func (a *API) getSession(w http.ResponseWriter, r *http.Request) error {
	if err := rejectQuery(r); err != nil {
		return err
	}
	if a.config.SignIn.User == nil {
		return writeUncached(w, httpv1.SignedIn{})
	}
	user, err := a.config.SignIn.User(r)
	if err != nil {
		return err
	}
	connlimit.Authenticated(r.Context())
	return writeUncached(w, httpv1.SignedIn{Required: true, User: user})
}

// signIn starts a session and sets its cookie.
func (a *API) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := checkSameSite(r); err != nil {
		return err
	}
	if err := rejectQuery(r); err != nil {
		return err
	}
	if a.config.SignIn.Start == nil {
		return writeUncached(w, httpv1.SignedIn{})
	}
	token, err := readToken(w, r)
	if err != nil {
		// A request body that times out also cancels the request's context, so the error is written here.
		w.Header().Set("Connection", "close")
		writeProblem(w, a.problem(r, err))
		return nil
	}
	secret, user, err := a.config.SignIn.Start(r, token)
	if err != nil {
		return err
	}
	connlimit.Authenticated(r.Context())
	AuditUser(r.Context(), user)
	if before := a.config.SignIn.secret(r); before != "" {
		a.config.SignIn.End(before)
	}
	a.config.SignIn.setCookie(w, r, secret, 0)
	return writeUncached(w, httpv1.SignedIn{Required: true, User: user})
}

// signOut ends the session and deletes its cookie.
func (a *API) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := checkSameSite(r); err != nil {
		return err
	}
	if err := rejectQuery(r); err != nil {
		return err
	}
	if secret := a.config.SignIn.secret(r); secret != "" && a.config.SignIn.End != nil {
		a.config.SignIn.End(secret)
	}
	a.config.SignIn.setCookie(w, r, "", -1)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// setCookie sets a session cookie, or deletes it if maxAge is negative.
func (s SignIn) setCookie(w http.ResponseWriter, r *http.Request, secret string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure where there is TLS: without it (--insecure, loopback) the browser would not send it back
		Name: s.cookieName(r), Value: secret, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
}

// checkSameSite rejects requests that pages of other sites make a browser send, including those of
// subdomains.
func checkSameSite(r *http.Request) error {
	if http.NewCrossOriginProtection().Check(r) != nil {
		return crossOrigin(r, "sign in or out on this host")
	}
	return sameOrigin(r, "sign in or out on this host")
}

func rejectQuery(r *http.Request) error {
	values, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	return rejectUnknown(values, nil)
}

// readToken reads the token from the body. Its errors never contain parts of the body, which may be
// a misplaced token.
func readToken(w http.ResponseWriter, r *http.Request) (string, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return "", &httpv1.Problem{Status: http.StatusUnsupportedMediaType, Reason: ReasonBadRequest, Detail: `unsupported media type: send {"token":"…"} with Content-Type: application/json`}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCredentialsBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return "", &httpv1.Problem{Status: http.StatusRequestEntityTooLarge, Reason: ReasonBadRequest, Detail: "the request body is longer than any token"}
	case err != nil:
		return "", &httpv1.Problem{Status: http.StatusRequestTimeout, Reason: ReasonBadRequest, Detail: "the request body did not arrive in time"}
	}
	var c httpv1.Credentials
	if json.Unmarshal(body, &c) != nil {
		return "", badRequest(`invalid request body: send JSON of the form {"token":"…"}`)
	}
	token := strings.TrimSpace(c.Token)
	if token == "" {
		return "", badRequest(`the request body has no token: send {"token":"…"}; kubectl create token NAME prints a token`)
	}
	return token, nil
}

// writeUncached writes a response that no cache may keep.
func writeUncached(w http.ResponseWriter, response any) error {
	body, err := json.Marshal(response)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header()["Content-Type"] = jsonContentType
	// A failed write means that the client has disconnected.
	_, _ = w.Write(append(body, '\n'))
	return nil
}
