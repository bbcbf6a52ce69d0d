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

// For how long answers of the hub are cached. A right that was removed or granted takes
// effect after that time at the latest.
const (
	// acceptedFor applies to accepted tokens and granted rights.
	acceptedFor = 10 * time.Second
	// refusedFor applies to refused tokens.
	refusedFor = 10 * time.Second
	// deniedFor, less up to deniedJitter, applies to denied rights. The jitter keeps the
	// answers about a list of clusters from expiring at the same time.
	deniedFor, deniedJitter = 60 * time.Second, 20 * time.Second
	// knownFor is for how long an accepted token counts as known, and is reviewed again
	// through knownQueue.
	knownFor = 12 * time.Hour

	// questionTimeout limits one request to the hub, queueTimeout its wait before.
	questionTimeout, queueTimeout = 5 * time.Second, 10 * time.Second
)

// Limits of the caches of answers.
const (
	maxAnswersOfUser, maxAnswers    = 20_000, 200_000
	maxTokensOfUser, maxTokens      = 1024, 16_384
	maxRefusedOfAddress, maxRefused = 1024, 8192
	maxAddresses                    = 16_384
)

// Limits of token reviews for unknown tokens of one address, a second and at once.
const addressQPS, addressBurst = 25, 100

// Each kind of request to the hub has its own queue, so that a flood of one kind does not
// delay another: access reviews, by user; reviews of known tokens, by user; and reviews of
// unknown tokens, which anyone can make up, by address.
var (
	accessQueue  = queueConfig{qps: 400, burst: 800, inFlight: 256, perKey: 64, waiting: 16_384, waitingPerKey: 2048, timeout: queueTimeout}
	knownQueue   = queueConfig{qps: 200, burst: 400, inFlight: 128, perKey: 32, waiting: 8192, waitingPerKey: 512, timeout: queueTimeout}
	unknownQueue = queueConfig{qps: 100, burst: 200, inFlight: 64, perKey: 16, waiting: 2048, waitingPerKey: 64, timeout: 2 * time.Second}
)

// lifetimeOf returns how long the answer to a question about a right is remembered.
func lifetimeOf(allowed bool) time.Duration {
	if allowed {
		return acceptedFor
	}
	return deniedFor - rand.N(deniedJitter) //nolint:gosec // jitter
}

// errAddressLimit is returned if an address sends too many unknown tokens.
var errAddressLimit = errors.New("too many tokens of one address that are not known")

// addressLimits limits reviews by address. It is safe for concurrent use.
type addressLimits struct{ limiters *cache.LRUExpireCache }

func newAddressLimits() addressLimits {
	return addressLimits{cache.NewLRUExpireCache(maxAddresses)}
}

// allow reports whether an address may have one more review.
func (l addressLimits) allow(a netip.Addr) bool {
	limiter, ok := l.limiters.Get(a)
	if !ok {
		// If two are made at the same time, one is dropped with the review that it counted.
		limiter = rate.NewLimiter(addressQPS, addressBurst)
		l.limiters.Add(a, limiter, time.Hour)
	}
	return limiter.(*rate.Limiter).Allow()
}

type addressKey struct{}

// withAddress returns a context with the address of the request's client.
func (g *Guard) withAddress(r *http.Request) context.Context {
	return context.WithValue(r.Context(), addressKey{}, connlimit.RequestKey(r, g.trustedProxies))
}

// addressOf returns the address of withAddress, or the zero Addr.
func addressOf(ctx context.Context) netip.Addr {
	a, _ := ctx.Value(addressKey{}).(netip.Addr)
	return a
}
