package access

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

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
	trouble   func(error)
	metrics   *metrics

	hasher    hasher
	questions questions[*authenticator.Response]
	// known holds tokens that were accepted lately, by user. They are reviewed again through
	// a queue that other tokens cannot fill.
	known *fairCache[acceptedToken]
	// refused holds tokens that were refused in the last seconds, by address.
	refused *fairCache[struct{}]

	knownQueue, unknownQueue *fairQueue
	addresses                addressLimits
}

// acceptedToken is the last answer about a token that was accepted.
type acceptedToken struct {
	who *authenticator.Response
	// until is when the token is reviewed again.
	until time.Time
}

func newTokens(hub authentication.TokenReviewInterface, audiences []string, trouble func(error)) *tokens {
	return &tokens{
		hub: hub, audiences: audiences, trouble: trouble, metrics: newMetrics(nil, nil), hasher: newHasher(),
		known:      newFairCache[acceptedToken](maxTokens, maxTokensOfUser),
		refused:    newFairCache[struct{}](maxRefused, maxRefusedOfAddress),
		knownQueue: newFairQueue(knownQueue), unknownQueue: newFairQueue(unknownQueue), addresses: newAddressLimits(),
	}
}

// AuthenticateToken implements authenticator.Token. Its errors wrap httpapi.ErrTooMany or
// httpapi.ErrUndecided.
func (t *tokens) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	key := t.hasher.key([]byte(token))
	seen, known := t.known.get(key)
	if known && time.Now().Before(seen.until) {
		return seen.who, true, nil
	}
	turn := t.acquireUnknown
	if known {
		turn = func(ctx context.Context) (func(), error) { return t.knownQueue.acquire(ctx, seen.who.User.GetName()) }
	} else if _, refused := t.refused.get(key); refused {
		return nil, false, nil
	}
	who, err := t.questions.ask(ctx, question[*authenticator.Response]{
		key: key, turn: turn,
		put: func(ctx context.Context) (*authenticator.Response, error) {
			who, err := t.review(ctx, token)
			t.metrics.reviewed(kindToken, who != nil, err)
			return who, err
		},
		remember: func(who *authenticator.Response) { t.remember(key, addressOf(ctx), who) },
	})
	if err != nil {
		return nil, false, t.unanswered(err, known)
	}
	return who, who != nil, nil
}

// acquireUnknown waits for admission of a token that was not seen before.
func (t *tokens) acquireUnknown(ctx context.Context) (release func(), err error) {
	a := addressOf(ctx)
	if !t.addresses.allow(a) {
		return nil, errAddressLimit
	}
	return t.unknownQueue.acquire(ctx, a.String())
}

func (t *tokens) remember(key string, from netip.Addr, who *authenticator.Response) {
	if who == nil {
		t.known.remove(key)
		t.refused.add(from.String(), key, struct{}{}, refusedFor)
		return
	}
	t.known.add(who.User.GetName(), key, acceptedToken{who, time.Now().Add(acceptedFor)}, knownFor)
}

// unanswered returns what it means to a client that its token was not reviewed.
func (t *tokens) unanswered(err error, known bool) error {
	full, late := errors.Is(err, errQueueFull), errors.Is(err, errQueueTimeout)
	switch {
	case errors.Is(err, errAddressLimit):
		t.metrics.refused.WithLabelValues("address").Inc()
		return fmt.Errorf("%w: your address has sent more than %d tokens a second that this master has not seen before; come again with one that the hub accepts, and once it is known it counts no more", httpapi.ErrTooMany, addressQPS)
	case !known && (full || late):
		t.metrics.refused.WithLabelValues("tokens").Inc()
		return fmt.Errorf("%w: too many tokens are shown to this master that it has not seen before; come again with one that the hub accepts, and once it is known it waits no more", httpapi.ErrTooMany)
	case full:
		t.metrics.refused.WithLabelValues("user").Inc()
		return fmt.Errorf("%w: too many tokens of yours are waiting for a review; use fewer at a time, and come again", httpapi.ErrTooMany)
	case late:
		t.metrics.refused.WithLabelValues("timeout").Inc()
	}
	t.trouble(err)
	return fmt.Errorf("%w: review a token: %w", httpapi.ErrUndecided, err)
}

// review asks the hub. A hub that was asked for audiences and names none does not know
// what they are, and has looked at its own.
func (t *tokens) review(ctx context.Context, token string) (*authenticator.Response, error) {
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
