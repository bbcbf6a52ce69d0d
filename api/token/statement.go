package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
)

// Domain is what a Statement is for. A signature for one Domain is of no use for another.
type Domain string

// Domains of Statements.
const (
	// DomainReport is of a Report that opens a session.
	DomainReport Domain = "rollcall report v1"
	// DomainSummary is of a Report that asks for one summary. It has no session.
	DomainSummary Domain = "rollcall summary v1"
	// DomainRenew is of a Renew.
	DomainRenew Domain = "rollcall renew v1"
)

// Sizes in bytes.
const (
	// NonceSize is the size of a Statement's nonce.
	NonceSize = 16
	// SignatureSize is the size of a Statement's signature.
	SignatureSize = ed25519.SignatureSize
)

// Channel identifies one TLS connection. Only its two ends know it; a relay that forwards
// messages between two connections has two Channels.
type Channel string

// Unbound is the Channel of every connection of an agent that runs with
// --channel-binding=off. A signature over it says who signed and not on which connection.
const Unbound Channel = "none"

// exporterLabel and exporterSize are of the TLS exporter (RFC 8446, section 7.5) that a
// Channel is made of. Its context is empty.
const (
	exporterLabel = "EXPORTER-rollcall-channel-v1"
	exporterSize  = 32
)

// Errors of ChannelOf.
var (
	// ErrNoTLS is returned for a connection that is not TLS where it ends here.
	ErrNoTLS = errors.New("the connection has no TLS that could be bound to")
	// ErrOldTLS is returned for TLS older than 1.3, whose exporters do not cover the whole
	// handshake.
	ErrOldTLS = errors.New("the connection's TLS is older than 1.3")
)

// ChannelOf returns the Channel of a TLS 1.3 connection; both ends have the same. State is
// that of http.Request.TLS or http.Response.TLS; nil is ErrNoTLS.
func ChannelOf(state *tls.ConnectionState) (Channel, error) {
	switch {
	case state == nil || !state.HandshakeComplete:
		return "", ErrNoTLS
	case state.Version < tls.VersionTLS13:
		return "", ErrOldTLS
	}
	exported, err := state.ExportKeyingMaterial(exporterLabel, nil, exporterSize)
	if err != nil {
		return "", fmt.Errorf("export keying material: %w", err)
	}
	return Channel(exported), nil
}

// NewNonce returns NonceSize random bytes.
func NewNonce() []byte {
	nonce := make([]byte, NonceSize)
	_, _ = rand.Read(nonce) // it never fails
	return nonce
}

// Statement is what a master signs to prove that it speaks on this very connection, now.
type Statement struct {
	Domain            Domain
	Cluster, MasterID string
	// Session is empty in DomainSummary.
	Session string
	// Nonce is the agent's of this connection, and is accepted once.
	Nonce   []byte
	Channel Channel
}

// encode returns what is signed: each field in its order, behind its length in four bytes,
// big endian. Two Statements never have the same encoding, and none is the signing input
// of a JWT, which begins with a letter.
func (s Statement) encode() []byte {
	fields := []string{string(s.Domain), s.Cluster, s.MasterID, s.Session, string(s.Nonce), string(s.Channel)}
	var encoded []byte
	for _, field := range fields {
		encoded = binary.BigEndian.AppendUint32(encoded, uint32(len(field))) //nolint:gosec // the fields of messages are shorter than 4 GiB
		encoded = append(encoded, field...)
	}
	return encoded
}

// SignStatement returns the Ed25519 signature of a Statement, of SignatureSize bytes.
func (s *Signer) SignStatement(statement Statement) []byte {
	return ed25519.Sign(s.key, statement.encode())
}

// VerifyStatement returns which of the Verifier's keys has signed a Statement. The error is
// ErrSignature where none has.
func (v *Verifier) VerifyStatement(statement Statement, signature []byte) (ed25519.PublicKey, error) {
	encoded := statement.encode()
	for _, key := range v.current() {
		if ed25519.Verify(key, encoded, signature) {
			return key, nil
		}
	}
	return nil, ErrSignature
}
