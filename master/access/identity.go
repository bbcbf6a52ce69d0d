package access

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/request/union"
	certificate "k8s.io/apiserver/pkg/authentication/request/x509"
	"k8s.io/apiserver/pkg/authentication/token/cache"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/webhook"
	"k8s.io/client-go/kubernetes"

	"rollcall.dev/rollcall/master/httpapi"
)

// newAuthenticator knows clients by their certificates, else by their tokens, as the
// hub's API server does.
func newAuthenticator(hub kubernetes.Interface, authorities certificate.VerifyOptionFunc) (authenticator.Request, error) {
	reviews, err := webhook.NewFromInterface(hub.AuthenticationV1(), nil, retries(), questionTimeout, webhook.AuthenticatorMetrics{
		RecordRequestTotal:   noteStatus,
		RecordRequestLatency: func(context.Context, string, float64) {},
	})
	if err != nil {
		return nil, err
	}
	tokens := cache.New(reviewer{reviews}, false, remembered, remembered)
	return group.NewAuthenticatedGroupAdder(union.New(
		certificate.NewDynamic(authorities, certificate.CommonNameUserConversion),
		bearertoken.New(tokens),
	)), nil
}

// retries is how a question is asked again after an error that passes; a client waits.
func retries() wait.Backoff {
	return wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 4}
}

// reviewer has tokens reviewed, and tells a token that the hub refuses from a hub that
// gave no answer: one is the client's trouble, the other is not.
type reviewer struct{ authenticator.Token }

func (t reviewer) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	status := ""
	who, ok, err := t.Token.AuthenticateToken(context.WithValue(ctx, statusKey{}, &status), token)
	if err != nil && status != strconv.Itoa(http.StatusCreated) {
		return nil, false, fmt.Errorf("%w: review a token: %w", httpapi.ErrUndecided, err)
	}
	return who, ok, err
}

// statusKey is the key of the *string that takes the HTTP status of a review.
type statusKey struct{}

func noteStatus(ctx context.Context, status string) {
	if note, ok := ctx.Value(statusKey{}).(*string); ok {
		*note = status
	}
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
	return fmt.Errorf("%w: send `Authorization: Bearer TOKEN` with a token of the hub, such as `kubectl create token NAME` prints, "+
		"or a client certificate that the hub accepts", httpapi.ErrUnauthenticated)
}
