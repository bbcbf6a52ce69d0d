package wire

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// EncodeMaster is the frame of a master's message.
func EncodeMaster(m MasterMessage) ([]byte, error) { return marshal(m.toMasterPB(), MaxMasterFrame) }

func marshal(pb proto.Message, limit int) ([]byte, error) {
	frame, err := proto.Marshal(pb)
	if err != nil {
		return nil, fmt.Errorf("encode frame: %w", err)
	}
	if len(frame) > limit {
		return nil, fmt.Errorf("%w: %d bytes of at most %d", ErrTooLarge, len(frame), limit)
	}
	return frame, nil
}

func (m *Hello) toAgentPB() (*wirepb.AgentMessage, error) {
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Hello{Hello: &wirepb.Hello{
		ProtocolMin: m.ProtocolMin, ProtocolMax: m.ProtocolMax, Epoch: m.Epoch, Nonce: m.Nonce, Unbound: m.Unbound,
	}}}, nil
}

func (m *Granted) toAgentPB() (*wirepb.AgentMessage, error) {
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Granted{Granted: &wirepb.Granted{
		Session: m.Session, PeriodMs: millis(m.Period), DurationMs: millis(m.Duration), Renewal: m.Renewal,
		Nonce: m.Nonce, Identity: identityToPB(m.Identity),
	}}}, nil
}

func (m *Snapshot) toAgentPB() (*wirepb.AgentMessage, error) {
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Snapshot{Snapshot: &wirepb.Snapshot{
		Id: m.ID, Chunk: m.Chunk, Last: m.Last, Seq: m.Seq, Objects: m.objects,
	}}}, nil
}

func (m *Delta) toAgentPB() (*wirepb.AgentMessage, error) {
	if m.came != nil {
		return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Delta{Delta: m.came}}, nil
	}
	w, delta := newObjectWriter(m.To, entryTimes(m.Upserts)), &wirepb.Delta{From: m.From, To: m.To}
	whole, changes := m.split()
	for _, e := range whole {
		w.entry(e)
	}
	delta.Removes = w.keys(m.Removes)
	var err error
	if len(whole)+len(m.Removes) > 0 {
		delta.Upserts, err = w.finish()
	}
	if err == nil && len(changes) > 0 {
		delta.Held, delta.Amended, err = w.amendments(changes)
	}
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
		Reason: m.Error.Reason, Message: cut(m.Error.Message, maxWords),
	}
}

func (m *Bookmark) toAgentPB() (*wirepb.AgentMessage, error) {
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Bookmark{Bookmark: &wirepb.Bookmark{
		Seq: m.Seq, Count: uint32(m.Count), Hash: uint64(m.Hash), Ages: agesToPB(m.Ages), SentMs: uint64(m.Sent.Milliseconds()),
	}}}, nil
}

func (m *End) toAgentPB() (*wirepb.AgentMessage, error) {
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_End{End: &wirepb.End{Reason: wirepb.EndReason(m.Reason), Message: cut(m.Message, maxWords)}}}, nil
}

func (m *Unsupported) toAgentPB() (*wirepb.AgentMessage, error) {
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Unsupported{Unsupported: &wirepb.Unsupported{
		ProtocolMin: m.ProtocolMin, ProtocolMax: m.ProtocolMax, Message: cut(m.Message, maxWords),
	}}}, nil
}

func (m *Report) toMasterPB() *wirepb.MasterMessage {
	pb := &wirepb.Report{
		Session: m.Session, Holder: m.Holder, PeriodMs: millis(m.Period), DurationMs: millis(m.Duration),
		SummaryOnly: m.SummaryOnly, Protocol: m.Protocol, Problems: m.Problems, Resources: m.Resources, Ignore: ignoreToPB(m.Ignore),
		Signature: m.Signature,
	}
	if m.Base != nil {
		pb.Base = &wirepb.Base{Epoch: m.Base.Epoch, Seq: m.Base.Seq, Usage: m.Base.Usage}
	}
	return &wirepb.MasterMessage{Message: &wirepb.MasterMessage_Report{Report: pb}}
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
	return &wirepb.MasterMessage{Message: &wirepb.MasterMessage_Stop{Stop: &wirepb.Stop{Message: cut(m.Message, maxWords)}}}
}

// EncodeSnapshot is a whole state as the frames of one snapshot, in order.
func (c *Codec) EncodeSnapshot(s *state.State, id uint64) (frames [][]byte, err error) {
	err = c.EachOfSnapshot(s, id, func(frame []byte) { frames = append(frames, frame) })
	return frames, err
}

// EachOfSnapshot gives the frames of EncodeSnapshot to yield, each as soon as it is made.
func (c *Codec) EachOfSnapshot(s *state.State, id uint64, yield func(frame []byte)) error {
	var chunk uint32
	w := newObjectWriter(s.Seq, stateTimes(s))
	flush := func(last bool) error {
		objects, err := w.finish()
		if err != nil {
			return err
		}
		frame, err := c.EncodeAgent(&Snapshot{ID: id, Chunk: chunk, Last: last, Seq: s.Seq, objects: objects})
		if err != nil {
			return err
		}
		yield(frame)
		chunk++
		w.nextChunk()
		return nil
	}
	for kind := range state.NumKinds {
		left := s.Len(kind)
		w.expect(kind, left)
		for e := range s.Entries(kind) {
			if w.full() {
				if err := flush(false); err != nil {
					return err
				}
				w.expect(kind, left)
			}
			w.entry(e)
			left--
		}
	}
	return flush(true)
}

func millis(d time.Duration) uint32 { return uint32(min(max(d.Milliseconds(), 0), 1<<32-1)) }

// ageToPB is 0 for never, else one more than the milliseconds.
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
			Namespace: cut(i.Namespace, maxWords), Owner: cut(i.Owner, maxWords), Node: cut(i.Node, maxWords), What: cut(i.What, maxWords),
			Until: int64(i.Until), Reason: cut(i.Reason, maxWords),
		})
	}
	return out
}
