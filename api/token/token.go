// Package token is the proof that a dial comes from the master: a short-lived
// JWT, signed with the master's Ed25519 key, for one cluster and for one use.
//
//	alg  EdDSA, and no other
//	aud  rollcall-agent:<cluster name>
//	sub  the holder: which master process dials
//	iat  when it was signed, by the agent's clock as far as MaxSkew allows
//	exp  iat + 60 s
//	jti  65 random bits, unlike any other of the same minute; a token is taken once
//
// It travels as `Authorization: Bearer …` and is checked before the upgrade to a
// websocket. The package knows nothing of Kubernetes or of HTTP.
package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// Lifetime is from a token's iat to its exp.
	Lifetime = 60 * time.Second
	// Leeway is by how much two clocks may differ.
	Leeway = 10 * time.Second
	// MaxSkew is the largest difference of clocks that SignSkewed corrects. What is known of the
	// other clock is what the other side says, so this bounds for how long a token stays
	// useful that somebody collects by claiming a wrong time: none begins or ends more than
	// MaxSkew + Lifetime, 5 min, from the signer's own clock. Kerberos tolerates as much.
	MaxSkew = 4 * time.Minute
)

// ErrSkew is returned by SignSkewed for clocks that differ by more than MaxSkew.
var ErrSkew = errors.New("the clocks differ by more than a token is corrected for")

// idLength is how much of a random text, which has five bits a letter, is enough to
// tell some thousand tokens from each other.
const idLength = 13

// Bounds of what a Verifier looks at.
const (
	maxToken  = 4 << 10
	maxHolder = 256
	maxID     = 128
)

// Signer makes tokens. It is safe for concurrent use.
type Signer struct{ key ed25519.PrivateKey }

// NewSigner makes tokens with the key.
func NewSigner(key ed25519.PrivateKey) *Signer { return &Signer{key: key} }

// Sign is a new token for one dial of a cluster by a holder.
func (s *Signer) Sign(cluster, holder string, now time.Time) (string, error) {
	return s.SignSkewed(cluster, holder, now, 0)
}

// SignSkewed returns a token for a verifier whose clock is said to be ahead of now, the
// signer's own clock, by skew. Its error is ErrSkew beyond MaxSkew in either direction.
func (s *Signer) SignSkewed(cluster, holder string, now time.Time, skew time.Duration) (string, error) {
	if skew < -MaxSkew || skew > MaxSkew {
		return "", fmt.Errorf("sign token for %s: %w: %s, not %s at most", cluster, ErrSkew, skew, MaxSkew)
	}
	now = now.Add(skew)
	unsigned := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
		"aud": audience(cluster), "sub": holder, "iat": now.Unix(), "exp": now.Add(Lifetime).Unix(), "jti": rand.Text()[:idLength],
	})
	delete(unsigned.Header, "typ") // there is nothing else that it could be
	signed, err := unsigned.SignedString(s.key)
	if err != nil {
		return "", fmt.Errorf("sign token for %s: %w", cluster, err)
	}
	return signed, nil
}

func audience(cluster string) string { return "rollcall-agent:" + cluster }
