// Package serviceaccount verifies tokens of service accounts of member clusters, by which agents prove themselves before
// their key is enrolled. The keys of a token's issuer are in the ClusterAgent, or are read from the issuer by OpenID
// discovery.
package serviceaccount

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	// MaxKeySet limits a key set, in bytes.
	MaxKeySet = 64 << 10
	// maxLifetime limits the time from the issue of a token until its expiry.
	maxLifetime = time.Hour
	// leeway is how much the clocks of master and issuer may differ.
	leeway = time.Minute
	// maxRSABits limits the size of RSA keys, as the time of a verification grows with it.
	minRSABits, maxRSABits = 2048, 8192
)

// algorithms are the accepted signature algorithms, which Kubernetes uses.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.ES384, jose.ES512}

// Account says which tokens are accepted.
type Account struct {
	// Issuer, Subject and Audience are the claims iss, sub and aud. A token must have no other audience.
	Issuer, Subject, Audience string
	// KeySet has the keys of the issuer as JSON. If it is "", they are read from the issuer.
	KeySet string
}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	discovery *discovery
	now       func() time.Time
}

// New returns a Verifier, which reads keys from issuers with the dialer of t.
func New(t Transport) *Verifier {
	return &Verifier{discovery: newDiscovery(t), now: time.Now}
}

// Verify returns an error unless a token is one of the account, and is valid now. The error says what to do, and
// contains no part of the token.
func (v *Verifier) Verify(ctx context.Context, token string, a Account) error {
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return errors.New("it is not a JSON Web Token that is signed by RS256, ES256, ES384 or ES512")
	}
	header := parsed.Headers[0] // ParseSigned returns an error unless there is exactly one
	key, err := v.key(ctx, header, a)
	if err != nil {
		return err
	}
	var claims jwt.Claims
	switch err := parsed.Claims(key, &claims); {
	case errors.Is(err, jose.ErrCryptoFailure):
		return fmt.Errorf("its signature does not fit the key %q of the issuer", header.KeyID)
	case err != nil:
		return errors.New("its claims cannot be decoded")
	}
	return checkClaims(claims, a, v.now())
}

// key returns the key that has signed a token with this header. Tokens of other issuers have other key IDs.
func (v *Verifier) key(ctx context.Context, header jose.Header, a Account) (any, error) {
	if header.KeyID == "" {
		return nil, errors.New("it has no key ID")
	}
	if a.KeySet != "" {
		set, err := parseKeySet([]byte(a.KeySet))
		if err != nil {
			return nil, fmt.Errorf("spec.identity.serviceAccount.jwks cannot be used: %w", err)
		}
		if key := find(set, header); key != nil {
			return key, nil
		}
		return nil, fmt.Errorf("spec.identity.serviceAccount.jwks has no key %q for %s: the token is of another cluster, or the issuer has new keys: update jwks", header.KeyID, header.Algorithm)
	}
	key, err := v.discovery.key(ctx, a.Issuer, header)
	if err != nil {
		return nil, fmt.Errorf("read the keys of the issuer %s: %w: if this master cannot reach it, set spec.identity.serviceAccount.jwks", a.Issuer, err)
	}
	if key == nil {
		return nil, fmt.Errorf("the issuer %s has no key %q for %s: the token is of another cluster", a.Issuer, header.KeyID, header.Algorithm)
	}
	return key, nil
}

// parseKeySet parses a JSON Web Key Set.
func parseKeySet(data []byte) (*jose.JSONWebKeySet, error) {
	if len(data) > MaxKeySet {
		return nil, fmt.Errorf("the key set has %d bytes, the limit is %d", len(data), MaxKeySet)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, errors.New("it is not a JSON Web Key Set, as kubectl get --raw /openid/v1/jwks prints it")
	}
	if len(set.Keys) == 0 {
		return nil, errors.New("the key set is empty")
	}
	return &set, nil
}

// find returns the public key of a set for a header, or nil.
func find(set *jose.JSONWebKeySet, header jose.Header) any {
	for _, k := range set.Key(header.KeyID) {
		if !k.IsPublic() || !k.Valid() || k.Use != "" && k.Use != "sig" || k.Algorithm != "" && k.Algorithm != header.Algorithm {
			continue
		}
		switch key := k.Key.(type) {
		case *rsa.PublicKey:
			if bits := key.N.BitLen(); header.Algorithm == string(jose.RS256) && bits >= minRSABits && bits <= maxRSABits {
				return key
			}
		case *ecdsa.PublicKey:
			if header.Algorithm != string(jose.RS256) {
				return key // the library checks that the curve fits the algorithm
			}
		}
	}
	return nil
}

// checkClaims returns an error unless the claims of a token with a valid signature are accepted.
func checkClaims(c jwt.Claims, a Account, now time.Time) error {
	switch {
	case c.Issuer != a.Issuer:
		return fmt.Errorf("its issuer is %q, expected %q: correct spec.identity.serviceAccount.issuer", c.Issuer, a.Issuer)
	case c.Subject != a.Subject:
		return fmt.Errorf("it is a token of %q, expected %q: correct spec.identity.serviceAccount.subject", c.Subject, a.Subject)
	case !slices.Equal(c.Audience, []string{a.Audience}):
		return fmt.Errorf("its audience is %q, expected only %q: correct the audience of the agent's projected token, or spec.identity.serviceAccount.audience", []string(c.Audience), a.Audience)
	case c.Expiry == nil || c.IssuedAt == nil:
		return errors.New("it has no time of issue or of expiry")
	case c.Expiry.Time().Sub(c.IssuedAt.Time()) > maxLifetime:
		return fmt.Errorf("it is valid for %s, at most %s is accepted: lower expirationSeconds of the agent's projected token", c.Expiry.Time().Sub(c.IssuedAt.Time()), maxLifetime)
	case !now.Before(c.Expiry.Time().Add(leeway)):
		return fmt.Errorf("it expired at %s: the agent must read the token file again, or the clocks differ", c.Expiry.Time().UTC().Format(time.RFC3339))
	case now.Before(c.IssuedAt.Time().Add(-leeway)), c.NotBefore != nil && now.Before(c.NotBefore.Time().Add(-leeway)):
		return errors.New("it is not valid yet: the clocks of master and member differ")
	}
	return nil
}
