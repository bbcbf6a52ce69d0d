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

// Why a token is refused.
var (
	// ErrExpired: the token is too old, or this clock is ahead of the signer's.
	ErrExpired = errors.New("token has expired")
	// ErrNotYetValid: the token is from the future, or this clock is behind.
	ErrNotYetValid = errors.New("token was issued in the future")
	// ErrWrongAudience: the token is for another cluster. One of the keys has signed it,
	// so its bearer may be told which cluster this is.
	ErrWrongAudience = errors.New("token is for another cluster")
	// ErrReplayed: the token was used before.
	ErrReplayed = errors.New("token was used before")
	// ErrOverrun: more tokens came within their lifetime than can be remembered,
	// so that a replay could not be told.
	ErrOverrun = errors.New("too many tokens within a minute")
	// ErrInvalid: anything else: not a token, another algorithm, no known key.
	ErrInvalid = errors.New("token is not valid")
	// ErrSignature: none of the keys has signed a Statement.
	ErrSignature = errors.New("no known key has signed this for this connection")
)

// TimeTrouble reports whether a token was refused for its times alone: it would have
// been accepted if both clocks agreed.
func TimeTrouble(err error) bool {
	return errors.Is(err, ErrExpired) || errors.Is(err, ErrNotYetValid)
}

// Verifier checks tokens for one cluster, and that each is used once, and signatures of
// Statements. It is safe for concurrent use.
type Verifier struct {
	cluster string
	keys    atomic.Pointer[[]ed25519.PublicKey]
	nonces  *nonceMaker
	seen    replayMemory
}

// NewVerifier returns a Verifier that accepts what any one of the keys has signed: two keys
// while one replaces the other.
func NewVerifier(cluster string, keys ...ed25519.PublicKey) *Verifier {
	v := &Verifier{cluster: cluster, nonces: newNonceMaker(time.Now()), seen: replayMemory{limit: maxRemembered}}
	v.SetKeys(keys...)
	return v
}

// SetKeys replaces the keys, and reports whether they differ from those before. Sessions
// that a key opened which is no longer there are for the caller to end: see Accepts.
func (v *Verifier) SetKeys(keys ...ed25519.PublicKey) (changed bool) {
	keys = slices.Clone(keys)
	before := v.keys.Swap(&keys)
	return before == nil || !slices.EqualFunc(*before, keys, func(a, b ed25519.PublicKey) bool { return a.Equal(b) })
}

// Accepts reports whether a key is one of the Verifier's now.
func (v *Verifier) Accepts(key ed25519.PublicKey) bool {
	return slices.ContainsFunc(v.current(), func(k ed25519.PublicKey) bool { return k.Equal(key) })
}

func (v *Verifier) current() []ed25519.PublicKey { return *v.keys.Load() }

// Nonce returns a nonce for a master whose token was refused for its times. A token that
// claims it is accepted once, within Lifetime, whatever the master's clock.
func (v *Verifier) Nonce(now time.Time) string { return v.nonces.make(now) }

// Verify returns the masterID that a token was signed for, and uses the token up.
func (v *Verifier) Verify(token string, now time.Time) (masterID string, err error) {
	if len(token) > maxToken {
		return "", fmt.Errorf("%w: it has %d bytes, at most %d are read", ErrInvalid, len(token), maxToken)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())
	var c claims
	if _, err := parser.ParseWithClaims(token, &c, v.verificationKeys); err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if c.Subject == "" || len(c.Subject) > maxMasterID {
		return "", fmt.Errorf("%w: its sub has %d bytes, not 1 to %d", ErrInvalid, len(c.Subject), maxMasterID)
	}
	id, until, err := v.timely(&c, now)
	if err != nil {
		return "", err
	}
	if err := v.seen.use(id, until, now); err != nil {
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

// timely checks for whom a token is, and its time or nonce. It returns by what the token is
// remembered, and until when. A token for somebody else is never a matter of time.
func (v *Verifier) timely(c *claims, now time.Time) (id string, until time.Time, err error) {
	switch {
	case slices.Equal(c.Audience, jwt.ClaimStrings{nonceAudience(v.cluster)}):
		return v.nonceTimely(c.Nonce, now)
	case !slices.Equal(c.Audience, jwt.ClaimStrings{audience(v.cluster)}):
		return "", time.Time{}, ErrWrongAudience
	case c.ExpiresAt == nil:
		return "", time.Time{}, fmt.Errorf("%w: it has no exp", ErrInvalid)
	case c.ID == "" || len(c.ID) > maxID:
		return "", time.Time{}, fmt.Errorf("%w: its jti has %d bytes, not 1 to %d", ErrInvalid, len(c.ID), maxID)
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

// nonceTimely checks a nonce. One that came too late is no matter of clocks.
func (v *Verifier) nonceTimely(nonce string, now time.Time) (id string, until time.Time, err error) {
	until, ok := v.nonces.expires(nonce)
	switch left := until.Sub(now); {
	case !ok:
		return "", time.Time{}, fmt.Errorf("%w: its nonce is not of this agent", ErrInvalid)
	case left <= 0:
		return "", time.Time{}, fmt.Errorf("%w: its nonce has expired", ErrInvalid)
	}
	return "nonce " + nonce, until, nil
}
