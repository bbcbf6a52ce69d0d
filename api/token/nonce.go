package token

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
)

// Parts of a nonce, in bytes: its expiry in nanoseconds since the nonceIssuer was created, random
// bytes, and a MAC of both. Nonces are not stored before they are used, so requesting many takes
// no memory.
const (
	nonceTime   = 8
	nonceRandom = 12
	nonceMAC    = 16
	nonceSize   = nonceTime + nonceRandom + nonceMAC
)

// nonceIssuer issues nonces, and recognizes its own by their MAC. It uses the monotonic clock, so
// changes of the wall clock do not matter.
type nonceIssuer struct {
	key   [32]byte
	start time.Time
}

func newNonceIssuer(now time.Time) *nonceIssuer {
	i := &nonceIssuer{start: now}
	_, _ = rand.Read(i.key[:]) // it never fails
	return i
}

// issue returns a nonce that expires after Lifetime.
func (i *nonceIssuer) issue(now time.Time) string {
	nonce := make([]byte, nonceTime+nonceRandom, nonceSize)
	expires := now.Add(Lifetime).Sub(i.start)
	binary.BigEndian.PutUint64(nonce, uint64(expires)) //nolint:gosec // expires converts it back
	_, _ = rand.Read(nonce[nonceTime:])
	return base64.RawURLEncoding.EncodeToString(append(nonce, i.mac(nonce)...))
}

// expires returns when a nonce expires; ok is false if this nonceIssuer did not issue it.
func (i *nonceIssuer) expires(nonce string) (at time.Time, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(raw) != nonceSize {
		return time.Time{}, false
	}
	body, mac := raw[:nonceTime+nonceRandom], raw[nonceTime+nonceRandom:]
	if !hmac.Equal(mac, i.mac(body)) {
		return time.Time{}, false
	}
	return i.start.Add(time.Duration(binary.BigEndian.Uint64(body))), true //nolint:gosec // the MAC proves that issue wrote it
}

func (i *nonceIssuer) mac(body []byte) []byte {
	h := hmac.New(sha256.New, i.key[:])
	h.Write(body)
	return h.Sum(nil)[:nonceMAC]
}

// validNonce reports whether a nonce has an acceptable length and only base64url characters.
func validNonce(nonce string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return nonce != "" && len(nonce) <= MaxNonce && strings.Trim(nonce, letters) == ""
}
