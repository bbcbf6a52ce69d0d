// Package signin signs browsers in: it exchanges a token for a cookie, and deletes the cookie. Browsers cannot be made to
// send a token with each request.
//
// The package keeps no sessions; master/access and others implement Config. Package httpapi checks that the requests come
// from pages of the same origin.
package signin

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"rollcall.dev/rollcall/api/connlimit"
	httpv1 "rollcall.dev/rollcall/api/http/v1"
)

// Config creates and ends browser sessions. The zero value disables signing in.
type Config struct {
	// Cookie is the name of the cookie, instead of the default. Cookies do not depend on the port, so several
	// masters on one host need different names.
	Cookie string
	// Start verifies a token and returns the secret of a new session and the token's user. Errors
	// wrap those of httpapi.Authenticate, and never contain the token.
	Start func(r *http.Request, token string) (secret, user string, err error)
	// End deletes a session.
	End func(secret string)
	// User returns the sender of a request, however it is authenticated. Its errors are those of
	// httpapi.Authenticate.
	User func(r *http.Request) (user string, err error)
}

const (
	// SecureCookie is the name of the cookie over TLS. Because of its prefix, browsers accept it
	// only from this host and only over TLS.
	SecureCookie = "__Host-rollcall-session"
	// PlainCookie is the name of the cookie over plain HTTP, for loopback addresses and behind a
	// proxy that terminates TLS.
	PlainCookie = "rollcall-session"

	// maxCredentialsBytes is the maximum length of the body in bytes. Tokens have a few KiB at most.
	maxCredentialsBytes = 32 << 10
)

// Secret returns the secret of a session from the cookie of a request, or "".
func Secret(r *http.Request) string { return (&Config{}).secret(r) }

// secret returns the secret of a session from the cookie of a request, or "".
func (c *Config) secret(r *http.Request) string {
	cookie, err := r.Cookie(c.cookieName(r))
	if err != nil {
		return ""
	}
	return cookie.Value
}

func (c *Config) cookieName(r *http.Request) string {
	switch {
	case c.Cookie != "":
		return c.Cookie
	case r.TLS == nil:
		return PlainCookie
	}
	return SecureCookie
}

// SignedIn returns the authenticated user.
func (c *Config) SignedIn(r *http.Request) (httpv1.SignedIn, error) {
	if c.User == nil {
		return httpv1.SignedIn{}, nil
	}
	user, err := c.User(r)
	if err != nil {
		return httpv1.SignedIn{}, err
	}
	connlimit.Authenticated(r.Context())
	return httpv1.SignedIn{Required: true, User: user}, nil
}

// SignIn starts a session with the token in the body of a request, and sets its cookie. The error is a *httpv1.Problem
// if the body is at fault.
func (c *Config) SignIn(w http.ResponseWriter, r *http.Request) (httpv1.SignedIn, error) {
	if c.Start == nil {
		return httpv1.SignedIn{}, nil
	}
	token, err := readToken(w, r)
	if err != nil {
		return httpv1.SignedIn{}, err
	}
	secret, user, err := c.Start(r, token)
	if err != nil {
		return httpv1.SignedIn{}, err
	}
	connlimit.Authenticated(r.Context())
	if before := c.secret(r); before != "" {
		c.End(before)
	}
	c.setCookie(w, r, secret, 0)
	return httpv1.SignedIn{Required: true, User: user}, nil
}

// SignOut ends the session of a request and deletes its cookie.
func (c *Config) SignOut(w http.ResponseWriter, r *http.Request) {
	if secret := c.secret(r); secret != "" && c.End != nil {
		c.End(secret)
	}
	c.setCookie(w, r, "", -1)
}

// setCookie sets a session cookie, or deletes it if maxAge is negative.
func (c *Config) setCookie(w http.ResponseWriter, r *http.Request, secret string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure where there is TLS: without it (--insecure, loopback) the browser would not send it back
		Name: c.cookieName(r), Value: secret, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
}

// readToken reads the token from the body. Its errors never contain parts of the body, which may be
// a misplaced token.
func readToken(w http.ResponseWriter, r *http.Request) (string, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != httpv1.JSONMediaType {
		return "", badBody(http.StatusUnsupportedMediaType, `unsupported media type: send {"token":"…"} with Content-Type: application/json`)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCredentialsBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return "", badBody(http.StatusRequestEntityTooLarge, "the request body is longer than any token")
	case err != nil:
		return "", badBody(http.StatusRequestTimeout, "the request body did not arrive in time")
	}
	var c httpv1.Credentials
	if json.Unmarshal(body, &c) != nil {
		return "", badBody(http.StatusBadRequest, `invalid request body: send JSON of the form {"token":"…"}`)
	}
	token := strings.TrimSpace(c.Token)
	if token == "" {
		return "", badBody(http.StatusBadRequest, `the request body has no token: send {"token":"…"}; kubectl create token NAME prints a token`)
	}
	return token, nil
}

func badBody(status int, detail string) error {
	return &httpv1.Problem{Status: status, Reason: httpv1.ReasonBadRequest, Detail: detail}
}
