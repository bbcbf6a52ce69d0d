package token

import (
	"crypto/ed25519"
	"errors"
	"fmt"
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
)

// TimeTrouble says that a token was refused for its times alone: it would have
// been taken if both clocks agreed.
func TimeTrouble(err error) bool {
	return errors.Is(err, ErrExpired) || errors.Is(err, ErrNotYetValid)
}

// Verifier checks tokens for one cluster, and that each is used once. It is safe
// for concurrent use.
type Verifier struct {
	audience string
	keys     jwt.VerificationKeySet
	seen     replayMemory
}

// NewVerifier takes tokens for the cluster that any one of the keys has signed:
// two keys while one replaces the other.
func NewVerifier(cluster string, keys ...ed25519.PublicKey) *Verifier {
	v := &Verifier{audience: audience(cluster), seen: replayMemory{limit: maxRemembered}}
	for _, key := range keys {
		v.keys.Keys = append(v.keys.Keys, key)
	}
	return v
}

// Verify is the holder that a token was signed for, and uses the token up.
func (v *Verifier) Verify(token string, now time.Time) (holder string, err error) {
	if len(token) > maxToken {
		return "", fmt.Errorf("%w: it has %d bytes, at most %d are read", ErrInvalid, len(token), maxToken)
	}
	claims := jwt.RegisteredClaims{}
	_, err = v.parser(now).ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return v.keys, nil })
	if err != nil {
		return "", explain(err)
	}
	if err := complete(claims); err != nil {
		return "", err
	}
	if err := v.seen.use(claims.ID, claims.ExpiresAt.Add(Leeway), now); err != nil {
		return "", err
	}
	return claims.Subject, nil
}

func (v *Verifier) parser(now time.Time) *jwt.Parser {
	return jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithAudience(v.audience),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(Leeway),
		jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(func() time.Time { return now }),
	)
}

// explain is the library's error as one of ours. A token for somebody else is
// never a matter of time, whatever else is wrong with it.
func explain(err error) error {
	for _, e := range []struct{ theirs, ours error }{
		{jwt.ErrTokenInvalidAudience, ErrWrongAudience},
		{jwt.ErrTokenRequiredClaimMissing, ErrInvalid},
		{jwt.ErrTokenExpired, ErrExpired},
		{jwt.ErrTokenUsedBeforeIssued, ErrNotYetValid},
		{jwt.ErrTokenNotValidYet, ErrNotYetValid},
	} {
		if errors.Is(err, e.theirs) {
			return e.ours
		}
	}
	return fmt.Errorf("%w: %w", ErrInvalid, err)
}

// complete says whether a token that was signed well has all that a Signer puts
// in: without an iat or with a longer life it would outlive the replay memory.
func complete(claims jwt.RegisteredClaims) error {
	switch {
	case claims.IssuedAt == nil:
		return fmt.Errorf("%w: it has no iat", ErrInvalid)
	case claims.ExpiresAt.Sub(claims.IssuedAt.Time) > Lifetime:
		return fmt.Errorf("%w: it lives longer than %s", ErrInvalid, Lifetime)
	case claims.Subject == "" || len(claims.Subject) > maxHolder:
		return fmt.Errorf("%w: its sub has %d bytes, not 1 to %d", ErrInvalid, len(claims.Subject), maxHolder)
	case claims.ID == "" || len(claims.ID) > maxID:
		return fmt.Errorf("%w: its jti has %d bytes, not 1 to %d", ErrInvalid, len(claims.ID), maxID)
	}
	return nil
}
