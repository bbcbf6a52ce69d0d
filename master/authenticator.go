package master

import (
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/master/access"
	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/httpapi/signin"
	"rollcall.dev/rollcall/master/servingcert"
)

// newAuthenticatorAndCertificate returns the authenticator of clients and the source of the serving
// certificate. Both may be nil.
func (c *Config) newAuthenticatorAndCertificate(hub *rest.Config, proxies []netip.Prefix, metrics prometheus.Registerer) (*access.Authenticator, *servingcert.Source, error) {
	authenticator, err := c.newAuthenticator(hub, proxies, metrics)
	if err != nil {
		return nil, nil, err
	}
	certificate, err := c.newServingCertificate(hub)
	return authenticator, certificate, err
}

// newAuthenticator returns the authenticator of clients, nil with AuthNone.
func (c *Config) newAuthenticator(hub *rest.Config, proxies []netip.Prefix, metrics prometheus.Registerer) (*access.Authenticator, error) {
	if c.Auth == AuthNone {
		return nil, nil
	}
	return access.New(access.Config{
		Hub: hub, TokenAudiences: c.TokenAudiences, ClientCAFile: c.ClientCAFile, TrustedProxies: proxies, Metrics: metrics, Log: c.Log,
	})
}

// identify returns the callback of the API that authenticates requests, nil without an authenticator.
func identify(authenticator *access.Authenticator) httpapi.Authenticate {
	if authenticator == nil {
		return nil
	}
	return authenticator.Identify
}

// signIn returns the sign-in callbacks of the API, which are empty without an authenticator.
func signIn(authenticator *access.Authenticator) signin.Config {
	if authenticator == nil {
		return signin.Config{}
	}
	return authenticator.SignIn()
}
