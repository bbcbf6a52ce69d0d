package access

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/util/cache"

	"rollcall.dev/rollcall/api/connlimit"
)

// These constants say how long reviews are cached. A changed permission takes effect after
// that time at the latest, and after earlierFor while the hub does not answer.
const (
	// acceptedFor applies to accepted tokens and granted access.
	acceptedFor = 10 * time.Second
	// rejectedFor applies to rejected tokens.
	rejectedFor = 10 * time.Second
	// deniedFor, less up to deniedJitter, applies to denied access. The jitter keeps the reviews
	// for a list of clusters from expiring at the same time.
	deniedFor, deniedJitter = 60 * time.Second, 20 * time.Second
	// earlierFor applies to accepted tokens and granted access while the hub does not answer.
	earlierFor = 5 * time.Minute
	// knownFor is how long an accepted token counts as known. Known tokens are reviewed through
	// knownQueue.
	knownFor = 12 * time.Hour

	// reviewTimeout limits a review with its retries, queueTimeout the time it waits before.
	reviewTimeout, queueTimeout = 5 * time.Second, 10 * time.Second
)

// These constants limit the entries of caches.
const (
	maxReviewsPerUser, maxReviews      = 20_000, 200_000
	maxTokensPerUser, maxTokens        = 1024, 16_384
	maxRejectedPerAddress, maxRejected = 1024, 8192
	maxAddresses                       = 16_384
)

// addressQPS and addressBurst limit the reviews of unknown tokens from one address.
const addressQPS, addressBurst = 25, 100

// Each kind of request to the hub has its own queue, so that a flood of one kind does not
// delay another: access reviews, by user; reviews of known tokens, by user; and reviews of
// unknown tokens, which anyone can make up, by address.
var (
	accessQueue  = queueConfig{qps: 400, burst: 800, inFlight: 256, perKey: 64, waiting: 16_384, waitingPerKey: 2048, timeout: queueTimeout}
	knownQueue   = queueConfig{qps: 200, burst: 400, inFlight: 128, perKey: 32, waiting: 8192, waitingPerKey: 512, timeout: queueTimeout}
	unknownQueue = queueConfig{qps: 100, burst: 200, inFlight: 64, perKey: 16, waiting: 2048, waitingPerKey: 64, timeout: 2 * time.Second}
)

// deniedTTL returns how long a denial is cached.
func deniedTTL() time.Duration {
	return deniedFor - rand.N(deniedJitter) //nolint:gosec // jitter
}

// errAddressLimit is returned if an address sends too many unknown tokens.
var errAddressLimit = errors.New("too many unknown tokens from one address")

// addressLimits limits reviews by address. It is safe for concurrent use.
type addressLimits struct{ limiters *cache.LRUExpireCache }

func newAddressLimits() addressLimits {
	return addressLimits{cache.NewLRUExpireCache(maxAddresses)}
}

// allow reports whether another review is allowed for an address.
func (l addressLimits) allow(a netip.Addr) bool {
	limiter, ok := l.limiters.Get(a)
	if !ok {
		// If two are created concurrently, one is lost with the review that it counted.
		limiter = rate.NewLimiter(addressQPS, addressBurst)
		l.limiters.Add(a, limiter, time.Hour)
	}
	return limiter.(*rate.Limiter).Allow()
}

type addressKey struct{}

// withAddress returns a context with the address of the request's client.
func (a *Authenticator) withAddress(r *http.Request) context.Context {
	return context.WithValue(r.Context(), addressKey{}, connlimit.RequestKey(r, a.trustedProxies))
}

// addressOf returns the address of withAddress, or the zero Addr.
func addressOf(ctx context.Context) netip.Addr {
	a, _ := ctx.Value(addressKey{}).(netip.Addr)
	return a
}
