package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"rollcall.dev/rollcall/master/httpapi"
)

// cookie is the name of the cookie with the user's token.
const cookie = "rollcall-session"

// tokens has the valid tokens with the authorizers of their users.
var tokens = map[string]httpapi.Authorizer{
	"admin":  func(context.Context, httpapi.Access) error { return nil },
	"viewer": summariesOnly,
	"nobody": func(context.Context, httpapi.Access) error {
		return fmt.Errorf("%w: user nobody may not list clusterstatuses of rollcall.dev", httpapi.ErrForbidden)
	},
}

// summariesOnly allows everything but details.
func summariesOnly(_ context.Context, want httpapi.Access) error {
	if want.Details {
		return fmt.Errorf("%w: user viewer may not watch clusterstatuses/details %s of rollcall.dev", httpapi.ErrForbidden, want.Cluster)
	}
	return nil
}

// authenticate returns the user of a request by its cookie.
func authenticate(r *http.Request) (httpapi.Authorizer, error) {
	c, err := r.Cookie(cookie)
	if err != nil || tokens[c.Value] == nil {
		return nil, fmt.Errorf("%w: sign in, or send a bearer token", httpapi.ErrUnauthenticated)
	}
	return tokens[c.Value], nil
}

// signIn serves the parts of /api/v1/session that the page uses.
func signIn(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete {
		http.SetCookie(w, &http.Cookie{Name: cookie, Path: "/", MaxAge: -1})
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var body struct {
		Token string `json:"token"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || tokens[body.Token] == nil {
		http.Error(w, `{"reason":"Unauthorized"}`, http.StatusUnauthorized)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: body.Token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"user":%q}`, body.Token)
}
