package access

import (
	"fmt"
	"net/http"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/request/union"

	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/httpapi/signin"
)

// newRequestAuthenticator returns an authenticator that tries, in this order, the client
// certificate, the bearer token, and the cookie of a login session.
func newRequestAuthenticator(c certificateAuthenticator, t *tokenReviewer, s *loginSessions) authenticator.Request {
	return group.NewAuthenticatedGroupAdder(union.New(c, bearertoken.New(t), s))
}

// unauthenticatedError returns the error for a request that was not authenticated. Like the hub,
// it does not reveal why a token or certificate was rejected.
func (a *Authenticator) unauthenticatedError(r *http.Request) error {
	certificates := r.TLS != nil && len(r.TLS.PeerCertificates) > 0
	switch {
	case r.Header.Get("Authorization") != "":
		return fmt.Errorf("%w: the hub does not accept this token: it may have expired, or be for another cluster or audience; "+
			"send `Authorization: Bearer TOKEN` with a token of the hub, for example from `kubectl create token NAME`", httpapi.ErrUnauthenticated)
	case certificates && a.clientCAs.pending() != nil:
		return fmt.Errorf("%w: client certificates cannot be verified: %w", httpapi.ErrAuthorizerUnavailable, a.clientCAs.pending())
	case certificates:
		return fmt.Errorf("%w: this client certificate has expired, is not for client authentication, or is not signed by a trusted authority; "+
			"send one that the hub accepts, or `Authorization: Bearer TOKEN`", httpapi.ErrUnauthenticated)
	}
	if signin.Secret(r) != "" {
		return fmt.Errorf("%w: your session has ended: the token expired, the session was idle for too long, or the master restarted; sign in again", httpapi.ErrUnauthenticated)
	}
	return fmt.Errorf("%w: send `Authorization: Bearer TOKEN` with a token of the hub, for example from `kubectl create token NAME`, "+
		"or a client certificate that the hub accepts", httpapi.ErrUnauthenticated)
}
