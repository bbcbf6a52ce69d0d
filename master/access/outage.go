package access

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"time"

	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	// lateAfter is how long the hub may take for a review before it counts as not answering.
	lateAfter = time.Second
	// probePeriod is the time between two reviews with which callers who have an earlier answer test whether the hub
	// answers again.
	probePeriod = time.Second
	// outageFor is how long an outage lasts after the last review that was not answered, if no other one ends. It is
	// longer than a review that tests whether the hub answers.
	outageFor = reviewTimeout + 2*lateAfter
)

// outage records whether the hub answers reviews. While it does not, its earlier answers apply. The hub has an outage
// from a review that fails, or that takes longer than lateAfter, until the next review that it answers, or until
// outageFor has passed. outage is safe for concurrent use.
type outage struct {
	// onError is called with the error of each review that was not answered.
	onError func(error)
	probes  *rate.Limiter

	mu sync.Mutex
	// Guarded by mu: began is closed while there is an outage. failed is when the last review was not answered.
	began  chan struct{}
	active bool
	failed time.Time
}

func newOutage(onError func(error)) *outage {
	return &outage{onError: onError, probes: rate.NewLimiter(rate.Every(probePeriod), 1), began: make(chan struct{})}
}

// begin records that the hub does not answer.
func (o *outage) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failed = time.Now(); !o.active {
		o.active = true
		close(o.began)
	}
}

// observe records the result of a review.
func (o *outage) observe(err error) {
	if unanswered(err) {
		o.onError(err)
		o.begin()
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.endLocked()
}

func (o *outage) endLocked() {
	if o.active {
		o.active, o.began = false, make(chan struct{})
	}
}

// current reports whether there is an outage. If there is none, began is closed when one begins.
func (o *outage) current() (active bool, began <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.failed) >= outageFor {
		o.endLocked()
	}
	return o.active, o.began
}

// unanswered reports whether an error of a request to the hub means that the hub could not answer it. A refusal is an
// answer.
func unanswered(err error) bool {
	var transport *url.Error
	return errors.As(err, &transport) || errors.Is(err, context.DeadlineExceeded) || apierrors.IsInternalError(err) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err)
}
