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

// tokenReviewer reviews tokens in the hub. It distinguishes a rejected token from a hub that could
// not be asked.
type tokenReviewer struct {
	hub authentication.TokenReviewInterface
	// audiences are the accepted audiences; if it is empty, those of the hub.
	audiences authenticator.Audiences
	onError   func(error)
	metrics   *metrics

	hasher hasher
	calls  reviewGroup[*authenticator.Response]
	// known has recently accepted tokens, by user. They are reviewed again through a separate
	// queue, which other tokens cannot fill.
	known *fairCache[acceptedToken]
	// rejected has the tokens that were rejected within rejectedFor, by address.
	rejected *fairCache[struct{}]

	knownQueue, unknownQueue *fairQueue
	addresses                addressLimits
}

// acceptedToken is the last review of an accepted token.
type acceptedToken struct {
	response   *authenticator.Response
	acceptedAt time.Time
}

// isCurrent reports whether the token need not be reviewed again yet.
func (a acceptedToken) isCurrent(now time.Time) bool { return now.Sub(a.acceptedAt) < acceptedFor }

// isUsable reports whether the review applies while the hub does not answer.
func (a acceptedToken) isUsable(now time.Time) bool { return now.Sub(a.acceptedAt) < earlierFor }

func newTokenReviewer(hub authentication.TokenReviewInterface, audiences []string, o *outage, onError func(error)) *tokenReviewer {
	return &tokenReviewer{
		hub: hub, audiences: audiences, onError: onError, metrics: newMetrics(nil, nil), hasher: newHasher(), calls: reviewGroup[*authenticator.Response]{outage: o},
		known:      newFairCache[acceptedToken](maxTokens, maxTokensPerUser),
		rejected:   newFairCache[struct{}](maxRejected, maxRejectedPerAddress),
		knownQueue: newFairQueue(knownQueue), unknownQueue: newFairQueue(unknownQueue), addresses: newAddressLimits(),
	}
}

// AuthenticateToken implements authenticator.Token. Its errors wrap httpapi.ErrTooManyRequests or
// httpapi.ErrAuthorizerUnavailable.
func (t *tokenReviewer) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	key := t.hasher.key([]byte(token))
	seen, known := t.known.get(key)
	now := time.Now()
	if known && seen.isCurrent(now) {
		return seen.response, true, nil
	}
	acquire := t.acquireUnknown
	if known {
		acquire = func(ctx context.Context) (func(), error) {
			return t.knownQueue.acquire(ctx, seen.response.User.GetName())
		}
	} else if _, rejected := t.rejected.get(key); rejected {
		return nil, false, nil
	}
	call := reviewCall[*authenticator.Response]{
		key: key, acquire: acquire,
		review: func(ctx context.Context) (*authenticator.Response, error) {
			response, err := t.review(ctx, token)
			t.metrics.observeReview(kindToken, response != nil, err)
			return response, err
		},
		store: func(response *authenticator.Response) { t.store(key, addressOf(ctx), response) },
	}
	var response *authenticator.Response
	var err error
	if known && seen.isUsable(now) {
		response, err = t.calls.renew(ctx, call, seen.response)
	} else {
		response, err = t.calls.do(ctx, call)
	}
	if err != nil {
		return nil, false, t.reviewError(err, known)
	}
	return response, response != nil, nil
}

// acquireUnknown waits until an unknown token may be reviewed.
func (t *tokenReviewer) acquireUnknown(ctx context.Context) (release func(), err error) {
	a := addressOf(ctx)
	if !t.addresses.allow(a) {
		return nil, errAddressLimit
	}
	return t.unknownQueue.acquire(ctx, a.String())
}

func (t *tokenReviewer) store(key string, from netip.Addr, response *authenticator.Response) {
	if response == nil {
		t.known.remove(key)
		t.rejected.add(from.String(), key, struct{}{}, rejectedFor)
		return
	}
	t.known.add(response.User.GetName(), key, acceptedToken{response, time.Now()}, knownFor)
}

// reviewError returns the error for a review that failed or was not sent, and counts it.
func (t *tokenReviewer) reviewError(err error, known bool) error {
	full, late := errors.Is(err, errQueueFull), errors.Is(err, errQueueTimeout)
	switch {
	case errors.Is(err, errAddressLimit):
		t.metrics.limited.WithLabelValues("address").Inc()
		return fmt.Errorf("%w: your address has sent more than %d unknown tokens per second; try again with a token that the hub accepts, which is not limited once it is known", httpapi.ErrTooManyRequests, addressQPS)
	case !known && (full || late):
		t.metrics.limited.WithLabelValues("tokens").Inc()
		return fmt.Errorf("%w: this master receives too many unknown tokens; try again with a token that the hub accepts, which is not delayed once it is known", httpapi.ErrTooManyRequests)
	case full:
		t.metrics.limited.WithLabelValues("user").Inc()
		return fmt.Errorf("%w: too many of your tokens are waiting for a review; use fewer at once and try again", httpapi.ErrTooManyRequests)
	case late:
		t.metrics.limited.WithLabelValues("timeout").Inc()
	}
	t.onError(err)
	return fmt.Errorf("%w: review token: %w", httpapi.ErrAuthorizerUnavailable, err)
}

// review reviews a token. It returns nil if the token is rejected. A hub that returns no audiences
// does not support them and has checked its own, so the token is rejected if audiences are set.
func (t *tokenReviewer) review(ctx context.Context, token string) (*authenticator.Response, error) {
	spec := authenticationv1.TokenReviewSpec{Token: token, Audiences: t.audiences}
	review, err := t.hub.Create(ctx, &authenticationv1.TokenReview{Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	audiences := authenticator.Audiences(review.Status.Audiences).Intersect(t.audiences)
	if !review.Status.Authenticated || len(t.audiences) > 0 && len(audiences) == 0 {
		return nil, nil
	}
	info := review.Status.User
	extra := make(map[string][]string, len(info.Extra))
	for key, values := range info.Extra {
		extra[key] = values
	}
	return &authenticator.Response{
		User:      &user.DefaultInfo{Name: info.Username, UID: info.UID, Groups: info.Groups, Extra: extra},
		Audiences: audiences,
	}, nil
}
