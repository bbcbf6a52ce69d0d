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

// Parts of a nonce, in bytes: its expiry in nanoseconds since the nonceMaker was created, random
// bytes, and a MAC of both. Nonces are not stored before they are used, so requesting many takes
// no memory.
const (
	nonceTime   = 8
	nonceRandom = 12
	nonceMAC    = 16
	nonceSize   = nonceTime + nonceRandom + nonceMAC
)

// nonceMaker creates nonces that only it recognizes. It uses the monotonic clock, so changes of
// the wall clock do not matter.
type nonceMaker struct {
	key   [32]byte
	began time.Time
}

func newNonceMaker(now time.Time) *nonceMaker {
	m := &nonceMaker{began: now}
	_, _ = rand.Read(m.key[:]) // it never fails
	return m
}

// make returns a nonce that expires after Lifetime.
func (m *nonceMaker) make(now time.Time) string {
	nonce := make([]byte, nonceTime+nonceRandom, nonceSize)
	expires := now.Add(Lifetime).Sub(m.began)
	binary.BigEndian.PutUint64(nonce, uint64(expires)) //nolint:gosec // it only comes back by expires
	_, _ = rand.Read(nonce[nonceTime:])
	return base64.RawURLEncoding.EncodeToString(append(nonce, m.mac(nonce)...))
}

// expires returns when a nonce expires; ok is false if this nonceMaker did not create it.
func (m *nonceMaker) expires(nonce string) (at time.Time, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(raw) != nonceSize {
		return time.Time{}, false
	}
	body, mac := raw[:nonceTime+nonceRandom], raw[nonceTime+nonceRandom:]
	if !hmac.Equal(mac, m.mac(body)) {
		return time.Time{}, false
	}
	return m.began.Add(time.Duration(binary.BigEndian.Uint64(body))), true //nolint:gosec // make wrote it, as the MAC shows
}

func (m *nonceMaker) mac(body []byte) []byte {
	h := hmac.New(sha256.New, m.key[:])
	h.Write(body)
	return h.Sum(nil)[:nonceMAC]
}

// validNonce reports whether a nonce has an acceptable length and only base64url characters.
func validNonce(nonce string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return nonce != "" && len(nonce) <= MaxNonce && strings.Trim(nonce, letters) == ""
}
