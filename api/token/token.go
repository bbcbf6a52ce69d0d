// Package token authenticates a master to an agent. It has two parts, signed with one Ed25519 key.
//
// The token is a short-lived JWT for one cluster and one use. It is sent as
// `Authorization: Bearer …` and checked before the upgrade to a websocket.
//
//	alg  EdDSA only
//	aud  rollcall-agent:<cluster name>
//	sub  the ID of the master process
//	exp  60 s after signing, by the master's clock
//	jti  25 random bits, which distinguish tokens of one master within a second
//
// An agent whose clock differs refuses the token and returns a nonce, which only this agent
// accepts, once, within 60 s by its own clock. A second token claims the nonce and has no exp. A
// token is never signed for a time that the other side chose.
//
//	aud    rollcall-agent-nonce:<cluster name>
//	sub    the ID of the master process
//	nonce  the agent's nonce, unchanged
//
// An intercepted token only passes the upgrade. Before the agent reveals anything about its
// cluster it requires a signature over the connection itself: see Statement.
//
// The package does not depend on Kubernetes or HTTP.
package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// Lifetime is the time from signing a token to its exp, and the lifetime of a nonce.
	Lifetime = 60 * time.Second
	// Leeway is the difference between two clocks that is tolerated without a nonce.
	Leeway = 10 * time.Second
	// MaxNonce is the largest length of a nonce in a token, in bytes.
	MaxNonce = 128
)

// idLength is the length of a jti, of five random bits per character.
const idLength = 5

// Limits of tokens that a Verifier accepts, in bytes.
const (
	maxToken    = 4 << 10
	maxMasterID = 256
	maxID       = 128
)

// claims has the claims of both kinds of token.
type claims struct {
	jwt.RegisteredClaims
	Nonce string `json:"nonce,omitempty"`
}

// Signer signs tokens and Statements. It is safe for concurrent use.
type Signer struct{ key ed25519.PrivateKey }

// NewSigner returns a Signer that signs with the key.
func NewSigner(key ed25519.PrivateKey) *Signer { return &Signer{key: key} }

// Sign returns a new token for one connection to a cluster. now is the master's clock.
func (s *Signer) Sign(cluster, masterID string, now time.Time) (string, error) {
	return s.sign(cluster, jwt.MapClaims{
		"aud": audience(cluster), "sub": masterID, "exp": now.Add(Lifetime).Unix(), "jti": rand.Text()[:idLength],
	})
}

// SignNonce returns a token for one connection to a cluster that claims a nonce, which the agent
// returned when it refused another token because of its time. It returns an error if the nonce is
// empty, longer than MaxNonce, or not base64url.
func (s *Signer) SignNonce(cluster, masterID, nonce string) (string, error) {
	if !validNonce(nonce) {
		return "", fmt.Errorf("sign token for %s: the agent's nonce is not 1 to %d characters of base64url", cluster, MaxNonce)
	}
	return s.sign(cluster, jwt.MapClaims{"aud": nonceAudience(cluster), "sub": masterID, "nonce": nonce})
}

func (s *Signer) sign(cluster string, c jwt.MapClaims) (string, error) {
	unsigned := jwt.NewWithClaims(jwt.SigningMethodEdDSA, c)
	delete(unsigned.Header, "typ") // the type is always JWT
	signed, err := unsigned.SignedString(s.key)
	if err != nil {
		return "", fmt.Errorf("sign token for %s: %w", cluster, err)
	}
	return signed, nil
}

func audience(cluster string) string { return "rollcall-agent:" + cluster }

func nonceAudience(cluster string) string { return "rollcall-agent-nonce:" + cluster }
