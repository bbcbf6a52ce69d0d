package wire

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/columnar"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// EncodeMaster returns the frame of a master's message.
func EncodeMaster(m MasterMessage) ([]byte, error) { return marshal(m.toMasterPB(), MaxMasterFrame) }

func marshal(pb proto.Message, limit int) ([]byte, error) {
	frame, err := proto.Marshal(pb)
	if err != nil {
		return nil, fmt.Errorf("encode frame: %w", err)
	}
	if len(frame) > limit {
		return nil, fmt.Errorf("%w: it has %d bytes, the limit is %d", ErrTooLarge, len(frame), limit)
	}
	return frame, nil
}

func (m *Hello) toAgentPB() (*wirepb.AgentMessage, error) {
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Hello{Hello: &wirepb.Hello{
		ProtocolMin: m.ProtocolMin, ProtocolMax: m.ProtocolMax, Epoch: m.Epoch, Nonce: m.Nonce, Unbound: m.Unbound,
	}}}, nil
}

func (m *SubscribeResponse) toAgentPB() (*wirepb.AgentMessage, error) {
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_SubscribeResponse{SubscribeResponse: &wirepb.SubscribeResponse{
		Session: m.Session, PeriodMs: millis(m.Period), DurationMs: millis(m.Duration), Renewal: m.Renewal,
		Nonce: m.Nonce, Identity: identityToPB(m.Identity), Term: m.Term,
	}}}, nil
}

func (m *Snapshot) toAgentPB() (*wirepb.AgentMessage, error) {
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Snapshot{Snapshot: &wirepb.Snapshot{
		Id: m.ID, Chunk: m.Chunk, Last: m.Last, Seq: m.Seq, Objects: m.objects,
	}}}, nil
}

func (m *Delta) toAgentPB() (*wirepb.AgentMessage, error) {
	if m.encoded != nil {
		return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Delta{Delta: m.encoded}}, nil
	}
	delta, err := columnar.EncodeDelta(m.Base, m.From, m.To, m.Upserts, m.Removes)
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Delta{Delta: delta}}, err
}

func (m *Usage) toAgentPB() (*wirepb.AgentMessage, error) {
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Usage{Usage: m.columns}}, nil
}

func (m *Status) toAgentPB() (*wirepb.AgentMessage, error) {
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Status{Status: statusPB(m)}}, nil
}

func statusPB(m *Status) *wirepb.Status {
	return &wirepb.Status{
		Section: wirepb.Section(m.Section) + 1, Age: ageToPB(m.Age),
		Reason: m.Error.Reason, Message: state.TruncateText(m.Error.Message, maxText),
	}
}

func (m *Bookmark) toAgentPB() (*wirepb.AgentMessage, error) {
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Bookmark{Bookmark: &wirepb.Bookmark{
		Seq: m.Seq, Count: uint32(m.Count), Hash: uint64(m.Hash), Ages: agesToPB(m.Ages), SentMs: uint64(m.Sent.Milliseconds()),
	}}}, nil
}

func (m *End) toAgentPB() (*wirepb.AgentMessage, error) {
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_End{End: &wirepb.End{Reason: wirepb.EndReason(m.Reason), Message: state.TruncateText(m.Message, maxText)}}}, nil
}

func (m *Unsupported) toAgentPB() (*wirepb.AgentMessage, error) {
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Unsupported{Unsupported: &wirepb.Unsupported{
		ProtocolMin: m.ProtocolMin, ProtocolMax: m.ProtocolMax, Message: state.TruncateText(m.Message, maxText),
	}}}, nil
}

func (m *SubscribeRequest) toMasterPB() *wirepb.MasterMessage {
	pb := &wirepb.SubscribeRequest{
		Session: m.Session, MasterId: m.MasterID, PeriodMs: millis(m.Period), DurationMs: millis(m.Duration),
		SummaryOnly: m.SummaryOnly, Protocol: m.Protocol, ProblemsHash: m.ProblemsHash, ResourcesHash: m.ResourcesHash, Ignore: ignoreToPB(m.Ignore),
		Signature: m.Signature, Owner: m.Owner, Term: m.Term,
	}
	if m.Base != nil {
		pb.Base = &wirepb.Base{Epoch: m.Base.Epoch, Seq: m.Base.Seq, Usage: m.Base.Usage}
	}
	return &wirepb.MasterMessage{Message: &wirepb.MasterMessage_SubscribeRequest{SubscribeRequest: pb}}
}

func (m *Ack) toMasterPB() *wirepb.MasterMessage {
	return &wirepb.MasterMessage{Message: &wirepb.MasterMessage_Ack{Ack: &wirepb.Ack{Seq: m.Seq}}}
}

func (m *Renew) toMasterPB() *wirepb.MasterMessage {
	return &wirepb.MasterMessage{Message: &wirepb.MasterMessage_Renew{Renew: &wirepb.Renew{
		Renewal: m.Renewal, DurationMs: millis(m.Duration), Signature: m.Signature,
	}}}
}

func (m *Stop) toMasterPB() *wirepb.MasterMessage {
	return &wirepb.MasterMessage{Message: &wirepb.MasterMessage_Stop{Stop: &wirepb.Stop{Message: state.TruncateText(m.Message, maxText)}}}
}

// EncodeSnapshot returns the frames of a snapshot of s, in order.
func (c *Codec) EncodeSnapshot(s *state.State, id uint64) (frames [][]byte, err error) {
	err = c.EncodeSnapshotFunc(s, id, func(frame []byte) { frames = append(frames, frame) })
	return frames, err
}

// EncodeSnapshotFunc calls yield with each frame of a snapshot of s as soon as it is encoded.
func (c *Codec) EncodeSnapshotFunc(s *state.State, id uint64, yield func(frame []byte)) error {
	var chunk uint32
	return columnar.EncodeSnapshot(s, func(objects *wirepb.Objects, last bool) error {
		frame, err := c.EncodeAgent(&Snapshot{ID: id, Chunk: chunk, Last: last, Seq: s.Seq, objects: objects})
		if err != nil {
			return err
		}
		yield(frame)
		chunk++
		return nil
	})
}

func millis(d time.Duration) uint32 { return uint32(min(max(d.Milliseconds(), 0), 1<<32-1)) }

// ageToPB returns 0 for a negative age (never), else one plus the milliseconds.
func ageToPB(age time.Duration) uint64 {
	if age < 0 {
		return 0
	}
	return uint64(age.Milliseconds()) + 1
}

func agesToPB(ages [state.NumSections]time.Duration) []uint64 {
	pb := make([]uint64, len(ages))
	for i, age := range ages {
		pb[i] = ageToPB(age)
	}
	return pb
}

func ignoreToPB(all []state.Ignore) []*wirepb.Ignore {
	var out []*wirepb.Ignore
	for _, i := range all[:min(len(all), MaxIgnore)] {
		out = append(out, &wirepb.Ignore{
			Namespace: state.TruncateText(i.Namespace, maxText), Owner: state.TruncateText(i.Owner, maxText), Node: state.TruncateText(i.Node, maxText), What: state.TruncateText(i.What, maxText),
			Until: int64(i.Until), Reason: state.TruncateText(i.Reason, maxText),
		})
	}
	return out
}
