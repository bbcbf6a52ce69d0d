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

// hasher makes keys of questions, which have tokens in them: keys that tell nothing, and that
// nobody can choose.
type hasher struct{ secret [sha256.Size]byte }

func newHasher() (h hasher) {
	_, _ = rand.Read(h.secret[:]) // never fails
	return h
}

func (h *hasher) key(question []byte) string {
	mac := hmac.New(sha256.New, h.secret[:])
	_, _ = mac.Write(question)
	return string(mac.Sum(nil))
}

// turn waits until a question may be put to the hub; release is called when the hub has
// answered.
type turn func(ctx context.Context) (release func(), err error)

// question is one that the hub answers.
type question[A any] struct {
	key  string
	turn turn
	put  func(context.Context) (A, error)
	// remember is called with the answer before anybody else has it.
	remember func(A)
}

// questions has a question that many have at a time put once. Its zero value is ready.
type questions[A any] struct{ asking singleflight.Group }

// ask returns the hub's answer. A caller that gives up waiting takes the answer from nobody
// else.
func (q *questions[A]) ask(ctx context.Context, what question[A]) (A, error) {
	asked := q.asking.DoChan(what.key, func() (any, error) {
		answer, err := what.ask(context.WithoutCancel(ctx))
		if err == nil {
			what.remember(answer)
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

// ask puts the question when it is its turn, and again after an error that passes. The time
// in which the hub has to answer begins with the first turn.
func (q *question[A]) ask(ctx context.Context) (answer A, err error) {
	release, err := q.turn(ctx)
	if err != nil {
		return answer, err
	}
	ctx, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	return insist(ctx, func(ctx context.Context) (A, error) {
		if release == nil {
			if release, err = q.turn(ctx); err != nil {
				var none A
				return none, err
			}
		}
		defer func() {
			release()
			release = nil
		}()
		return q.put(ctx)
	})
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
