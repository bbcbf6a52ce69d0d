package access

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	authentication "k8s.io/client-go/kubernetes/typed/authentication/v1"

	"rollcall.dev/rollcall/master/httpapi"
)

// tokens has tokens reviewed by the hub, and tells one that the hub refuses from a hub
// that gives no answer: the first is the client's trouble, the other is not.
type tokens struct {
	hub authentication.TokenReviewInterface
	// audiences are those of which a token must have one; empty: those of the hub.
	audiences authenticator.Audiences
	// answers has nil for a token that the hub refuses.
	answers *answers[*authenticator.Response]
	trouble func(error)
}

// AuthenticateToken implements authenticator.Token.
func (t tokens) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	who, err := t.answers.to(ctx, []byte(token), func(ctx context.Context) (*authenticator.Response, error) { return t.review(ctx, token) })
	if err != nil {
		t.trouble(err)
		return nil, false, fmt.Errorf("%w: review a token: %w", httpapi.ErrUndecided, err)
	}
	return who, who != nil, nil
}

// review asks the hub. A hub that was asked for audiences and names none does not know
// what they are, and has looked at its own.
func (t tokens) review(ctx context.Context, token string) (*authenticator.Response, error) {
	spec := authenticationv1.TokenReviewSpec{Token: token, Audiences: t.audiences}
	review, err := t.hub.Create(ctx, &authenticationv1.TokenReview{Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	of := authenticator.Audiences(review.Status.Audiences).Intersect(t.audiences)
	if !review.Status.Authenticated || len(t.audiences) > 0 && len(of) == 0 {
		return nil, nil
	}
	known := review.Status.User
	extra := make(map[string][]string, len(known.Extra))
	for key, values := range known.Extra {
		extra[key] = values
	}
	return &authenticator.Response{
		User:      &user.DefaultInfo{Name: known.Username, UID: known.UID, Groups: known.Groups, Extra: extra},
		Audiences: of,
	}, nil
}
