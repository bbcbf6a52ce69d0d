package access

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"

	"golang.org/x/sync/singleflight"
)

// hasher hashes cache keys with a random secret. The keys contain tokens, so they must not be
// readable in memory, and callers must not be able to choose them.
type hasher struct{ secret [sha256.Size]byte }

func newHasher() (h hasher) {
	_, _ = rand.Read(h.secret[:]) // never fails
	return h
}

func (h *hasher) key(input []byte) string {
	mac := hmac.New(sha256.New, h.secret[:])
	_, _ = mac.Write(input)
	return string(mac.Sum(nil))
}

// acquireFunc waits until a review may be sent to the hub. The caller calls release once the hub
// has responded.
type acquireFunc func(ctx context.Context) (release func(), err error)

// reviewCall is a request to the hub for a review.
type reviewCall[A any] struct {
	key     string
	acquire acquireFunc
	review  func(context.Context) (A, error)
	// store is called with the result before any caller receives it.
	store func(A)
}

// reviewGroup sends identical concurrent reviews once.
type reviewGroup[A any] struct {
	outage *outage
	calls  singleflight.Group
}

// start sends a review, unless an identical one is being sent. It does not end with ctx.
func (g *reviewGroup[A]) start(ctx context.Context, call reviewCall[A]) <-chan singleflight.Result {
	ctx = context.WithoutCancel(ctx)
	return g.calls.DoChan(call.key, func() (any, error) {
		result, err := call.send(ctx, g.outage)
		if err == nil {
			call.store(result)
		}
		return result, err
	})
}

// do returns the result of a review. If ctx ends, only this caller stops waiting.
func (g *reviewGroup[A]) do(ctx context.Context, call reviewCall[A]) (A, error) {
	select {
	case result := <-g.start(ctx, call):
		return result.Val.(A), result.Err
	case <-ctx.Done():
		var none A
		return none, context.Cause(ctx)
	}
}

// renew is like do, but returns an earlier result if the hub does not answer.
func (g *reviewGroup[A]) renew(ctx context.Context, call reviewCall[A], earlier A) (A, error) {
	active, began := g.outage.current()
	if active {
		if g.outage.probes.Allow() {
			g.start(ctx, call)
		}
		return earlier, nil
	}
	select {
	case result := <-g.start(ctx, call):
		if unanswered(result.Err) {
			return earlier, nil
		}
		return result.Val.(A), result.Err
	case <-began:
		return earlier, nil
	case <-ctx.Done():
		var none A
		return none, context.Cause(ctx)
	}
}

// send sends the review, and retries transient errors. reviewTimeout starts when the first
// attempt is admitted.
func (c *reviewCall[A]) send(ctx context.Context, hub *outage) (result A, err error) {
	release, err := c.acquire(ctx)
	if err != nil {
		return result, err
	}
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	return retry(ctx, func(ctx context.Context) (A, error) {
		if release == nil {
			if release, err = c.acquire(ctx); err != nil {
				var none A
				return none, err
			}
		}
		defer func() {
			release()
			release = nil
		}()
		late := time.AfterFunc(lateAfter, hub.begin)
		defer late.Stop()
		result, err := c.review(ctx)
		hub.observe(err)
		return result, err
	})
}

// retryBackoff returns the backoff between attempts. It is short, as a client is waiting.
func retryBackoff() wait.Backoff {
	return wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 4}
}

// retry calls f until it succeeds or fails with an error that is not transient.
func retry[A any](ctx context.Context, f func(context.Context) (A, error)) (result A, err error) {
	waitErr := wait.ExponentialBackoffWithContext(ctx, retryBackoff(), func(ctx context.Context) (bool, error) {
		result, err = f(ctx)
		return err == nil || !isTransient(err), nil
	})
	if err == nil {
		err = waitErr // f was not called
	}
	return result, err
}

// isTransient reports whether the same request may succeed if it is sent again.
func isTransient(err error) bool {
	_, later := apierrors.SuggestsClientDelay(err)
	return later || utilnet.IsConnectionReset(err) || utilnet.IsHTTP2ConnectionLost(err) ||
		apierrors.IsInternalError(err) || apierrors.IsTimeout(err) || apierrors.IsTooManyRequests(err)
}
