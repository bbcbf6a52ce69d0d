package access

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/cache"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"

	"golang.org/x/sync/singleflight"
)

// maxAnswers is how many answers of each kind are remembered.
const maxAnswers = 8192

// answers remembers what the hub said, for a while, and lets one question that many
// have at a time be put once. What could not be answered is not remembered.
type answers[A any] struct {
	kept *cache.LRUExpireCache
	// secret makes of questions, which have tokens in them, keys that tell nothing, and
	// that nobody can choose.
	secret [sha256.Size]byte
	asking singleflight.Group
}

func newAnswers[A any]() *answers[A] {
	a := &answers[A]{kept: cache.NewLRUExpireCache(maxAnswers)}
	_, _ = rand.Read(a.secret[:]) // never fails
	return a
}

// to is the answer to a question: the one that is remembered, else what ask gives. Who
// gives up waiting takes the answer from nobody else.
func (a *answers[A]) to(ctx context.Context, question []byte, ask func(context.Context) (A, error)) (A, error) {
	key := a.key(question)
	if kept, ok := a.kept.Get(key); ok {
		return kept.(A), nil
	}
	asked := a.asking.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), questionTimeout)
		defer cancel()
		answer, err := insist(ctx, ask)
		if err == nil {
			a.kept.Add(key, answer, remembered)
		}
		return answer, err
	})
	select {
	case result := <-asked:
		return result.Val.(A), result.Err
	case <-ctx.Done():
		var none A
		return none, context.Cause(ctx)
	}
}

func (a *answers[A]) key(question []byte) string {
	mac := hmac.New(sha256.New, a.secret[:])
	_, _ = mac.Write(question)
	return string(mac.Sum(nil))
}

// retries is how a question is asked again after an error that passes; a client waits.
func retries() wait.Backoff {
	return wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 4}
}

// insist asks until there is an answer, or an error that does not pass.
func insist[A any](ctx context.Context, ask func(context.Context) (A, error)) (answer A, err error) {
	waited := wait.ExponentialBackoffWithContext(ctx, retries(), func(ctx context.Context) (bool, error) {
		answer, err = ask(ctx)
		return err == nil || !passes(err), nil
	})
	if err == nil {
		err = waited // it was never asked
	}
	return answer, err
}

// passes says that the hub may answer when it is asked again.
func passes(err error) bool {
	_, later := apierrors.SuggestsClientDelay(err)
	return later || utilnet.IsConnectionReset(err) || utilnet.IsHTTP2ConnectionLost(err) ||
		apierrors.IsInternalError(err) || apierrors.IsTimeout(err) || apierrors.IsTooManyRequests(err)
}
