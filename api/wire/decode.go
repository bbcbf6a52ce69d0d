package wire

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/columnar"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// agentFromPB converts a protobuf message of the given size in bytes.
func agentFromPB(pb *wirepb.AgentMessage, size int) (AgentMessage, error) {
	switch m := pb.Message.(type) {
	case *wirepb.AgentMessage_Hello:
		return helloFromPB(m.Hello)
	case *wirepb.AgentMessage_SubscribeResponse:
		return subscribeResponseFromPB(m.SubscribeResponse)
	case *wirepb.AgentMessage_Snapshot:
		return &Snapshot{ID: m.Snapshot.Id, Chunk: m.Snapshot.Chunk, Last: m.Snapshot.Last, Seq: m.Snapshot.Seq, objects: m.Snapshot.Objects}, nil
	case *wirepb.AgentMessage_Delta:
		return deltaFromPB(m.Delta)
	case *wirepb.AgentMessage_Usage:
		return &Usage{N: m.Usage.N, Base: m.Usage.Base, columns: m.Usage}, nil
	case *wirepb.AgentMessage_Status:
		return statusFromPB(m.Status)
	case *wirepb.AgentMessage_Bookmark:
		return bookmarkFromPB(m.Bookmark), nil
	case *wirepb.AgentMessage_Summary:
		return summaryFromPB(m.Summary)
	case *wirepb.AgentMessage_End:
		return &End{Reason: endReason(m.End.Reason), Message: state.TruncateText(m.End.Message, maxText)}, nil
	case *wirepb.AgentMessage_Unsupported:
		return &Unsupported{ProtocolMin: m.Unsupported.ProtocolMin, ProtocolMax: m.Unsupported.ProtocolMax, Message: state.TruncateText(m.Unsupported.Message, maxText)}, nil
	}
	return nil, fmt.Errorf("decode message of %d bytes: not a message of protocol %d", size, ProtocolMax)
}

// DecodeMaster decodes one frame of a master.
func DecodeMaster(frame []byte) (MasterMessage, error) {
	var pb wirepb.MasterMessage
	if err := unmarshal(frame, MaxMasterFrame, &pb); err != nil {
		return nil, err
	}
	switch m := pb.Message.(type) {
	case *wirepb.MasterMessage_SubscribeRequest:
		return subscribeRequestFromPB(m.SubscribeRequest)
	case *wirepb.MasterMessage_Ack:
		return &Ack{Seq: m.Ack.Seq}, nil
	case *wirepb.MasterMessage_Renew:
		return renewFromPB(m.Renew)
	case *wirepb.MasterMessage_Stop:
		return &Stop{Message: state.TruncateText(m.Stop.Message, maxText)}, nil
	}
	return nil, fmt.Errorf("decode message of %d bytes: not a message of protocol %d", len(frame), ProtocolMax)
}

func unmarshal(frame []byte, limit int, pb proto.Message) error {
	if len(frame) > limit {
		return fmt.Errorf("decode frame: %w: it has %d bytes, the limit is %d", ErrTooLarge, len(frame), limit)
	}
	small, fields := smallPart(frame)
	if small > maxSmall {
		return fmt.Errorf("decode frame: %w: it has %d bytes outside of Snapshot, Delta and Usage, the limit is %d", ErrTooLarge, small, maxSmall)
	}
	if fields > maxSmallFields {
		return fmt.Errorf("decode frame: %w: it has %d fields outside of Snapshot, Delta and Usage, the limit is %d", ErrTooLarge, fields, maxSmallFields)
	}
	if err := proto.Unmarshal(frame, pb); err != nil {
		return fmt.Errorf("decode frame of %d bytes: %w", len(frame), err)
	}
	return nil
}

// smallPart returns the size and the number of fields of those parts of a frame that are not
// Snapshot, Delta or Usage. They are limited separately because they are decoded before their
// content can be checked, and take many times their size in memory.
func smallPart(frame []byte) (size, fields int) {
	for len(frame) > 0 {
		number, kind, n := protowire.ConsumeField(frame)
		if n < 0 {
			return size, fields // it cannot be decoded either
		}
		if !mayBeLarge[number] {
			size += n
			fields += fieldsOf(frame[:n], kind)
		}
		frame = frame[n:]
	}
	return size, fields
}

// fieldsOf returns the number of fields of the message in a field, or 1 if it has no message.
func fieldsOf(field []byte, kind protowire.Type) (fields int) {
	if kind != protowire.BytesType {
		return 1
	}
	_, _, n := protowire.ConsumeTag(field)
	message, _ := protowire.ConsumeBytes(field[n:])
	for len(message) > 0 && fields <= maxSmallFields {
		_, _, n := protowire.ConsumeField(message)
		if n < 0 {
			break
		}
		fields++
		message = message[n:]
	}
	return fields
}

// mayBeLarge has the field numbers of AgentMessage's snapshot, delta, usage, batch, zstd and uids.
// The frame limit is enough for a master's messages.
var mayBeLarge = map[protowire.Number]bool{3: true, 4: true, 5: true, batchNumber: true, zstdNumber: true, uidsNumber: true}

func helloFromPB(pb *wirepb.Hello) (*Hello, error) {
	nonce, err := nonceFromPB(pb.Nonce)
	if err != nil {
		return nil, fmt.Errorf("decode Hello: %w", err)
	}
	return &Hello{ProtocolMin: pb.ProtocolMin, ProtocolMax: pb.ProtocolMax, Epoch: pb.Epoch, Nonce: nonce, Unbound: pb.Unbound}, nil
}

func subscribeResponseFromPB(pb *wirepb.SubscribeResponse) (*SubscribeResponse, error) {
	nonce, err := nonceFromPB(pb.Nonce)
	if err != nil {
		return nil, fmt.Errorf("decode SubscribeResponse: %w", err)
	}
	return &SubscribeResponse{
		Session: state.TruncateText(pb.Session, maxText), Period: duration(pb.PeriodMs), Duration: duration(pb.DurationMs), Renewal: pb.Renewal,
		Nonce: nonce, Identity: identityFromPB(pb.Identity), Term: pb.Term,
	}, nil
}

func renewFromPB(pb *wirepb.Renew) (*Renew, error) {
	signature, err := signatureFromPB(pb.Signature)
	if err != nil {
		return nil, fmt.Errorf("decode Renew: %w", err)
	}
	return &Renew{Renewal: pb.Renewal, Duration: duration(pb.DurationMs), Signature: signature}, nil
}

// nonceFromPB returns a nonce after checking its size, nil if it is absent.
func nonceFromPB(nonce []byte) ([]byte, error) {
	switch {
	case len(nonce) == 0:
		return nil, nil
	case len(nonce) < minNonce || len(nonce) > maxNonce:
		return nil, fmt.Errorf("nonce has %d bytes, want %d to %d", len(nonce), minNonce, maxNonce)
	}
	return nonce, nil
}

// signatureFromPB returns a signature after checking its size, nil if it is absent.
func signatureFromPB(signature []byte) ([]byte, error) {
	switch len(signature) {
	case 0:
		return nil, nil
	case signatureSize:
		return signature, nil
	}
	return nil, fmt.Errorf("signature has %d bytes, want %d", len(signature), signatureSize)
}

func subscribeRequestFromPB(pb *wirepb.SubscribeRequest) (*SubscribeRequest, error) {
	signature, err := signatureFromPB(pb.Signature)
	if err != nil {
		return nil, fmt.Errorf("decode SubscribeRequest: %w", err)
	}
	m := &SubscribeRequest{
		Protocol: pb.Protocol, Session: state.TruncateText(pb.Session, maxText), MasterID: state.TruncateText(pb.MasterId, maxText),
		Period: duration(pb.PeriodMs), Duration: duration(pb.DurationMs), SummaryOnly: pb.SummaryOnly, ProblemsHash: pb.ProblemsHash, ResourcesHash: pb.ResourcesHash, Ignore: ignoreFromPB(pb.Ignore), Signature: signature,
		Owner: pb.Owner, Term: pb.Term,
	}
	if pb.Base != nil {
		m.Base = &Base{Epoch: pb.Base.Epoch, Seq: pb.Base.Seq, Usage: pb.Base.Usage}
	}
	return m, nil
}

// deltaFromPB leaves a Delta's objects encoded until a Receiver decodes them, as they take much
// more memory than their columns.
func deltaFromPB(pb *wirepb.Delta) (*Delta, error) {
	d := &Delta{From: pb.From, To: pb.To, encoded: pb}
	if _, err := d.memory(); err != nil {
		return nil, fmt.Errorf("decode Delta: %w", err)
	}
	return d, nil
}

// memory returns an estimate of the memory for the objects of a received Delta. It is zero once
// they are decoded.
func (m *Delta) memory() (columnar.Memory, error) {
	if m.encoded == nil {
		return columnar.Memory{}, nil
	}
	return columnar.EstimateDeltaMemory(m.encoded)
}

// decode decodes the objects of a received Delta. Further calls do nothing.
func (m *Delta) decode() error {
	if m.encoded == nil {
		return nil
	}
	d, err := columnar.DecodeDelta(m.encoded)
	if err != nil {
		return fmt.Errorf("decode Delta: %w", err)
	}
	m.Upserts, m.Removes, m.decoded, m.encoded = d.Upserts, d.Removes, d, nil
	return nil
}

// allUpserts returns all changed objects of m, with its patches applied to the objects in held.
func (m *Delta) allUpserts(held *state.State) ([]state.Entry, error) {
	if m.decoded == nil {
		return m.Upserts, nil
	}
	return m.decoded.AllUpserts(held)
}

func statusFromPB(pb *wirepb.Status) (*Status, error) {
	if pb.Section < 1 || pb.Section > wirepb.Section(state.NumSections) {
		return nil, fmt.Errorf("decode Status: unknown section %d", pb.Section)
	}
	return &Status{
		Section: state.SectionName(pb.Section - 1), Age: ageFromPB(pb.Age),
		Error: state.SectionError{Reason: state.TruncateText(pb.Reason, maxText), Message: state.TruncateText(pb.Message, maxText)},
	}, nil
}

func bookmarkFromPB(pb *wirepb.Bookmark) *Bookmark {
	return &Bookmark{
		Seq: pb.Seq, Count: int(pb.Count), Hash: Hash(pb.Hash), Ages: agesFromPB(pb.Ages),
		Sent: time.Duration(min(pb.SentMs, uint64(maxDuration.Milliseconds()))) * time.Millisecond,
	}
}

// maxDuration exceeds every duration of the protocol and can be added to a time without overflow.
const maxDuration = 100 * 365 * 24 * time.Hour

func duration(ms uint32) time.Duration { return time.Duration(ms) * time.Millisecond }

func ageFromPB(age uint64) time.Duration {
	if age == 0 {
		return -1
	}
	return time.Duration(min(age-1, uint64(maxDuration.Milliseconds()))) * time.Millisecond
}

// agesFromPB returns -1 (never observed) for sections that the peer did not send.
func agesFromPB(pb []uint64) [state.NumSections]time.Duration {
	var ages [state.NumSections]time.Duration
	for i := range ages {
		ages[i] = -1
		if i < len(pb) {
			ages[i] = ageFromPB(pb[i])
		}
	}
	return ages
}

// endReason returns EndUnspecified for a newer peer's reason.
func endReason(pb wirepb.EndReason) EndReason {
	if pb < 0 || pb > wirepb.EndReason(EndUnauthorized) {
		return EndUnspecified
	}
	return EndReason(pb)
}

func ignoreFromPB(all []*wirepb.Ignore) []state.Ignore {
	var out []state.Ignore
	for _, i := range all[:min(len(all), MaxIgnore)] {
		out = append(out, state.Ignore{
			Namespace: state.TruncateText(i.Namespace, maxText), Owner: state.TruncateText(i.Owner, maxText), Node: state.TruncateText(i.Node, maxText),
			What: state.TruncateText(i.What, maxText), Until: state.Time(i.Until), Reason: state.TruncateText(i.Reason, maxText),
		})
	}
	return out
}
