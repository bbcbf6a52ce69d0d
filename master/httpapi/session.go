package httpapi

import (
	"errors"
	"net/http"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/httpapi/openapi"
)

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
	signedIn, err := a.config.SignIn.SignedIn(r)
	if err != nil {
		return err
	}
	return writeUncached(w, signedIn)
}

// signIn starts a session and sets its cookie.
func (a *API) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := checkSameSite(r); err != nil {
		return err
	}
	if err := rejectQuery(r); err != nil {
		return err
	}
	signedIn, err := a.config.SignIn.SignIn(w, r)
	var badBody *httpv1.Problem
	if errors.As(err, &badBody) {
		// A request body that times out also cancels the request's context, so the error is written here.
		w.Header().Set("Connection", "close")
		writeProblem(w, badBody)
		return nil
	}
	if err != nil {
		return err
	}
	if signedIn.Required {
		AuditUser(r.Context(), signedIn.User)
	}
	return writeUncached(w, signedIn)
}

// signOut ends the session and deletes its cookie.
func (a *API) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := checkSameSite(r); err != nil {
		return err
	}
	if err := rejectQuery(r); err != nil {
		return err
	}
	a.config.SignIn.SignOut(w, r)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}
