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

// How long answers of the hub count: so long is who lost a right still let in, and who got
// one still refused.
const (
	// acceptedFor is for tokens and rights that the hub accepts.
	acceptedFor = 10 * time.Second
	// refusedFor is for tokens that the hub refuses.
	refusedFor = 10 * time.Second
	// deniedFor is for rights that somebody has not, less up to deniedJitter: the answers about
	// all clusters of a list, which came together, shall not all be asked for again together.
	deniedFor, deniedJitter = 60 * time.Second, 20 * time.Second
	// knownFor is for how long a token that was accepted counts as known, which is reviewed
	// again from the share of those.
	knownFor = 12 * time.Hour

	// questionTimeout is how long the hub may take for one question, queueTimeout how long the
	// question may wait before.
	questionTimeout, queueTimeout = 5 * time.Second, 10 * time.Second
)

// How many answers are remembered.
const (
	maxAnswersOfUser, maxAnswers    = 20_000, 200_000
	maxTokensOfUser, maxTokens      = 1024, 16_384
	maxRefusedOfAddress, maxRefused = 1024, 8192
	maxAddresses                    = 16_384
)

// Questions a second of callers whose tokens were not seen before, of one address.
const addressQPS, addressBurst = 25, 100

// Each kind of question has a limit of its own, so that no flood of one kind keeps another
// waiting: what callers may see, by user; tokens that were accepted before, by user; and
// tokens that were not, which anybody can make up, by address.
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

// errAddressLimit says that too many tokens of an address were not seen before.
var errAddressLimit = errors.New("too many tokens of one address that are not known")

// addressLimits limits questions by address. It is safe for concurrent use.
type addressLimits struct{ limiters *cache.LRUExpireCache }

func newAddressLimits() addressLimits {
	return addressLimits{cache.NewLRUExpireCache(maxAddresses)}
}

// allow reports whether an address may have one more question.
func (l addressLimits) allow(a netip.Addr) bool {
	limiter, ok := l.limiters.Get(a)
	if !ok {
		// Where two are made at a time, one is lost with the question that it counted.
		limiter = rate.NewLimiter(addressQPS, addressBurst)
		l.limiters.Add(a, limiter, time.Hour)
	}
	return limiter.(*rate.Limiter).Allow()
}

type addressKey struct{}

// withAddress returns a context that tells where a request comes from.
func (g *Guard) withAddress(r *http.Request) context.Context {
	return context.WithValue(r.Context(), addressKey{}, connlimit.RequestKey(r, g.trustedProxies))
}

// addressOf returns what withAddress put in; the zero Addr where nothing did.
func addressOf(ctx context.Context) netip.Addr {
	a, _ := ctx.Value(addressKey{}).(netip.Addr)
	return a
}
