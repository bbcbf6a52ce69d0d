package token

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Reasons for refusing a token.
var (
	// ErrExpired means that the token is too old, or that this clock is ahead of the signer's.
	ErrExpired = errors.New("token has expired")
	// ErrNotYetValid means that the token is from the future, or that this clock is behind the
	// signer's.
	ErrNotYetValid = errors.New("token was issued in the future")
	// ErrWrongAudience means that the token is for another cluster. One of the keys signed it, so
	// the client may learn the name of this cluster.
	ErrWrongAudience = errors.New("token is for another cluster")
	// ErrReplayed means that the token was used before.
	ErrReplayed = errors.New("token was used before")
	// ErrTooManyTokens means that more tokens were used within their lifetime than can be
	// remembered, so replays could not be detected.
	ErrTooManyTokens = errors.New("too many tokens within a minute")
	// ErrInvalid means that the token is malformed, has another algorithm, or was not signed by a
	// known key.
	ErrInvalid = errors.New("token is not valid")
	// ErrSignature means that none of the keys signed the Statement.
	ErrSignature = errors.New("the signature for this connection is missing or not by a known key")
)

// IsTimeError reports whether a token was refused only because of its times, so that it would have
// been accepted if both clocks agreed.
func IsTimeError(err error) bool {
	return errors.Is(err, ErrExpired) || errors.Is(err, ErrNotYetValid)
}

// Verifier verifies tokens for one cluster, each of which is valid once, and signatures of
// Statements. It is safe for concurrent use.
type Verifier struct {
	cluster string
	keys    atomic.Pointer[[]ed25519.PublicKey]
	nonces  *nonceIssuer
	replays replayCache
}

// NewVerifier returns a Verifier that accepts signatures of any of the keys. There are two keys
// during a key rotation.
func NewVerifier(cluster string, keys ...ed25519.PublicKey) *Verifier {
	v := &Verifier{cluster: cluster, nonces: newNonceIssuer(time.Now()), replays: replayCache{limit: maxRemembered}}
	v.SetKeys(keys...)
	return v
}

// SetKeys replaces the keys and reports whether they changed. The caller has to end sessions that
// were opened with a removed key: see Accepts.
func (v *Verifier) SetKeys(keys ...ed25519.PublicKey) (changed bool) {
	keys = slices.Clone(keys)
	before := v.keys.Swap(&keys)
	return before == nil || !slices.EqualFunc(*before, keys, func(a, b ed25519.PublicKey) bool { return a.Equal(b) })
}

// Accepts reports whether key is one of the current keys.
func (v *Verifier) Accepts(key ed25519.PublicKey) bool {
	return slices.ContainsFunc(v.current(), func(k ed25519.PublicKey) bool { return k.Equal(key) })
}

// HasKeys reports whether there is a key.
func (v *Verifier) HasKeys() bool { return len(v.current()) > 0 }

func (v *Verifier) current() []ed25519.PublicKey { return *v.keys.Load() }

// Nonce returns a nonce for a master whose token was refused because of its times. A token that
// claims it is accepted once, within Lifetime, whatever the master's clock is.
func (v *Verifier) Nonce(now time.Time) string { return v.nonces.issue(now) }

// Verify returns the ID of the master that a token was signed for, and marks the token as used.
func (v *Verifier) Verify(token string, now time.Time) (masterID string, err error) {
	if len(token) > maxToken {
		return "", fmt.Errorf("%w: it has %d bytes, the limit is %d", ErrInvalid, len(token), maxToken)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())
	var c claims
	if _, err := parser.ParseWithClaims(token, &c, v.verificationKeys); err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if c.Subject == "" || len(c.Subject) > maxMasterID {
		return "", fmt.Errorf("%w: its sub has %d bytes, want 1 to %d", ErrInvalid, len(c.Subject), maxMasterID)
	}
	id, until, err := v.checkClaims(&c, now)
	if err != nil {
		return "", err
	}
	if err := v.replays.use(id, until, now); err != nil {
		return "", err
	}
	return c.Subject, nil
}

func (v *Verifier) verificationKeys(*jwt.Token) (any, error) {
	var set jwt.VerificationKeySet
	for _, key := range v.current() {
		set.Keys = append(set.Keys, key)
	}
	return set, nil
}

// checkClaims checks the audience of a token and its time or nonce. It returns the ID to remember
// the token by, and until when. A token for another cluster never results in a time error.
func (v *Verifier) checkClaims(c *claims, now time.Time) (id string, until time.Time, err error) {
	switch {
	case slices.Equal(c.Audience, jwt.ClaimStrings{nonceAudience(v.cluster)}):
		return v.checkNonce(c.Nonce, now)
	case !slices.Equal(c.Audience, jwt.ClaimStrings{audience(v.cluster)}):
		return "", time.Time{}, ErrWrongAudience
	case c.ExpiresAt == nil:
		return "", time.Time{}, fmt.Errorf("%w: it has no exp", ErrInvalid)
	case c.ID == "" || len(c.ID) > maxID:
		return "", time.Time{}, fmt.Errorf("%w: its jti has %d bytes, want 1 to %d", ErrInvalid, len(c.ID), maxID)
	}
	until = c.ExpiresAt.Add(Leeway)
	switch {
	case !now.Before(until):
		return "", time.Time{}, ErrExpired
	case c.ExpiresAt.Sub(now) > Lifetime+Leeway:
		return "", time.Time{}, ErrNotYetValid
	}
	return fmt.Sprintf("jti %d %q %q", c.ExpiresAt.UnixNano(), c.ID, c.Subject), until, nil
}

// checkNonce checks the nonce of a token, and returns the same as checkClaims. An expired nonce is
// ErrInvalid and not a time error.
func (v *Verifier) checkNonce(nonce string, now time.Time) (id string, until time.Time, err error) {
	until, ok := v.nonces.expires(nonce)
	switch left := until.Sub(now); {
	case !ok:
		return "", time.Time{}, fmt.Errorf("%w: its nonce was not issued by this agent", ErrInvalid)
	case left <= 0:
		return "", time.Time{}, fmt.Errorf("%w: its nonce has expired", ErrInvalid)
	}
	return "nonce " + nonce, until, nil
}
