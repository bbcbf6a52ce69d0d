package access

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	authentication "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorization "k8s.io/client-go/kubernetes/typed/authorization/v1"
	core "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/master/httpapi"
)

// Config is what a Guard is made of.
type Config struct {
	// Hub is how the hub is reached, by an account that may create TokenReviews and
	// SubjectAccessReviews, and read kube-system/extension-apiserver-authentication.
	Hub *rest.Config
	// TokenAudiences are those of which a token must have one; empty: those of the hub's
	// API server.
	TokenAudiences []string
	// ClientCAFile has the authorities of client certificates, in PEM; empty: the hub's
	// own ones. It is read again when it changes.
	ClientCAFile string
	// TrustedProxies are the addresses of which X-Forwarded-For is believed: callers count
	// for the address that they were forwarded for.
	TrustedProxies []netip.Prefix
	// Metrics takes those of the questions to the hub; nil: nobody does.
	Metrics prometheus.Registerer
	Log     *slog.Logger
}

// Guard tells who asks and what they may see. New makes one.
type Guard struct {
	authenticate   authenticator.Request
	browsers       *browsers
	authorize      authorize
	authorities    authorities
	trustedProxies []netip.Prefix
}

// authorities are who signs client certificates.
type authorities struct {
	// options is false while there are none.
	options func() (x509.VerifyOptions, bool)
	// pending is why it is not known yet who they are; nil: it is.
	pending func() error
	run     func(context.Context)
}

// errNoAnswer is what a client is told when the hub was asked in vain. The log says why.
var errNoAnswer = fmt.Errorf("%w: the hub's API server does not say who may see what; ask again, and if it lasts see the master's log", httpapi.ErrUndecided)

// New is a Guard; it starts nothing.
func New(c Config) (*Guard, error) {
	hub := rest.CopyConfig(c.Hub)
	// The queues limit what is asked, each kind of question apart.
	hub.RateLimiter, hub.QPS = nil, -1
	identities, err := authentication.NewForConfig(hub)
	if err != nil {
		return nil, fmt.Errorf("prepare to ask the hub who clients are: %w", err)
	}
	rights, err := authorization.NewForConfig(hub)
	if err != nil {
		return nil, fmt.Errorf("prepare to ask the hub who may see what: %w", err)
	}
	reviews := newReviewer(rights.SubjectAccessReviews(), c.trouble())
	reviewed := newTokens(identities.TokenReviews(), c.TokenAudiences, c.trouble())
	reviews.metrics = newMetrics(c.Metrics, map[string]func() int{
		"access": reviews.queue.waitingNow, "known": reviewed.knownQueue.waitingNow, "unknown": reviewed.unknownQueue.waitingNow,
	})
	reviewed.metrics = reviews.metrics
	g := &Guard{authorize: reviews.authorize, browsers: newBrowsers(reviewed), trustedProxies: c.TrustedProxies}
	if g.authorities, err = c.authorities(); err != nil {
		return nil, err
	}
	g.authenticate = newAuthenticator(certificates{g.authorities.options}, reviewed, g.browsers)
	return g, nil
}

// trouble logs why the hub gave no answer, now and then: each request may be another.
func (c *Config) trouble() func(error) {
	sometimes, log := &rate.Sometimes{First: 1, Interval: acceptedFor}, c.Log
	return func(err error) {
		sometimes.Do(func() {
			log.Warn("the hub does not say who may see what, so nobody who needs to be asked for is let in", "error", err)
		})
	}
}

func (c *Config) authorities() (authorities, error) {
	if c.ClientCAFile != "" {
		file, err := openCAFile(c.ClientCAFile, c.Log)
		if err != nil {
			return authorities{}, err
		}
		return authorities{file.options, func() error { return nil }, func(ctx context.Context) { <-ctx.Done() }}, nil
	}
	// Watching has no timeout.
	client, err := core.NewForConfig(c.Hub)
	if err != nil {
		return authorities{}, fmt.Errorf("prepare to read the hub's client CA: %w", err)
	}
	hub := newHubCA(client.RESTClient(), c.Log)
	return authorities{hub.options, hub.pending, hub.run}, nil
}

// Run follows the hub's client CA until ctx ends.
func (g *Guard) Run(ctx context.Context) error {
	g.authorities.run(ctx)
	return nil
}

// Identify is httpapi.Identify.
func (g *Guard) Identify(r *http.Request) (httpapi.Caller, error) {
	who, err := g.identify(r)
	if err != nil {
		return nil, err
	}
	return caller{who.User, g.authorize}.may, nil
}

func (g *Guard) identify(r *http.Request) (*authenticator.Response, error) {
	// The API server's authenticator takes a token that is accepted out of the request.
	// A stream is asked about again and again, and always by what was sent.
	shown := r.WithContext(g.withAddress(r))
	shown.Header = r.Header.Clone()
	who, ok, err := g.authenticate.AuthenticateRequest(shown)
	switch {
	case ok:
		return who, nil
	case errors.Is(err, httpapi.ErrTooMany):
		return nil, err
	case errors.Is(err, httpapi.ErrUndecided):
		return nil, errNoAnswer
	}
	return nil, g.unknown(r)
}
