package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
)

// Domain is the purpose of a Statement. A signature for one Domain is not valid for another.
type Domain string

// Domains of Statements.
const (
	// DomainSubscribe is for a SubscribeRequest that opens a session.
	DomainSubscribe Domain = "rollcall report v1"
	// DomainOwner is for a SubscribeRequest that opens the session of the cluster's owner.
	DomainOwner Domain = "rollcall owner v1"
	// DomainSummary is for a SubscribeRequest that requests one summary. It has no session.
	DomainSummary Domain = "rollcall summary v1"
	// DomainRenew is for a Renew.
	DomainRenew Domain = "rollcall renew v1"
	// DomainLinkMaster is for the master's proof on a reverse link (package link). Its nonce is the
	// hash of the handshake, and it has no session.
	DomainLinkMaster Domain = "rollcall link master v1"
)

// Sizes in bytes.
const (
	// NonceSize is the size of a Statement's nonce.
	NonceSize = 16
	// SignatureSize is the size of a Statement's signature.
	SignatureSize = ed25519.SignatureSize
)

// Channel identifies one TLS connection. Only its two ends can derive it. A relay that forwards
// messages between two connections has two Channels.
type Channel string

// Unbound is the Channel of every connection of an agent that runs with --channel-binding=off. A
// signature over it proves who signed, but not on which connection.
const Unbound Channel = "none"

// exporterLabel and exporterSize are the parameters of the TLS exporter (RFC 8446, section 7.5)
// that derives a Channel. Its context is empty.
const (
	exporterLabel = "EXPORTER-rollcall-channel-v1"
	exporterSize  = 32
)

// Errors of ChannelOf.
var (
	// ErrNoTLS is returned for a connection without TLS at this end.
	ErrNoTLS = errors.New("the connection has no TLS to bind signatures to")
	// ErrOldTLS is returned for TLS older than 1.3, whose exporters do not cover the whole
	// handshake.
	ErrOldTLS = errors.New("the connection's TLS is older than 1.3")
)

// ChannelOf returns the Channel of a TLS 1.3 connection, which is the same at both ends. state is
// http.Request.TLS or http.Response.TLS; nil results in ErrNoTLS.
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

// Statement is signed by a master to prove that it is on this connection now.
type Statement struct {
	Domain            Domain
	Cluster, MasterID string
	// Session is empty in DomainSummary.
	Session string
	// Nonce was chosen by the agent for this connection and is valid once.
	Nonce   []byte
	Channel Channel
	// Term is the requested term, 0 for none.
	Term uint64
}

// encode returns the signed bytes: each field in order, preceded by its length in four bytes, big
// endian. The term has eight bytes, big endian, and is left out if it is zero. Different Statements have different encodings, and no encoding is the signing input of a
// JWT, which starts with a letter.
func (s Statement) encode() []byte {
	fields := []string{string(s.Domain), s.Cluster, s.MasterID, s.Session, string(s.Nonce), string(s.Channel)}
	if s.Term != 0 {
		fields = append(fields, string(binary.BigEndian.AppendUint64(nil, s.Term)))
	}
	var encoded []byte
	for _, field := range fields {
		encoded = binary.BigEndian.AppendUint32(encoded, uint32(len(field))) //nolint:gosec // the fields of messages are shorter than 4 GiB
		encoded = append(encoded, field...)
	}
	return encoded
}

// SignStatement returns the Ed25519 signature of a Statement, which has SignatureSize bytes.
func (s *Signer) SignStatement(statement Statement) []byte {
	return ed25519.Sign(s.key, statement.encode())
}

// VerifyStatement returns the key that signed a Statement, or ErrSignature if none of the
// Verifier's keys did.
func (v *Verifier) VerifyStatement(statement Statement, signature []byte) (ed25519.PublicKey, error) {
	encoded := statement.encode()
	for _, key := range v.current() {
		if ed25519.Verify(key, encoded, signature) {
			return key, nil
		}
	}
	return nil, ErrSignature
}
