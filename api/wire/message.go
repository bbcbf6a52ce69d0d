package wire

import (
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/columnar"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// AgentMessage is one of *Hello, *SubscribeResponse, *Snapshot, *Delta, *Usage, *Status,
// *Bookmark, *Summary, *End and *Unsupported.
type AgentMessage interface {
	toAgentPB() (*wirepb.AgentMessage, error)
}

// MasterMessage is one of *SubscribeRequest, *Ack, *Renew and *Stop.
type MasterMessage interface {
	toMasterPB() *wirepb.MasterMessage
}

// Hello is an agent's first message on every connection. It says nothing about the cluster, as the
// master is not authenticated yet.
type Hello struct {
	ProtocolMin, ProtocolMax uint32
	Epoch                    uint64
	// Nonce has to be signed with the SubscribeRequest; nil if the agent checks no signatures.
	Nonce []byte
	// Unbound means that signatures cover token.Unbound in place of the connection.
	Unbound bool
}

// Identity describes the agent and its cluster. It is sent only after a SubscribeRequest is
// accepted.
type Identity struct {
	AgentVersion string
	ClusterName  string
	// ClusterUID is the UID of the namespace kube-system.
	ClusterUID        string
	KubernetesVersion string
}

// SubscribeResponse answers a SubscribeRequest or a Renew. It has the values that the agent will
// use, which may differ from those requested.
type SubscribeResponse struct {
	Session string
	// Period is the time between two ticks. Duration is the time from this message to the
	// session's end.
	Period, Duration time.Duration
	// Renewal is the number of the answered Renew, 0 for a SubscribeRequest.
	Renewal uint32
	// Nonce has to be signed with the next Renew; nil if the agent checks no signatures.
	Nonce []byte
	// Identity is set in the answer to a SubscribeRequest and nil in the answer to a Renew.
	Identity *Identity
	// Term is the granted term: the session's own if it is an owner's, or that of the last owner.
	// It is 0 in the answer to a Renew and to a request without a term.
	Term uint64
}

// Snapshot is one chunk of a whole state. The chunks of a snapshot are sent in order, with nothing
// between them. They take effect with the Bookmark after the chunk that has Last set.
type Snapshot struct {
	// ID is the same in all chunks of a snapshot.
	ID uint64
	// Chunk is the number of the chunk, from 0. Last is set in the last chunk.
	Chunk uint32
	Last  bool
	// Seq is the seq of the complete snapshot.
	Seq uint64

	// objects stay encoded until a Receiver decodes them, as they refer to strings of earlier
	// chunks.
	objects *wirepb.Objects
}

// Delta has the changes between two seqs.
type Delta struct {
	From, To uint64
	// Upserts has the new versions of objects. In a received Delta it is empty until a Receiver
	// decodes it.
	Upserts []state.Entry
	Removes []state.Key
	// Base is the State that the receiver holds at From, if the sender knows it. Objects in Base
	// are sent as patches. Nil: all objects are sent whole.
	Base *state.State

	// encoded is a received Delta until a Receiver decodes it. Only From and To are set until
	// then.
	encoded *wirepb.Delta
	// decoded is a received Delta after that. Its patches are not applied yet.
	decoded *columnar.Delta
}

// Empty reports whether the Delta changes no object.
func (m *Delta) Empty() bool {
	if m.encoded == nil {
		return len(m.Upserts)+len(m.Removes) == 0
	}
	whole, _ := columnar.CountObjects(m.encoded.Upserts)
	return whole.Total()+len(m.encoded.Removes.GetKind())+len(m.encoded.PatchKeys.GetKind()) == 0
}

// Keys returns the keys of all changed objects, in no order, or nil if a received Delta cannot be
// decoded. It decodes the Delta without asking a Budget.
func (m *Delta) Keys() []state.Key {
	if m.decode() != nil {
		return nil
	}
	keys := slices.Clone(m.Removes)
	for _, e := range m.Upserts {
		keys = append(keys, e.Object.Key())
	}
	if m.decoded != nil {
		keys = append(keys, m.decoded.PatchKeys...)
	}
	return keys
}

// Usage is one reading of metrics.k8s.io, encoded as differences to an earlier reading.
type Usage struct {
	// N is the number of the reading.
	N uint64
	// Base is the number of the reading that the columns differ from, 0 for zeros.
	Base uint64

	columns *wirepb.Usage
}

// Status reports a section's error, or that there is none if Error is zero.
type Status struct {
	Section state.SectionName
	// Age is the time since the section was last known to be true; negative if it never was.
	Age   time.Duration
	Error state.SectionError
}

// Bookmark ends every flush. It describes the state that the receiver must hold after it has
// applied the preceding messages.
type Bookmark struct {
	Seq   uint64
	Count int
	Hash  Hash
	// Ages has the time since each section was last known to be true; negative if it never was.
	Ages [state.NumSections]time.Duration
	// Sent is the reading of the sender's monotonic clock since its Hello.
	Sent time.Duration
}

// Summary answers a SubscribeRequest with SummaryOnly. The connection ends with it.
type Summary struct {
	// Identity describes the agent and its cluster; nil if SameResources is set.
	Identity *Identity
	Summary  state.Summary
	// Ages and Errors have one entry per section.
	Ages   [state.NumSections]time.Duration
	Errors [state.NumSections]state.SectionError
	// SameProblems means that the problems match SubscribeRequest.ProblemsHash and are left out.
	// ProblemCount is set anyway.
	SameProblems bool
	// SameResources means that Identity, Capacity, Allocatable, Requested, Limits and
	// Fragmentation match SubscribeRequest.ResourcesHash and are left out.
	SameResources bool
}

// EndReason says why an agent ends a session.
type EndReason uint8

const (
	EndUnspecified EndReason = iota
	// EndExpired: the session's duration is over.
	EndExpired
	// EndStopped: the master sent Stop.
	EndStopped
	// EndShuttingDown: the agent is shutting down.
	EndShuttingDown
	// EndSuperseded: the same master opened a newer session, or another master became the owner.
	EndSuperseded
	// EndBusy: the agent has as many sessions as it allows.
	EndBusy
	// EndNotReady: the agent has not read its cluster yet.
	EndNotReady
	// EndError: the agent failed; the message describes the error.
	EndError
	// EndUnauthorized: the signature of a SubscribeRequest or Renew is missing or was not made for
	// this connection by a known key, or the key that opened the session was removed.
	EndUnauthorized
)

var endReasonNames = [...]string{"unspecified", "expired", "stopped", "shutting down", "superseded", "busy", "not ready", "error", "unauthorized"}

func (r EndReason) String() string {
	if int(r) < len(endReasonNames) {
		return endReasonNames[r]
	}
	return endReasonNames[EndUnspecified]
}

// End is an agent's last message. The agent ignores everything that it receives afterwards.
type End struct {
	Reason  EndReason
	Message string
}

// Unsupported answers a SubscribeRequest with a protocol that the agent does not speak. The
// connection ends with it.
type Unsupported struct {
	ProtocolMin, ProtocolMax uint32
	Message                  string
}

// SubscribeRequest opens a session in which the agent reports, or requests one Summary.
type SubscribeRequest struct {
	// Protocol is the protocol that the master chose from the range in Hello.
	Protocol uint32
	Session  string
	// MasterID is a random ID of the master process. A newer SubscribeRequest with the same
	// MasterID ends the older session.
	MasterID         string
	Period, Duration time.Duration
	// SummaryOnly requests one Summary and no session. Only Protocol, ProblemsHash, ResourcesHash,
	// Ignore and Signature may be set with it.
	SummaryOnly bool
	// Ignore lists the rules by which the agent mutes problems in a Summary, at most MaxIgnore.
	Ignore []state.Ignore
	// ProblemsHash and ResourcesHash are HashProblems and HashResources of the last Summary that
	// the master has, 0 for none.
	ProblemsHash, ResourcesHash uint64
	// Base identifies the state that the master holds, nil for none.
	Base *Base
	// Signature signs a token.Statement with Hello's nonce; nil if Hello has no nonce.
	Signature []byte
	// Owner says that the master owns the cluster: its session ends that of the owner before.
	Owner bool
	// Term is the lowest term that the master accepts, 0 before ProtocolTerms.
	Term uint64
}

// Base identifies a state that a receiver holds. Usage is the number of its usage reading, 0 for
// none.
type Base struct{ Epoch, Seq, Usage uint64 }

// Ack confirms that the receiver holds the state described by the Bookmark with this seq.
type Ack struct{ Seq uint64 }

// Renew requests another Duration, counted from its arrival. It takes effect with the
// SubscribeResponse that has its number.
type Renew struct {
	Renewal  uint32
	Duration time.Duration
	// Signature signs a token.Statement with the nonce of the last SubscribeResponse; nil if that
	// has none.
	Signature []byte
}

// Stop asks the agent to end the session.
type Stop struct{ Message string }
