package access

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/master/httpapi"
)

const (
	// remembered is how long an answer of the hub counts, yes or no: so long is who lost
	// a right still let in, and who got one still refused.
	remembered = 10 * time.Second
	// questionTimeout is how long one question to the hub may take.
	questionTimeout = 5 * time.Second
	// Questions to the hub a second, on average and at once: garbage tokens, of which
	// each is a question, shall not become the hub's trouble. This also bounds how many
	// answers there are to remember.
	questionQPS, questionBurst = 200, 400
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
	Log          *slog.Logger
}

// Guard tells who asks and what they may see. New makes one.
type Guard struct {
	authenticate authenticator.Request
	audiences    authenticator.Audiences
	authorize    func(context.Context, authorizer.Attributes) (authorizer.Decision, string, error)
	authorities  authorities
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
	hub.QPS, hub.Burst = questionQPS, questionBurst
	client, err := kubernetes.NewForConfig(hub)
	if err != nil {
		return nil, fmt.Errorf("prepare to ask the hub who may see what: %w", err)
	}
	g := &Guard{audiences: c.TokenAudiences}
	if g.authorities, err = c.authorities(); err != nil {
		return nil, err
	}
	if g.authenticate, err = newAuthenticator(client, g.authorities.options); err != nil {
		return nil, fmt.Errorf("prepare authentication: %w", err)
	}
	if g.authorize, err = newAuthorizer(client); err != nil {
		return nil, fmt.Errorf("prepare authorization: %w", err)
	}
	return g, nil
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
	client, err := kubernetes.NewForConfig(c.Hub)
	if err != nil {
		return authorities{}, fmt.Errorf("prepare to read the hub's client CA: %w", err)
	}
	hub := newHubCA(client, c.Log)
	return authorities{hub.options, hub.pending, hub.run}, nil
}

// Run follows the hub's client CA until ctx ends.
func (g *Guard) Run(ctx context.Context) error {
	g.authorities.run(ctx)
	return nil
}

// Identify is httpapi.Identify.
func (g *Guard) Identify(r *http.Request) (httpapi.Caller, error) {
	if len(g.audiences) > 0 {
		r = r.WithContext(authenticator.WithAudiences(r.Context(), g.audiences))
	}
	who, ok, err := g.authenticate.AuthenticateRequest(r)
	switch {
	case ok:
		return caller{who.User, g.authorize}.may, nil
	case errors.Is(err, httpapi.ErrUndecided):
		return nil, errNoAnswer
	}
	return nil, g.unknown(r)
}
