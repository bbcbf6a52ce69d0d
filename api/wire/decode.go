package wire

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// agentFromPB is what a message of a size says.
func agentFromPB(pb *wirepb.AgentMessage, size int) (AgentMessage, error) {
	switch m := pb.Message.(type) {
	case *wirepb.AgentMessage_Hello:
		return helloFromPB(m.Hello)
	case *wirepb.AgentMessage_Granted:
		return grantedFromPB(m.Granted)
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
		return &End{Reason: endReason(m.End.Reason), Message: cut(m.End.Message, maxWords)}, nil
	case *wirepb.AgentMessage_Unsupported:
		return &Unsupported{ProtocolMin: m.Unsupported.ProtocolMin, ProtocolMax: m.Unsupported.ProtocolMax, Message: cut(m.Unsupported.Message, maxWords)}, nil
	}
	return nil, fmt.Errorf("decode message of %d bytes: none that protocol %d knows", size, ProtocolMax)
}

// DecodeMaster reads one frame of a master.
func DecodeMaster(frame []byte) (MasterMessage, error) {
	var pb wirepb.MasterMessage
	if err := unmarshal(frame, MaxMasterFrame, &pb); err != nil {
		return nil, err
	}
	switch m := pb.Message.(type) {
	case *wirepb.MasterMessage_Report:
		return reportFromPB(m.Report)
	case *wirepb.MasterMessage_Ack:
		return &Ack{Seq: m.Ack.Seq}, nil
	case *wirepb.MasterMessage_Renew:
		return renewFromPB(m.Renew)
	case *wirepb.MasterMessage_Stop:
		return &Stop{Message: cut(m.Stop.Message, maxWords)}, nil
	}
	return nil, fmt.Errorf("decode message of %d bytes: none that protocol %d knows", len(frame), ProtocolMax)
}

func unmarshal(frame []byte, limit int, pb proto.Message) error {
	if len(frame) > limit {
		return fmt.Errorf("decode frame: %w: %d bytes of at most %d", ErrTooLarge, len(frame), limit)
	}
	small, fields := smallPart(frame)
	if small > maxSmall {
		return fmt.Errorf("decode frame: %w: %d bytes of at most %d", ErrTooLarge, small, maxSmall)
	}
	if fields > maxSmallFields {
		return fmt.Errorf("decode frame: %w: %d fields of at most %d", ErrTooLarge, fields, maxSmallFields)
	}
	if err := proto.Unmarshal(frame, pb); err != nil {
		return fmt.Errorf("decode frame of %d bytes: %w", len(frame), err)
	}
	return nil
}

// smallPart is how much of a frame is a message that has to be small, and how many fields
// it has: what it becomes takes many times as much, before anything of it can be counted.
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

// fieldsOf returns how many fields are in the message that a field is.
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

// mayBeLarge are the numbers of AgentMessage's snapshot, delta, usage, batch, zstd and uids. A
// master's messages are small by their frame.
var mayBeLarge = map[protowire.Number]bool{3: true, 4: true, 5: true, batchNumber: true, zstdNumber: true, uidsNumber: true}

func helloFromPB(pb *wirepb.Hello) (*Hello, error) {
	nonce, err := nonceFromPB(pb.Nonce)
	if err != nil {
		return nil, fmt.Errorf("decode hello: %w", err)
	}
	return &Hello{ProtocolMin: pb.ProtocolMin, ProtocolMax: pb.ProtocolMax, Epoch: pb.Epoch, Nonce: nonce, Unbound: pb.Unbound}, nil
}

func grantedFromPB(pb *wirepb.Granted) (*Granted, error) {
	nonce, err := nonceFromPB(pb.Nonce)
	if err != nil {
		return nil, fmt.Errorf("decode granted: %w", err)
	}
	return &Granted{
		Session: pb.Session, Period: duration(pb.PeriodMs), Duration: duration(pb.DurationMs), Renewal: pb.Renewal,
		Nonce: nonce, Identity: identityFromPB(pb.Identity),
	}, nil
}

func renewFromPB(pb *wirepb.Renew) (*Renew, error) {
	signature, err := signatureFromPB(pb.Signature)
	if err != nil {
		return nil, fmt.Errorf("decode renew: %w", err)
	}
	return &Renew{Renewal: pb.Renewal, Duration: duration(pb.DurationMs), Signature: signature}, nil
}

// nonceFromPB returns nil for a nonce that is absent.
func nonceFromPB(nonce []byte) ([]byte, error) {
	switch {
	case len(nonce) == 0:
		return nil, nil
	case len(nonce) < minNonce || len(nonce) > maxNonce:
		return nil, fmt.Errorf("a nonce of %d bytes, not %d to %d", len(nonce), minNonce, maxNonce)
	}
	return nonce, nil
}

// signatureFromPB returns nil for a signature that is absent.
func signatureFromPB(signature []byte) ([]byte, error) {
	switch len(signature) {
	case 0:
		return nil, nil
	case signatureSize:
		return signature, nil
	}
	return nil, fmt.Errorf("a signature of %d bytes, not %d", len(signature), signatureSize)
}

func reportFromPB(pb *wirepb.Report) (*Report, error) {
	signature, err := signatureFromPB(pb.Signature)
	if err != nil {
		return nil, fmt.Errorf("decode report: %w", err)
	}
	m := &Report{
		Protocol: pb.Protocol, Session: cut(pb.Session, maxWords), Holder: cut(pb.Holder, maxWords),
		Period: duration(pb.PeriodMs), Duration: duration(pb.DurationMs), SummaryOnly: pb.SummaryOnly, Problems: pb.Problems, Resources: pb.Resources, Ignore: ignoreFromPB(pb.Ignore), Signature: signature,
	}
	if pb.Base != nil {
		m.Base = &Base{Epoch: pb.Base.Epoch, Seq: pb.Base.Seq, Usage: pb.Base.Usage}
	}
	return m, nil
}

// deltaFromPB leaves a Delta's objects to the Receiver: they take much more memory than
// their columns.
func deltaFromPB(pb *wirepb.Delta) (*Delta, error) {
	d := &Delta{From: pb.From, To: pb.To, came: pb}
	if _, err := d.need(); err != nil {
		return nil, fmt.Errorf("decode delta: %w", err)
	}
	return d, nil
}

// need is what the objects of a Delta that came take.
func (m *Delta) need() (need, error) {
	if m.came == nil {
		return need{}, nil
	}
	whole, err := countsOf(m.came.Upserts)
	if err != nil {
		return need{}, err
	}
	amended, err := countsOf(m.came.Amended)
	if err != nil {
		return need{}, err
	}
	keys := len(m.came.Removes.GetKind()) + len(m.came.Held.GetKind())
	if most := 2 * maxMessageObjects; keys > most {
		return need{}, fmt.Errorf("%d keys in one message, of at most %d", keys, most)
	}
	n, more := needOf(m.came.Upserts, whole), needOf(m.came.Amended, amended)
	// An object that is amended takes the place of one that is held.
	n.contents += more.contents
	n.passing += more.objects + more.passing + int64(keys)*(keySize+applySize)
	return n, nil
}

// decode makes objects of what came, once.
func (m *Delta) decode() error {
	pb := m.came
	if pb == nil {
		return nil
	}
	r := newObjectReader(pb.To)
	upserts, err := r.chunk(pb.Upserts)
	if err != nil {
		return fmt.Errorf("decode delta: %w", err)
	}
	m.Upserts, m.Removes = upserts, r.keys(pb.Removes)
	if m.amended, err = r.amendments(pb); err == nil {
		err = r.err
	}
	if err != nil {
		return fmt.Errorf("decode delta: %w", err)
	}
	m.came = nil
	return nil
}

func statusFromPB(pb *wirepb.Status) (*Status, error) {
	if pb.Section < 1 || pb.Section > wirepb.Section(state.NumSections) {
		return nil, fmt.Errorf("decode status: unknown section %d", pb.Section)
	}
	return &Status{
		Section: state.SectionName(pb.Section - 1), Age: ageFromPB(pb.Age),
		Error: state.SectionError{Reason: cut(pb.Reason, maxWords), Message: cut(pb.Message, maxWords)},
	}, nil
}

func bookmarkFromPB(pb *wirepb.Bookmark) *Bookmark {
	return &Bookmark{
		Seq: pb.Seq, Count: int(pb.Count), Hash: Hash(pb.Hash), Ages: agesFromPB(pb.Ages),
		Sent: time.Duration(min(pb.SentMs, uint64(longest.Milliseconds()))) * time.Millisecond,
	}
}

// longest is more than any duration of the protocol, and can be added to a time.
const longest = 100 * 365 * 24 * time.Hour

func duration(ms uint32) time.Duration { return time.Duration(ms) * time.Millisecond }

func ageFromPB(age uint64) time.Duration {
	if age == 0 {
		return -1
	}
	return time.Duration(min(age-1, uint64(longest.Milliseconds()))) * time.Millisecond
}

// agesFromPB has sections that a peer did not send as never observed.
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

// endReason has a newer peer's reason as none.
func endReason(pb wirepb.EndReason) EndReason {
	if pb < 0 || pb > wirepb.EndReason(EndUnauthorized) {
		return EndUnspecified
	}
	return EndReason(pb)
}

func ignoreFromPB(all []*wirepb.Ignore) []state.Ignore {
	var out []state.Ignore
	for _, i := range all[:min(len(all), MaxIgnore)] {
		out = append(out, state.Ignore{Namespace: i.Namespace, Owner: i.Owner, Node: i.Node, What: i.What, Until: state.Time(i.Until), Reason: i.Reason})
	}
	return out
}
