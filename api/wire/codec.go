package wire

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// Codec turns an agent's messages into frames and back. It is for any number of
// goroutines; a process needs one. What it needs of zstd it makes when it is needed,
// and forgets when it was not for a while: an agent that nobody asks has none.
//
// A master's messages are too small to be compressed: see EncodeMaster.
type Codec struct {
	encoders, decoders sync.Pool
}

// NewCodec is a Codec.
func NewCodec() *Codec {
	return &Codec{
		encoders: sync.Pool{New: func() any { return newEncoder() }},
		decoders: sync.Pool{New: func() any { return newDecoder() }},
	}
}

// newEncoder leaves integrity to the seal. It is the smallest encoder there is, 0.3 MiB:
// better ones gain some percent, and an agent would hold megabytes for them.
func newEncoder() *zstd.Encoder {
	encoder, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(chunkWindow), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
	if err != nil {
		panic(fmt.Sprintf("options of zstd that are constant: %v", err))
	}
	return encoder
}

func newDecoder() *zstd.Decoder {
	decoder, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxMessage), zstd.WithDecoderMaxWindow(MaxMessage))
	if err != nil {
		panic(fmt.Sprintf("options of zstd that are constant: %v", err))
	}
	return decoder
}

// EncodeAgent returns the frame of an agent's message, compressed if that makes it smaller.
// It fails with ErrTooLarge for a message of more than MaxMessage bytes, which only a Delta
// or a Usage can be: a Delta is then replaced by a snapshot.
func (c *Codec) EncodeAgent(m AgentMessage) ([]byte, error) {
	pb, err := m.toAgentPB()
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", m, err)
	}
	uids := detachUIDs(pb)
	plain, err := marshal(pb, MaxMessage-len(uids))
	if err != nil {
		return nil, err
	}
	if len(plain) >= compressFrom {
		encoder := c.encoders.Get().(*zstd.Encoder)
		packed := encoder.EncodeAll(plain, make([]byte, 0, len(plain)/2))
		c.encoders.Put(encoder)
		if len(packed) < len(plain) {
			pb = &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Zstd{Zstd: packed}}
		}
	}
	pb.Uids = uids
	return marshal(pb, MaxMessage)
}

// detachUIDs takes the UIDs out of a Snapshot and returns them.
func detachUIDs(pb *wirepb.AgentMessage) []byte {
	objects := pb.GetSnapshot().GetObjects()
	uids := objects.GetUids()
	if uids != nil {
		objects.Uids = nil
	}
	return uids
}

// attachUIDs puts the UIDs that came beside a Snapshot into it.
func attachUIDs(pb *wirepb.AgentMessage) {
	if objects := pb.GetSnapshot().GetObjects(); objects != nil && pb.Uids != nil {
		objects.Uids = pb.Uids
	}
}

// DecodeAgent reads one frame of an agent. A frame beyond MaxFrame, one that is more
// than MaxMessage when decompressed, or that is no message at all, is an error;
// fields that this code does not know are passed over.
func (c *Codec) DecodeAgent(frame []byte) (AgentMessage, error) {
	var pb wirepb.AgentMessage
	if err := unmarshal(frame, MaxFrame, &pb); err != nil {
		return nil, err
	}
	packed, ok := pb.Message.(*wirepb.AgentMessage_Zstd)
	if !ok {
		attachUIDs(&pb)
		return agentFromPB(&pb, len(frame))
	}
	uids := pb.Uids
	plain, err := c.decompress(packed.Zstd)
	if err != nil {
		return nil, fmt.Errorf("decode frame of %d bytes: %w", len(frame), err)
	}
	pb.Reset()
	if err := unmarshal(plain, MaxMessage, &pb); err != nil {
		return nil, err
	}
	pb.Uids = uids
	attachUIDs(&pb)
	return agentFromPB(&pb, len(plain))
}

func (c *Codec) decompress(packed []byte) ([]byte, error) {
	decoder := c.decoders.Get().(*zstd.Decoder)
	defer c.decoders.Put(decoder)
	plain, err := decoder.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	if size := contentSize(packed); len(plain) > size {
		return nil, fmt.Errorf("decompress: it is %d bytes and says that it is %d", len(plain), size)
	}
	return plain, nil
}

// contentSize returns how large a Zstandard frame says that its content is, MaxMessage
// where it does not say so.
func contentSize(packed []byte) int {
	var h zstd.Header
	if err := h.Decode(packed); err != nil || !h.HasFCS || h.Skippable {
		return MaxMessage
	}
	return int(min(h.FrameContentSize, MaxMessage))
}

// DecodeSize returns how much memory a frame of an agent and what it is decoded to take
// at most, in bytes, up to when a Receiver makes objects of it.
func DecodeSize(frame []byte) int64 {
	plain := len(frame)
	for rest := frame; len(rest) > 0; {
		number, kind, n := protowire.ConsumeField(rest)
		if n < 0 {
			break
		}
		if number == zstdNumber && kind == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(rest)
			packed, _ := protowire.ConsumeBytes(rest[tag:])
			plain = max(plain, contentSize(packed))
		}
		rest = rest[n:]
	}
	return min(decodeFactor*int64(plain)+2*int64(len(frame)), MaxDecodeSize)
}
