package join

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"rollcall.dev/rollcall/api/jointoken"
	"rollcall.dev/rollcall/api/v1alpha1"
)

// Limits of TokenOptions.TTL.
const (
	MinTTL = time.Minute
	MaxTTL = 7 * 24 * time.Hour
)

// TokenOptions are the settings of CreateToken.
type TokenOptions struct {
	// Name is the name of the cluster that may join with the token.
	Name string
	// Hub is the cluster of the masters, in HubNamespace.
	Hub          *Cluster
	HubNamespace string
	// HubAddress is the URL at which the member reaches the masters, and HubServerName the name in their certificate.
	// By default, both are looked up in the hub.
	HubAddress, HubServerName string
	// TTL is for how long the token is valid.
	TTL time.Duration
	// Labels are those of the ClusterAgent.
	Labels map[string]string
	// Replace allows a token for a cluster whose agent has joined already, and has lost its key.
	Replace bool
	// Out gets a line for each step.
	Out io.Writer
}

// creating is one run of CreateToken.
type creating struct {
	TokenOptions
	run   run
	hub   hub
	facts hubFacts
	token jointoken.Token
}

// CreateToken registers a cluster whose agent may join once with the returned token. Only the public part of the
// token's key is stored on the hub.
func CreateToken(ctx context.Context, o TokenOptions) (jointoken.Token, error) {
	c := &creating{TokenOptions: o, run: run{out: o.Out}, hub: hub{o.Hub, o.HubNamespace}}
	err := c.run.execute(ctx, []step{
		{"hub", c.checkHub},
		{"name", c.checkName},
		{"registration", c.register},
	})
	return c.token, err
}

func (c *creating) checkHub(ctx context.Context) (result, error) {
	if c.TTL < MinTTL || c.TTL > MaxTTL {
		return result{}, &Fault{fmt.Sprintf("--ttl %s is too short or too long", c.TTL), fmt.Sprintf("set it to a duration from %s to %s", MinTTL, MaxTTL)}
	}
	if err := c.hub.keys(ctx, &c.facts); err != nil {
		return result{}, err
	}
	if err := c.hub.findAddress(ctx, c.HubAddress, c.HubServerName, &c.facts); err != nil {
		return result{}, err
	}
	return resultf("%s, reached by members at %s (%s), signing key %s", c.Hub.Host, c.facts.address, c.facts.source, keyFingerprint(c.facts.signingKeys))
}

func (c *creating) checkName(ctx context.Context) (result, error) {
	agent, err := c.hub.agent(ctx, c.Name)
	if err != nil {
		return result{}, err
	}
	switch {
	case agent == nil:
		return resultf("%s is free", c.Name)
	case c.Replace:
		return result{text: c.Name + " is registered", warnings: []string{"--replace: once the token is used, the key that was accepted before is not accepted any more"}}, nil
	case len(acceptedPins(agent)) > 0 || cmp.Or(agent.Spec.Connection, v1alpha1.Dial) == v1alpha1.Dial:
		return result{}, &Fault{
			fmt.Sprintf("%s has joined already: it has the connection %s, and its key is accepted by %s", c.Name, cmp.Or(agent.Spec.Connection, v1alpha1.Dial), acceptedBy(agent)),
			fmt.Sprintf("choose another name, set --replace if its agent has lost its key, or remove it: kubectl rollcall leave %s", c.Name),
		}
	}
	return resultf("%s is registered, and its agent has not joined yet: this token replaces the one before", c.Name)
}

func (c *creating) register(ctx context.Context) (result, error) {
	key, err := parseSigningKey(c.facts.signingKeys)
	if err != nil {
		return result{}, err
	}
	if c.token, err = jointoken.New(c.Name, c.facts.address, key, time.Now().Add(c.TTL)); err != nil {
		return result{}, err
	}
	c.token.HubCA, c.token.HubServerName = c.facts.ca, c.facts.serverName
	r := registration{name: c.Name, labels: c.Labels, join: &v1alpha1.JoinSpec{KeySHA256: c.token.KeySHA256()}}
	r.join.ExpiresAt.Time = c.token.ExpiresAt
	onHub := &applier{run: &c.run, cluster: c.Hub, dryRun: DryRunNone, force: c.Replace}
	if _, err := onHub.applyAll(ctx, []*unstructured.Unstructured{r.object()}); err != nil {
		return result{}, err
	}
	return resultf("ClusterAgent %s; the token works once, for this name, until %s", c.Name, c.token.ExpiresAt.Local().Format("2006-01-02 15:04:05 MST"))
}

// parseSigningKey returns the first public key in PEM.
func parseSigningKey(text string) (ed25519.PublicKey, error) {
	block, _ := pem.Decode([]byte(strings.TrimSpace(text)))
	if block != nil {
		if parsed, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
			if key, ok := parsed.(ed25519.PublicKey); ok {
				return key, nil
			}
		}
	}
	return nil, &Fault{"the signing key that the hub publishes is no Ed25519 public key in PEM", "restore the ConfigMap " + masterKeyMap + ", which the masters write, by restarting them"}
}
