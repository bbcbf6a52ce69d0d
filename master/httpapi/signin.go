package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"rollcall.dev/rollcall/api/connlimit"
)

// SignIn is how browsers, which cannot be told to send a token with each request, come
// by a cookie that stands for one. The zero value: nobody has to sign in.
type SignIn struct {
	// Begin has a token verified and gives the secret that stands for it from now on, with
	// whose token it is; or an error that wraps ErrUnauthenticated, ErrTooMany or
	// ErrUndecided. The token is in none of its errors.
	Begin func(r *http.Request, token string) (secret, user string, err error)
	// End forgets a secret.
	End func(secret string)
	// Who says who sends a request, in whichever way; its errors are those of Identify.
	Who func(r *http.Request) (user string, err error)
}

const (
	// secureCookie is the cookie's name over TLS: by the prefix browsers take it from
	// this very host only, and never without TLS.
	secureCookie = "__Host-rollcall-session"
	// plainCookie is its name over plain HTTP, which is for loopback addresses, and where
	// somebody else ends TLS.
	plainCookie = "rollcall-session"

	// maxCredentials is the longest body that is read. Tokens are some KiB at most.
	maxCredentials = 32 << 10
)

// Secret is what the cookie of a request says, empty without one.
func Secret(r *http.Request) string {
	cookie, err := r.Cookie(cookieName(r))
	if err != nil {
		return ""
	}
	return cookie.Value
}

func cookieName(r *http.Request) string {
	if r.TLS == nil {
		return plainCookie
	}
	return secureCookie
}

// credentials are what is sent to sign in.
type credentials struct {
	Token string `json:"token"`
}

// signedIn says who is.
type signedIn struct {
	// Required is false where nobody has to sign in.
	Required bool   `json:"required"`
	User     string `json:"user,omitempty"`
}

func (a *API) sessionOperations() []operation {
	const pattern = "/api/v1/session"
	return []operation{
		{
			pattern: pattern, id: "getSession", serve: a.whenReady(a.session), shape: "SignedIn", statuses: []int{400, 401, 405, 429, 500, 503},
			words: "Who the caller is, however they show it; `required` is false where nobody has to sign in.",
		},
		{
			method: http.MethodPost, pattern: pattern, id: "signIn", serve: a.whenReady(a.signIn), takes: "Credentials", shape: "SignedIn",
			statuses: []int{400, 401, 403, 405, 408, 413, 415, 429, 500, 503},
			words:    "Signs a browser in: sets a cookie that stands for the token until it expires, for 12 hours at most. Pages of other sites are refused.",
		},
		{
			method: http.MethodDelete, pattern: pattern, id: "signOut", serve: a.whenReady(a.signOut), statuses: []int{400, 403, 405, 503},
			words: "Signs a browser out. Pages of other sites are refused.",
		},
	}
}

// session answers who asks.
func (a *API) session(w http.ResponseWriter, r *http.Request) error {
	if err := withoutQuery(r); err != nil {
		return err
	}
	if a.config.SignIn.Who == nil {
		return writeSignedIn(w, signedIn{})
	}
	user, err := a.config.SignIn.Who(r)
	if err != nil {
		return err
	}
	connlimit.Authenticated(r.Context())
	return writeSignedIn(w, signedIn{Required: true, User: user})
}

// signIn makes a cookie of a token.
func (a *API) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := ourPage(r); err != nil {
		return err
	}
	if err := withoutQuery(r); err != nil {
		return err
	}
	if a.config.SignIn.Begin == nil {
		return writeSignedIn(w, signedIn{})
	}
	token, err := readToken(w, r)
	if err != nil {
		// A body that does not come ends the request's context, as if nobody was there.
		w.Header().Set("Connection", "close")
		a.problem(r, err).write(w)
		return nil
	}
	secret, user, err := a.config.SignIn.Begin(r, token)
	if err != nil {
		return err
	}
	connlimit.Authenticated(r.Context())
	if before := Secret(r); before != "" {
		a.config.SignIn.End(before)
	}
	setCookie(w, r, secret, 0)
	return writeSignedIn(w, signedIn{Required: true, User: user})
}

// signOut takes the cookie back.
func (a *API) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := ourPage(r); err != nil {
		return err
	}
	if err := withoutQuery(r); err != nil {
		return err
	}
	if secret := Secret(r); secret != "" && a.config.SignIn.End != nil {
		a.config.SignIn.End(secret)
	}
	setCookie(w, r, "", -1)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// setCookie sets the cookie until the browser ends, or has it forgotten.
func setCookie(w http.ResponseWriter, r *http.Request, secret string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure where there is TLS: without it (--insecure, loopback) the browser would not send it back
		Name: cookieName(r), Value: secret, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
}

// ourPage refuses what pages of other sites, of sisters too, have a browser send.
func ourPage(r *http.Request) error {
	if http.NewCrossOriginProtection().Check(r) != nil {
		return crossOrigin(r, "sign anybody in or out here")
	}
	return sameOrigin(r, "sign anybody in or out here")
}

func withoutQuery(r *http.Request) error {
	values, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	return onlyThese(values, nil)
}

// readToken reads the body. What is wrong with it is told without any of it: it may be
// a token in the wrong place.
func readToken(w http.ResponseWriter, r *http.Request) (string, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return "", &Problem{Status: http.StatusUnsupportedMediaType, Reason: ReasonBadRequest, Detail: `send {"token":"…"} with Content-Type: application/json`}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCredentials))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return "", &Problem{Status: http.StatusRequestEntityTooLarge, Reason: ReasonBadRequest, Detail: "the body is longer than a token can be"}
	case err != nil:
		return "", &Problem{Status: http.StatusRequestTimeout, Reason: ReasonBadRequest, Detail: "the body did not come"}
	}
	var c credentials
	if json.Unmarshal(body, &c) != nil {
		return "", badQuery(`the body is no JSON of the form {"token":"…"}`)
	}
	token := strings.TrimSpace(c.Token)
	if token == "" {
		return "", badQuery(`the body has no token: send {"token":"…"}, such as kubectl create token NAME prints`)
	}
	return token, nil
}

func writeSignedIn(w http.ResponseWriter, s signedIn) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header()["Content-Type"] = plainJSON
	// Nobody is left to tell of an error to write.
	_, _ = w.Write(append(body, '\n'))
	return nil
}
