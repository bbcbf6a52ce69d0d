package link

import (
	"fmt"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
)

const (
	// Path is the path of the websocket at the master.
	Path = "/v1/link"
	// Subprotocol is the websocket subprotocol.
	Subprotocol = "rollcall.link.v1"

	// Version is the only version of this protocol.
	Version = 1

	// HandshakeTimeout limits the handshake, from the upgrade until Admitted.
	HandshakeTimeout = 10 * time.Second
	// PingPeriod is the time between two pings of the agent on an idle link.
	PingPeriod = 25 * time.Second
	// SilenceTimeout is how long a side waits for a ping or its answer. It allows for two lost pings.
	SilenceTimeout = 3 * PingPeriod

	// MaxMessage limits a message in bytes. A service account token takes most of it.
	MaxMessage = 16 << 10
	// maxText limits names in messages, in bytes.
	maxText = 253
	// maxRefusal limits the message of a refusal, in bytes.
	maxRefusal = 1024
	// maxKey limits an encoded public key, in bytes; an RSA key would be larger.
	maxKey = 512
	// maxToken limits a service account token, in bytes.
	maxToken = 8 << 10
	// nonceSize is the size of a nonce, in bytes.
	nonceSize = 16
)

// Message types.
const (
	typeChallenge   = "Challenge"
	typeClaim       = "Claim"
	typeMasterProof = "MasterProof"
	typeAgentProof  = "AgentProof"
	typeAdmitted    = "Admitted"
	typeRefused     = "Refused"
	typeBegin       = "Begin"
)

// Challenge is the master's first message.
type Challenge struct {
	// MasterID identifies the master's process.
	MasterID string `json:"masterID"`
	Nonce    []byte `json:"nonce"`
	// VersionMin and VersionMax are the versions of the protocol that the master speaks.
	VersionMin int `json:"versionMin"`
	VersionMax int `json:"versionMax"`
}

// Claim is the agent's first message. Nothing in it is proved yet.
type Claim struct {
	Version int `json:"version"`
	// Cluster is the name of the agent's ClusterAgent, and UID the UID of the namespace kube-system.
	Cluster string `json:"cluster"`
	UID     string `json:"uid"`
	// AgentVersion is the version of the agent's program.
	AgentVersion string `json:"agentVersion,omitempty"`
	// Key is the agent's public key, as a SubjectPublicKeyInfo in DER.
	Key   []byte `json:"key"`
	Nonce []byte `json:"nonce"`
	// Unbound reports whether the agent's signatures do not cover the TLS connection.
	Unbound bool `json:"unbound,omitempty"`
	// NextKey is the public key by which the agent wants to replace Key, or empty.
	NextKey []byte `json:"nextKey,omitempty"`
}

// MasterProof proves that the master has the hub's signing key.
type MasterProof struct {
	Signature []byte `json:"signature"`
}

// AgentProof proves that the agent has the key in its Claim.
type AgentProof struct {
	Signature []byte `json:"signature"`
	// JoinKey and JoinSignature prove that the agent has a join token, whose one-time key signed. They
	// are empty unless the agent has one.
	JoinKey       []byte `json:"joinKey,omitempty"`
	JoinSignature []byte `json:"joinSignature,omitempty"`
	// ServiceAccountToken is a token of the agent's service account, or "".
	ServiceAccountToken string `json:"serviceAccountToken,omitempty"`
	// NextSignature proves that the agent has the key in Claim.NextKey. It is empty without one.
	NextSignature []byte `json:"nextSignature,omitempty"`
}

// Admitted tells the agent that the link is idle now.
type Admitted struct {
	// LinkID identifies the link in the logs of both sides.
	LinkID string `json:"linkID"`
	// NextKeyAccepted reports whether the hub accepts the key in Claim.NextKey from now on. If it does not,
	// NextKeyRefusal says why.
	NextKeyAccepted bool   `json:"nextKeyAccepted,omitempty"`
	NextKeyRefusal  string `json:"nextKeyRefusal,omitempty"`
}

// Begin tells the agent what the master begins on the idle link.
type Begin struct {
	// Summary reports whether it is a summary, after which the link is idle again. Otherwise it is a session.
	Summary bool `json:"summary,omitempty"`
}

// RefusalCode says why a peer was refused. A code that is not known is read as NotAdmitted.
type RefusalCode string

// Refusal codes.
const (
	// NotAdmitted means that the hub has no ClusterAgent of the claimed name that accepts the key. The
	// cause is told only to peers with a key that the hub knows.
	NotAdmitted RefusalCode = "NotAdmitted"
	// BindingMismatch means that the agent's --channel-binding and the ClusterAgent's
	// spec.link.channelBinding differ, or that a proxy ends TLS although signatures must be bound.
	BindingMismatch RefusalCode = "BindingMismatch"
	// InvalidMessage means that a message of the agent was invalid.
	InvalidMessage RefusalCode = "InvalidMessage"
	// DuplicateAgent means that several agents with the same key compete for the link.
	DuplicateAgent RefusalCode = "DuplicateAgent"
	// MasterNotProved is sent by an agent that did not accept the master's proof.
	MasterNotProved RefusalCode = "MasterNotProved"
	// Unavailable means that the master cannot decide now.
	Unavailable RefusalCode = "Unavailable"
)

// Refused tells the peer that it is not accepted, and ends the connection. A master sends it in place of any message,
// an agent in place of AgentProof.
type Refused struct {
	Code RefusalCode `json:"code"`
	// Cluster is the ClusterAgent that the refusal is about, if it is not the claimed one. It is not sent.
	Cluster string `json:"-"`
	// Message says what to do. It is empty for peers whose key the hub does not know.
	Message string `json:"message,omitempty"`
}

func (r *Refused) Error() string {
	cause := r.Message
	if cause == "" {
		cause = r.Code.hint()
	}
	return fmt.Sprintf("%s: %s", r.Code, cause)
}

// hint returns what to do about a refusal without a message.
func (c RefusalCode) hint() string {
	switch c {
	case BindingMismatch:
		return "the agent's --channel-binding and spec.link.channelBinding of its ClusterAgent must both require a bound connection, or neither; " +
			"if a proxy terminates TLS in between, the connection cannot be bound"
	case DuplicateAgent:
		return "several agents with the same key are connected: give each cluster's agent a key of its own"
	case MasterNotProved:
		return "the agent did not accept the master's proof: give it the public key of the master's --signing-key-file; " +
			"otherwise something between agent and master relayed or altered the handshake"
	case Unavailable:
		return "the master cannot decide now; the agent tries again"
	}
	return "the hub has no ClusterAgent with this name that accepts the agent's key, join token or service account: on the hub, `kubectl describe clusteragent` shows the cause, and so does the master's log"
}

// normalized returns r with a known code and texts that are safe to log.
func (r Refused) normalized() *Refused {
	if !slices.Contains([]RefusalCode{NotAdmitted, BindingMismatch, InvalidMessage, DuplicateAgent, MasterNotProved, Unavailable}, r.Code) {
		r.Code = NotAdmitted
	}
	r.Message = state.TruncateText(r.Message, maxRefusal)
	return &r
}
