package link

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
)

// Domains of the agent's signatures. A signature for one is not valid for another.
const (
	agentDomain = "rollcall link agent v1\n"
	joinDomain  = "rollcall link join v1\n"
	nextDomain  = "rollcall link next key v1\n"
)

// Fingerprint returns the SHA-256 of a SubjectPublicKeyInfo in lower-case hex, as in
// spec.tls.pinnedSHA256 and tlsfiles.Pin.
func Fingerprint(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}

// signTranscript signs a transcript with an Ed25519 or ECDSA key.
func signTranscript(key crypto.Signer, domain string, sum []byte) ([]byte, error) {
	message, hash := append([]byte(domain), sum...), crypto.Hash(0)
	switch key.Public().(type) {
	case ed25519.PublicKey:
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(message)
		message, hash = digest[:], crypto.SHA256
	default:
		return nil, fmt.Errorf("the key is a %T, want an ECDSA or Ed25519 key", key.Public())
	}
	return key.Sign(rand.Reader, message, hash)
}

// errSignature is the error of a signature that does not fit its key.
var errSignature = errors.New("the signature does not fit the key and the connection")

// verifyTranscript verifies a signature of signTranscript. key is a SubjectPublicKeyInfo.
func verifyTranscript(key []byte, domain string, sum, signature []byte) error {
	if len(key) > maxKey {
		return fmt.Errorf("the public key has %d bytes, the limit is %d: use an ECDSA or Ed25519 key", len(key), maxKey)
	}
	public, err := x509.ParsePKIXPublicKey(key)
	if err != nil {
		return fmt.Errorf("parse the public key: %w", err)
	}
	message := append([]byte(domain), sum...)
	var valid bool
	switch public := public.(type) {
	case ed25519.PublicKey:
		valid = ed25519.Verify(public, message, signature)
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(message)
		valid = ecdsa.VerifyASN1(public, digest[:], signature)
	default:
		return fmt.Errorf("the public key is a %T, want an ECDSA or Ed25519 key", public)
	}
	if !valid {
		return errSignature
	}
	return nil
}

// Audience returns the audience that service account tokens for a cluster have by default. signingKey is the public
// signing key of the hub. A token for one hub or cluster is thus worthless for another.
func Audience(signingKey ed25519.PublicKey, cluster string) string {
	der, err := x509.MarshalPKIXPublicKey(signingKey)
	if err != nil {
		return "" // impossible for an Ed25519 key
	}
	return "rollcall:" + Fingerprint(der)[:16] + ":" + cluster
}
