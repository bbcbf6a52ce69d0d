// Package token is the proof that a dial comes from the master, and that a connection is
// its own. It has two parts, signed by one Ed25519 key.
//
// The token is a short-lived JWT for one cluster and for one use. It travels as
// `Authorization: Bearer …`, and is checked before the upgrade to a websocket:
// without one nobody reaches the protocol.
//
//	alg  EdDSA, and no other
//	aud  rollcall-agent:<cluster name>
//	sub  the masterID: which master process dials
//	exp  60 s after it was signed, by the master's clock
//	jti  25 random bits, which tell tokens of one masterID and one second apart
//
// An agent with another clock refuses it and names a nonce, which only the agent that
// made it accepts, once, within 60 s by its own clock. A second token claims that nonce
// and no time. No token is ever signed for a time that the other side names.
//
//	aud    rollcall-agent-nonce:<cluster name>
//	sub    the masterID
//	nonce  the agent's, as it came
//
// Who takes a token on its way can pass the upgrade with it, and nothing more: before an
// agent tells anything of its cluster it wants a signature over the connection itself. See
// Statement.
//
// The package knows nothing of Kubernetes or of HTTP.
package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// Lifetime is from when a token is signed to its exp, and how long a nonce is accepted.
	Lifetime = 60 * time.Second
	// Leeway is by how much two clocks may differ without a nonce.
	Leeway = 10 * time.Second
	// MaxNonce is the longest nonce that a token can claim, in bytes.
	MaxNonce = 128
)

// idLength is how much of a random text, which has five bits a letter, tells apart the
// tokens that one masterID signs for one cluster within one second.
const idLength = 5

// Bounds of what a Verifier looks at.
const (
	maxToken    = 4 << 10
	maxMasterID = 256
	maxID       = 128
)

// claims are those of both kinds of token.
type claims struct {
	jwt.RegisteredClaims
	Nonce string `json:"nonce,omitempty"`
}

// Signer makes tokens and signs Statements. It is safe for concurrent use.
type Signer struct{ key ed25519.PrivateKey }

// NewSigner returns a Signer that signs with the key.
func NewSigner(key ed25519.PrivateKey) *Signer { return &Signer{key: key} }

// Sign returns a new token for one dial of a cluster by a masterID, whose clock says now.
func (s *Signer) Sign(cluster, masterID string, now time.Time) (string, error) {
	return s.sign(cluster, jwt.MapClaims{
		"aud": audience(cluster), "sub": masterID, "exp": now.Add(Lifetime).Unix(), "jti": rand.Text()[:idLength],
	})
}

// SignNonce returns a token for one dial of a cluster by a masterID, which claims a nonce that
// the agent named when it refused another token for its time. An error is a nonce that is
// empty, longer than MaxNonce, or not of the letters of base64url.
func (s *Signer) SignNonce(cluster, masterID, nonce string) (string, error) {
	if !validNonce(nonce) {
		return "", fmt.Errorf("sign token for %s: the agent's nonce is not 1 to %d letters of base64url", cluster, MaxNonce)
	}
	return s.sign(cluster, jwt.MapClaims{"aud": nonceAudience(cluster), "sub": masterID, "nonce": nonce})
}

func (s *Signer) sign(cluster string, c jwt.MapClaims) (string, error) {
	unsigned := jwt.NewWithClaims(jwt.SigningMethodEdDSA, c)
	delete(unsigned.Header, "typ") // there is nothing else that it could be
	signed, err := unsigned.SignedString(s.key)
	if err != nil {
		return "", fmt.Errorf("sign token for %s: %w", cluster, err)
	}
	return signed, nil
}

func audience(cluster string) string { return "rollcall-agent:" + cluster }

func nonceAudience(cluster string) string { return "rollcall-agent-nonce:" + cluster }
