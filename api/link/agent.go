package link

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/token"
)

// ErrMasterNotProved is the error of an agent whose peer did not prove that it has one of the hub's signing keys.
var ErrMasterNotProved = errors.New("the peer did not prove that it is a master of this agent's hub: " +
	"the hub's signing key changed, or another server answers at the address, or something between agent and master altered the handshake")

// Agent is the agent's side of a handshake.
type Agent struct {
	// Cluster is the name of the ClusterAgent, and UID the UID of the namespace kube-system.
	Cluster, UID string
	// Version is the version of the agent's program.
	Version string
	// Key is the agent's key: ECDSA or Ed25519.
	Key crypto.Signer
	// Verifier has the signing keys of the hub.
	Verifier *token.Verifier
	// Channel is that of the TLS connection, or token.Unbound.
	Channel token.Channel
	// JoinKey is the one-time key of a join token, or nil.
	JoinKey ed25519.PrivateKey
	// ServiceAccountToken returns a service account token, or "". It is called after the master has proved itself. It
	// may be nil.
	ServiceAccountToken func() (string, error)
	// NextKey is the key by which the agent wants to replace Key, or nil.
	NextKey crypto.Signer
}

// Peer is a master that has proved its signing key.
type Peer struct {
	MasterID string
	Admitted
}

// Handshake proves the agent to a master, and returns the master when it has admitted the agent. The error is a
// *Refused if the master refused it, and ErrMasterNotProved if the peer is not a master of the hub. Nothing is sent
// to such a peer but the Claim.
func (a *Agent) Handshake(ctx context.Context, c Conn) (*Peer, error) {
	ctx, cancel := context.WithTimeout(ctx, HandshakeTimeout)
	defer cancel()
	challenge, encoded, err := receive[Challenge](ctx, c, typeChallenge)
	switch {
	case err != nil:
		return nil, err
	case challenge.VersionMin > Version || challenge.VersionMax < Version:
		return nil, fmt.Errorf("the master speaks the link versions %d to %d, this agent %d: update the older one", challenge.VersionMin, challenge.VersionMax, Version)
	case challenge.MasterID == "" || len(challenge.MasterID) > maxText || len(challenge.Nonce) < nonceSize:
		return nil, fmt.Errorf("%w: the Challenge has no master ID or nonce, or one that is too long", errInvalid)
	}
	t := newTranscript(a.Channel)
	t.add(encoded)
	key, err := x509.MarshalPKIXPublicKey(a.Key.Public())
	if err != nil {
		return nil, fmt.Errorf("encode the agent's public key: %w", err)
	}
	claim := Claim{
		Version: Version, Cluster: a.Cluster, UID: a.UID, AgentVersion: a.Version, Key: key, Nonce: token.NewNonce(), Unbound: a.Channel == token.Unbound,
	}
	if a.NextKey != nil {
		if claim.NextKey, err = x509.MarshalPKIXPublicKey(a.NextKey.Public()); err != nil {
			return nil, fmt.Errorf("encode the agent's next public key: %w", err)
		}
	}
	if encoded, err = send(ctx, c, typeClaim, claim); err != nil {
		return nil, err
	}
	t.add(encoded)
	if err := a.receiveMasterProof(ctx, c, t, challenge.MasterID); err != nil {
		return nil, err
	}
	proof, err := a.prove(t.sum())
	if err != nil {
		return nil, err
	}
	if _, err := send(ctx, c, typeAgentProof, proof); err != nil {
		return nil, err
	}
	admitted, _, err := receive[Admitted](ctx, c, typeAdmitted)
	if err != nil {
		return nil, err
	}
	admitted.NextKeyRefusal = state.TruncateText(admitted.NextKeyRefusal, maxRefusal)
	return &Peer{MasterID: challenge.MasterID, Admitted: admitted}, nil
}

// receiveMasterProof receives and verifies the master's signature.
func (a *Agent) receiveMasterProof(ctx context.Context, c Conn, t *transcript, masterID string) error {
	statement := token.Statement{Domain: token.DomainLinkMaster, Cluster: a.Cluster, MasterID: masterID, Nonce: t.sum(), Channel: a.Channel}
	proof, encoded, err := receive[MasterProof](ctx, c, typeMasterProof)
	if err != nil {
		return err
	}
	if _, err := a.Verifier.VerifyStatement(statement, proof.Signature); err != nil {
		_, _ = send(ctx, c, typeRefused, Refused{Code: MasterNotProved})
		return ErrMasterNotProved
	}
	t.add(encoded)
	return nil
}

// prove signs a transcript with the agent's key, and adds what else the agent has.
func (a *Agent) prove(sum []byte) (proof AgentProof, err error) {
	if proof.Signature, err = signTranscript(a.Key, agentDomain, sum); err != nil {
		return proof, fmt.Errorf("sign with the agent's key: %w", err)
	}
	if a.NextKey != nil {
		if proof.NextSignature, err = signTranscript(a.NextKey, nextDomain, sum); err != nil {
			return proof, fmt.Errorf("sign with the agent's next key: %w", err)
		}
	}
	if a.ServiceAccountToken != nil {
		if proof.ServiceAccountToken, err = a.ServiceAccountToken(); err != nil {
			return proof, fmt.Errorf("read the service account token: %w", err)
		}
		if n := len(proof.ServiceAccountToken); n > maxToken {
			return proof, fmt.Errorf("the service account token has %d bytes, the limit is %d", n, maxToken)
		}
	}
	if a.JoinKey == nil {
		return proof, nil
	}
	if proof.JoinKey, err = x509.MarshalPKIXPublicKey(a.JoinKey.Public()); err != nil {
		return proof, fmt.Errorf("encode the join key: %w", err)
	}
	if proof.JoinSignature, err = signTranscript(a.JoinKey, joinDomain, sum); err != nil {
		return proof, fmt.Errorf("sign with the join key: %w", err)
	}
	return proof, nil
}
