package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/token"
)

// Master is the master's side of a handshake.
type Master struct {
	// ID identifies the master's process.
	ID     string
	Signer *token.Signer
	// Channel is that of the TLS connection. If there is none, ChannelErr says why, and only agents whose
	// signatures are not bound can be admitted.
	Channel    token.Channel
	ChannelErr error
	// Authorize decides about an agent that has proved its keys.
	Authorize func(context.Context, Candidate) Decision
}

// Candidate is an agent that has proved that it has its key.
type Candidate struct {
	// Cluster, UID and AgentVersion are what the agent claims.
	Cluster, UID, AgentVersion string
	// Key is the Fingerprint of the agent's key, or "" before the agent has proved it.
	Key string
	// JoinKey is the Fingerprint of the join key that the agent has proved too, or "".
	JoinKey string
	// NextKey is the Fingerprint of the key by which the agent wants to replace Key, and which it has proved too, or "".
	NextKey string
	// ServiceAccountToken is what the agent has sent as one, or "". Only Authorize gets it.
	ServiceAccountToken string
	// Unbound reports whether its signatures do not cover the TLS connection.
	Unbound bool
	// RoundTrip is the time from MasterProof until AgentProof.
	RoundTrip time.Duration
}

// Decision is the decision about a Candidate.
type Decision struct {
	// Refused is nil if the agent is admitted. Its Message is sent only if Known.
	Refused *Refused
	// Known reports whether the hub knows the agent's key, so that the agent may learn why it was refused.
	Known    bool
	Admitted Admitted
}

// Handshake admits or refuses an agent. The error is nil if it was admitted, a *Refused with the cause if not, and
// another error if the connection broke. The Candidate is nil if the agent has sent no Claim, and has no Key unless
// the agent has proved it.
func (m *Master) Handshake(ctx context.Context, c Conn) (*Candidate, error) {
	ctx, cancel := context.WithTimeout(ctx, HandshakeTimeout)
	defer cancel()
	candidate, err := m.identify(ctx, c)
	if err != nil {
		return candidate, refuse(ctx, c, err)
	}
	d := m.Authorize(ctx, *candidate)
	candidate.ServiceAccountToken = ""
	if d.Refused == nil {
		_, err := send(ctx, c, typeAdmitted, d.Admitted)
		return candidate, err
	}
	told := *d.Refused
	if !d.Known {
		told.Message = ""
	}
	_, _ = send(ctx, c, typeRefused, told)
	return candidate, d.Refused
}

// identify exchanges the first four messages.
func (m *Master) identify(ctx context.Context, c Conn) (*Candidate, error) {
	challenge := Challenge{MasterID: m.ID, Nonce: token.NewNonce(), VersionMin: Version, VersionMax: Version}
	challenged, err := send(ctx, c, typeChallenge, challenge)
	if err != nil {
		return nil, err
	}
	claim, claimed, err := receive[Claim](ctx, c, typeClaim)
	if err != nil {
		return nil, err
	}
	if err := claim.validate(); err != nil {
		return nil, err
	}
	candidate := &Candidate{Cluster: claim.Cluster, UID: claim.UID, AgentVersion: state.TruncateText(claim.AgentVersion, maxText), Unbound: claim.Unbound}
	channel, err := m.channelFor(claim)
	if err != nil {
		return candidate, err
	}
	t := newTranscript(channel)
	t.add(challenged)
	t.add(claimed)
	signature := m.Signer.SignStatement(token.Statement{Domain: token.DomainLinkMaster, Cluster: claim.Cluster, MasterID: m.ID, Nonce: t.sum(), Channel: channel})
	proved, err := send(ctx, c, typeMasterProof, MasterProof{signature})
	if err != nil {
		return candidate, err
	}
	t.add(proved)
	start := time.Now()
	proof, _, err := receive[AgentProof](ctx, c, typeAgentProof)
	if err != nil {
		return candidate, err
	}
	candidate.RoundTrip = time.Since(start)
	return candidate, candidate.verify(claim, proof, t.sum())
}

// channelFor returns the channel that the signatures of a connection cover.
func (m *Master) channelFor(claim Claim) (token.Channel, error) {
	switch {
	case claim.Unbound:
		return token.Unbound, nil
	case m.ChannelErr != nil:
		return "", &Refused{Code: BindingMismatch, Message: fmt.Sprintf("the agent's signatures have to be bound to its TLS connection, which does not end at the master: %v: "+
			"let the proxy in between pass TLS through, or set spec.link.channelBinding: None and start the agent with --channel-binding=off", m.ChannelErr)}
	}
	return m.Channel, nil
}

// verify verifies the agent's signatures over a transcript.
func (c *Candidate) verify(claim Claim, proof AgentProof, sum []byte) error {
	if err := verifyTranscript(claim.Key, agentDomain, sum, proof.Signature); err != nil {
		return &Refused{Code: InvalidMessage, Message: fmt.Sprintf("the agent did not prove its key: %v: something between agent and master altered the handshake, or the agent does not have the key", err)}
	}
	c.Key = Fingerprint(claim.Key)
	if len(proof.ServiceAccountToken) > maxToken {
		return &Refused{Code: InvalidMessage, Message: fmt.Sprintf("the agent's service account token has %d bytes, the limit is %d", len(proof.ServiceAccountToken), maxToken)}
	}
	c.ServiceAccountToken = proof.ServiceAccountToken
	if len(claim.NextKey) > 0 {
		if err := verifyTranscript(claim.NextKey, nextDomain, sum, proof.NextSignature); err != nil {
			return &Refused{Code: InvalidMessage, Message: fmt.Sprintf("the agent did not prove its next key: %v", err)}
		}
		c.NextKey = Fingerprint(claim.NextKey)
	}
	if len(proof.JoinKey) == 0 {
		return nil
	}
	if err := verifyTranscript(proof.JoinKey, joinDomain, sum, proof.JoinSignature); err != nil {
		return &Refused{Code: InvalidMessage, Message: fmt.Sprintf("the agent did not prove its join token: %v", err)}
	}
	c.JoinKey = Fingerprint(proof.JoinKey)
	return nil
}

// validate returns an error unless the Claim can be processed.
func (c *Claim) validate() error {
	switch {
	case c.Version != Version:
		return &Refused{Code: InvalidMessage, Message: fmt.Sprintf("the agent speaks the link version %d, the master %d: update the older one", c.Version, Version)}
	case c.Cluster == "" || len(c.Cluster) > maxText || len(c.UID) > maxText || len(c.Nonce) < nonceSize || len(c.Key) == 0 || len(c.Key) > maxKey || len(c.NextKey) > maxKey:
		return &Refused{Code: InvalidMessage, Message: "the Claim has no cluster, key or nonce, or one that is too long"}
	}
	return nil
}

// refuse tells the agent that its messages are invalid, and returns the cause. It tells nothing if the connection
// broke.
func refuse(ctx context.Context, c Conn, err error) error {
	var refused *Refused
	switch {
	case errors.As(err, &refused):
	case errors.Is(err, errInvalid):
		refused = &Refused{Code: InvalidMessage, Message: err.Error()}
	default:
		return err
	}
	_, _ = send(ctx, c, typeRefused, Refused{Code: refused.Code})
	return refused
}
