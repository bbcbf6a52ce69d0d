package wire

import (
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
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

// Hello is an agent's first message on every connection. It says nothing of the cluster,
// as nobody knows yet who listens.
type Hello struct {
	ProtocolMin, ProtocolMax uint32
	Epoch                    uint64
	// Nonce is what the Report's signature is over; nil: the agent checks none.
	Nonce []byte
	// Unbound says that signatures are over token.Unbound in place of the connection.
	Unbound bool
}

// Identity says who answers: an agent gives it to a master whose Report it accepts.
type Identity struct {
	AgentVersion string
	ClusterName  string
	// ClusterUID is the UID of the namespace kube-system.
	ClusterUID        string
	KubernetesVersion string
}

// Granted answers a Report or a Renew: what the agent will really do, which may be
// less than what was asked for.
type SubscribeResponse struct {
	Session string
	// Period is between two ticks; Duration is from this message to the session's end.
	Period, Duration time.Duration
	// Renewal is the number of the Renew that this answers, 0 for the Report.
	Renewal uint32
	// Nonce is what the next Renew's signature is over; nil: the agent checks none.
	Nonce []byte
	// Identity comes with the answer to a Report; nil with that to a Renew.
	Identity *Identity
}

// Snapshot is one chunk of a whole state. The chunks of one snapshot come in
// order with nothing but Acks between them, and nothing of it counts before the
// chunk with Last.
type Snapshot struct {
	ID    uint64
	Chunk uint32
	Last  bool
	// Seq is up to which the whole snapshot leads.
	Seq uint64

	// objects are resolved by a Receiver, as their strings may be in earlier chunks.
	objects *wirepb.Objects
}

// Delta is what changed between two seqs.
type Delta struct {
	From, To uint64
	// Upserts are objects as they became. Those of a Delta that came are made by the
	// Receiver that takes it in.
	Upserts []state.Entry
	Removes []state.Key
	// Held is what the receiver holds at From, where the sender knows it: of what is in
	// it only the differences are sent. nil: all is sent whole.
	Base *state.State

	// came is a Delta as it came, until a Receiver has decoded it: nothing else is set
	// then, but From and To.
	encoded *wirepb.Delta
	// amended is what came of objects that the receiver holds.
	patches *patches
}

// Empty reports whether no object changed.
func (m *Delta) Empty() bool {
	if m.encoded == nil {
		return len(m.Upserts)+len(m.Removes) == 0
	}
	whole, _ := countObjects(m.encoded.Upserts)
	return whole.total()+len(m.encoded.Removes.GetKind())+len(m.encoded.PatchKeys.GetKind()) == 0
}

// Keys are those of all that changed, in no order; those of a Delta that came and cannot
// be decoded are none. No Budget is asked.
func (m *Delta) Keys() []state.Key {
	if m.decode() != nil {
		return nil
	}
	keys := slices.Clone(m.Removes)
	for _, e := range m.Upserts {
		keys = append(keys, e.Object.Key())
	}
	if m.patches != nil {
		keys = append(keys, m.patches.keys...)
	}
	return keys
}

// Usage is one reading of metrics.k8s.io as differences to an earlier one.
type Usage struct {
	N uint64
	// Base is the reading that the columns differ from, 0 for zeros.
	Base uint64

	columns *wirepb.Usage
}

// Status is a section's error as it became; the zero error says that there is none.
type Status struct {
	Section state.SectionName
	// Age is how long ago the section was last known to be true; negative: never.
	Age   time.Duration
	Error state.SectionError
}

// Bookmark ends every flush: what was sent before it, taken in, gives exactly the
// state that it describes.
type Bookmark struct {
	Seq   uint64
	Count int
	Hash  Hash
	// Ages are how long ago each section was last known to be true; negative: never.
	Ages [state.NumSections]time.Duration
	// Sent is the sender's monotonic clock since its Hello.
	Sent time.Duration
}

// Summary answers a Report that asked for one summary only; the connection ends
// with it.
type Summary struct {
	// Identity says who answers; nil with SameResources.
	Identity *Identity
	Summary  state.Summary
	// Ages and Errors are those of the sections.
	Ages   [state.NumSections]time.Duration
	Errors [state.NumSections]state.SectionError
	// SameProblems: the Summary's problems are those that the Report named by their hash,
	// and are left out. ProblemCount is theirs all the same.
	SameProblems bool
	// SameResources is the same of Identity, Capacity, Allocatable, Requested, Limits and
	// Fragmentation.
	SameResources bool
}

// EndReason is why an agent ends a session.
type EndReason uint8

const (
	EndUnspecified EndReason = iota
	// EndExpired: the session's time is over.
	EndExpired
	// EndStopped: the master said Stop.
	EndStopped
	// EndShuttingDown: the agent's process is ending.
	EndShuttingDown
	// EndSuperseded: the same holder opened a newer session.
	EndSuperseded
	// EndBusy: the agent has as many sessions as it takes.
	EndBusy
	// EndNotReady: the agent has not read its cluster yet.
	EndNotReady
	// EndError: something broke; the message says what.
	EndError
	// EndUnauthorized: the signature of a Report or Renew is missing or none of this
	// connection by a known key, or the key that opened the session is not known any more.
	EndUnauthorized
)

var endReasonNames = [...]string{"unspecified", "expired", "stopped", "shutting down", "superseded", "busy", "not ready", "error", "unauthorized"}

func (r EndReason) String() string {
	if int(r) < len(endReasonNames) {
		return endReasonNames[r]
	}
	return endReasonNames[EndUnspecified]
}

// End is an agent's last message; it ignores everything after it.
type End struct {
	Reason  EndReason
	Message string
}

// Unsupported is an agent's answer to a Report of a protocol that it does not
// speak. The connection ends with it.
type Unsupported struct {
	ProtocolMin, ProtocolMax uint32
	Message                  string
}

// Report asks an agent to report, and opens a session.
type SubscribeRequest struct {
	// Protocol is the one that the master chose from the range in Hello.
	Protocol uint32
	Session  string
	// Holder is drawn at random by each master process. A newer Report of the same
	// holder ends the older session.
	MasterID         string
	Period, Duration time.Duration
	// SummaryOnly asks for one Summary and no session. Such a Report has nothing else but
	// Protocol, Problems, Resources, Ignore and Signature.
	SummaryOnly bool
	// Ignore is what the agent mutes in a Summary; at most MaxIgnore.
	Ignore []state.Ignore
	// Problems is the HashProblems and Resources the HashResources of the last Summary
	// that the master has, 0 for none.
	ProblemsHash, ResourcesHash uint64
	// Base is what the master holds, nil for nothing.
	Base *Base
	// Signature is that of a token.Statement with Hello's nonce; nil where that has none.
	Signature []byte
}

// Base is a state that a receiver holds. Usage is the number of the reading of usage
// in it, 0 for none.
type Base struct{ Epoch, Seq, Usage uint64 }

// Ack says that everything up to a Bookmark's seq was taken in.
type Ack struct{ Seq uint64 }

// Renew asks for another Duration from now. It takes effect when Granted returns
// with its number.
type Renew struct {
	Renewal  uint32
	Duration time.Duration
	// Signature is that of a token.Statement with the last Granted's nonce; nil where that
	// has none.
	Signature []byte
}

// Stop asks the agent to end the session.
type Stop struct{ Message string }
