package master

import (
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/master/access"
	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/servingcert"
)

// newTrust returns how callers are known, and by which certificate they know this master.
func (c *Config) newTrust(hub *rest.Config, proxies []netip.Prefix, metrics prometheus.Registerer) (*access.Authenticator, *servingcert.Source, error) {
	guard, err := c.newGuard(hub, proxies, metrics)
	if err != nil {
		return nil, nil, err
	}
	certificate, err := c.newServingCertificate(hub)
	return guard, certificate, err
}

// newGuard asks the hub who may see what; it is nil where everybody may see everything.
func (c *Config) newGuard(hub *rest.Config, proxies []netip.Prefix, metrics prometheus.Registerer) (*access.Authenticator, error) {
	if c.Auth == AuthNone {
		return nil, nil
	}
	return access.New(access.Config{
		Hub: hub, TokenAudiences: c.TokenAudiences, ClientCAFile: c.ClientCAFile, TrustedProxies: proxies, Metrics: metrics, Log: c.Log,
	})
}

// identify is how the API knows its callers; nil without a guard.
func identify(guard *access.Authenticator) httpapi.Identify {
	if guard == nil {
		return nil
	}
	return guard.Identify
}

// signIn is how browsers come by a cookie; nobody has to without a guard.
func signIn(guard *access.Authenticator) httpapi.SignIn {
	if guard == nil {
		return httpapi.SignIn{}
	}
	return guard.SignIn()
}
