package access

import (
	"fmt"
	"net/http"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/request/union"

	"rollcall.dev/rollcall/master/httpapi"
)

// newAuthenticator knows clients by their certificates, else by their tokens, as the
// hub's API server does, else by the cookie that a token was given for.
func newAuthenticator(c certificates, t *tokens, b *browsers) authenticator.Request {
	return group.NewAuthenticatedGroupAdder(union.New(c, bearertoken.New(t), b))
}

// unknown is what a client is told whom nobody knows. Why the hub refuses a token or a
// certificate is not said, as it does not say it either.
func (g *Guard) unknown(r *http.Request) error {
	certificates := r.TLS != nil && len(r.TLS.PeerCertificates) > 0
	switch {
	case r.Header.Get("Authorization") != "":
		return fmt.Errorf("%w: the hub does not accept this token: it may have expired, be of another cluster or meant for another audience; "+
			"send `Authorization: Bearer TOKEN` with one of the hub's, such as `kubectl create token NAME` prints", httpapi.ErrUnauthenticated)
	case certificates && g.authorities.pending() != nil:
		return fmt.Errorf("%w: client certificates cannot be verified: %w", httpapi.ErrUndecided, g.authorities.pending())
	case certificates:
		return fmt.Errorf("%w: this client certificate has expired, is not for clients, or is of no authority that is trusted here; "+
			"send one that the hub accepts, or `Authorization: Bearer TOKEN`", httpapi.ErrUnauthenticated)
	}
	if httpapi.Secret(r) != "" {
		return fmt.Errorf("%w: you are signed in no more: the token has expired, or nothing was asked for too long, or the master was started anew; sign in again", httpapi.ErrUnauthenticated)
	}
	return fmt.Errorf("%w: send `Authorization: Bearer TOKEN` with a token of the hub, such as `kubectl create token NAME` prints, "+
		"or a client certificate that the hub accepts", httpapi.ErrUnauthenticated)
}
