package master

import (
	"context"
	"crypto/ed25519"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/controllers"
	"rollcall.dev/rollcall/master/serviceaccount"
)

// maxLinkEvents is the number of Events about agents that dial this master that wait to be written. Further ones are
// dropped.
const maxLinkEvents = 64

// linkEvents passes Events about agents that dial this master to the reconcilers.
type linkEvents chan controllers.LinkEvent

// add adds an Event, unless too many wait.
func (l linkEvents) add(e controllers.LinkEvent) {
	select {
	case l <- e:
	default:
	}
}

// refused adds an Event about a refused agent.
func (l linkEvents) refused(cluster string, refused *link.Refused) {
	l.add(controllers.LinkEvent{Cluster: cluster, Reason: v1alpha1.EventLinkRefused, Message: refused.Error()})
}

// newEnroller returns what enrolls the keys of agents that dial this master. Service account issuers are reached as
// agents are.
func (c *Config) newEnroller(hub manager.Manager, registry *controllers.Registry, keys signingKeys, network networkConfig, events linkEvents) (*controllers.Enroller, error) {
	tokens := serviceaccount.New(serviceaccount.Transport{DialContext: network.dial, Proxy: network.proxy})
	verify := func(ctx context.Context, token string, account v1alpha1.ServiceAccountIdentity) error {
		return tokens.Verify(ctx, token, serviceaccount.Account{Issuer: account.Issuer, Subject: account.Subject, Audience: account.Audience, KeySet: account.JWKS})
	}
	audience := func(cluster string) string {
		public, _ := keys.own.Public().(ed25519.PublicKey)
		return link.Audience(public, cluster)
	}
	return controllers.NewEnroller(hub, registry, verify, audience, events.add, c.Log)
}
