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

// Config configures an Authenticator.
type Config struct {
	// Hub is the client configuration for the hub. Its account has to be allowed to create
	// TokenReviews and SubjectAccessReviews, and to read the ConfigMap
	// kube-system/extension-apiserver-authentication.
	Hub *rest.Config
	// TokenAudiences are the accepted audiences of tokens. If it is empty, the audiences of the
	// hub's API server are accepted.
	TokenAudiences []string
	// ClientCAFile is a PEM file with the authorities of client certificates. It is reloaded
	// when it changes. If it is empty, the authorities of the hub are used.
	ClientCAFile string
	// TrustedProxies are the addresses of proxies whose X-Forwarded-For header is trusted. The
	// limits then apply to the forwarded address.
	TrustedProxies []netip.Prefix
	// Metrics registers the metrics of reviews. It may be nil.
	Metrics prometheus.Registerer
	Log     *slog.Logger
}

// Authenticator authenticates requests. It returns an Authorizer for the caller of each.
type Authenticator struct {
	authenticate   authenticator.Request
	logins         *loginSessions
	authorize      authorizeFunc
	clientCAs      clientCAs
	trustedProxies []netip.Prefix
}

// clientCAs are the certificate authorities of client certificates.
type clientCAs struct {
	// verifyOptions returns false if there are no authorities.
	verifyOptions func() (x509.VerifyOptions, bool)
	// pending returns an error while the authorities have not been read yet.
	pending func() error
	run     func(context.Context)
}

// errHubUnavailable is the error that a client receives if the hub could not be asked. The cause
// is in the log.
var errHubUnavailable = fmt.Errorf("%w: the hub's API server could not be asked; try again, and see the master's log if it persists", httpapi.ErrAuthorizerUnavailable)

// New returns an Authenticator. Run has to be called for client certificates to be accepted.
func New(c Config) (*Authenticator, error) {
	hub := rest.CopyConfig(c.Hub)
	// The queues limit the rate instead, separately for each kind of review.
	hub.RateLimiter, hub.QPS = nil, -1
	authenticationClient, err := authentication.NewForConfig(hub)
	if err != nil {
		return nil, fmt.Errorf("create client for token reviews: %w", err)
	}
	authorizationClient, err := authorization.NewForConfig(hub)
	if err != nil {
		return nil, fmt.Errorf("create client for access reviews: %w", err)
	}
	logError := c.errorLogger()
	outage := newOutage(logError)
	access := newAccessReviewer(authorizationClient.SubjectAccessReviews(), outage, logError)
	tokens := newTokenReviewer(authenticationClient.TokenReviews(), c.TokenAudiences, outage, logError)
	access.metrics = newMetrics(c.Metrics, map[string]func() int{
		"access": access.queue.waitingCallers, "known": tokens.knownQueue.waitingCallers, "unknown": tokens.unknownQueue.waitingCallers,
	})
	tokens.metrics = access.metrics
	a := &Authenticator{authorize: access.authorize, logins: newLoginSessions(tokens), trustedProxies: c.TrustedProxies}
	if a.clientCAs, err = c.newClientCAs(); err != nil {
		return nil, err
	}
	a.authenticate = newRequestAuthenticator(certificateAuthenticator{a.clientCAs.verifyOptions}, tokens, a.logins)
	return a, nil
}

// errorLogger returns a function that logs why a review failed, at most once per acceptedFor.
func (c *Config) errorLogger() func(error) {
	sometimes, log := &rate.Sometimes{First: 1, Interval: acceptedFor}, c.Log
	return func(err error) {
		sometimes.Do(func() {
			log.Warn("failed to review access in the hub; answers of the last minutes apply, other requests are denied", "error", err)
		})
	}
}

func (c *Config) newClientCAs() (clientCAs, error) {
	if c.ClientCAFile != "" {
		file, err := openCAFile(c.ClientCAFile, c.Log)
		if err != nil {
			return clientCAs{}, err
		}
		return clientCAs{file.verifyOptions, func() error { return nil }, func(ctx context.Context) { <-ctx.Done() }}, nil
	}
	// The rate limits of c.Hub suffice for a watch.
	client, err := core.NewForConfig(c.Hub)
	if err != nil {
		return clientCAs{}, fmt.Errorf("create client for the hub's client CA: %w", err)
	}
	hub := newHubCA(client.RESTClient(), c.Log)
	return clientCAs{hub.verifyOptions, hub.pending, hub.run}, nil
}

// Run watches the client CA of the hub until ctx ends.
func (a *Authenticator) Run(ctx context.Context) error {
	a.clientCAs.run(ctx)
	return nil
}

// Identify authenticates a request; see httpapi.Authenticate.
func (a *Authenticator) Identify(r *http.Request) (httpapi.Authorizer, error) {
	response, err := a.identify(r)
	if err != nil {
		return nil, err
	}
	return caller{response.User, a.authorize}.check, nil
}

func (a *Authenticator) identify(r *http.Request) (*authenticator.Response, error) {
	// The bearer token authenticator removes an accepted token from the request. A stream
	// authenticates its request repeatedly, so the original headers have to stay.
	clone := r.WithContext(a.withAddress(r))
	clone.Header = r.Header.Clone()
	response, ok, err := a.authenticate.AuthenticateRequest(clone)
	switch {
	case ok:
		httpapi.AuditUser(r.Context(), response.User.GetName())
		return response, nil
	case errors.Is(err, httpapi.ErrTooManyRequests):
		return nil, err
	case errors.Is(err, httpapi.ErrAuthorizerUnavailable):
		return nil, errHubUnavailable
	}
	return nil, a.unauthenticatedError(r)
}
