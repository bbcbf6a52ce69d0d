package wire

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// Codec encodes an agent's messages as frames and decodes them. It is safe for concurrent use;
// one per process is enough. Its zstd encoders and decoders are pooled: they are created on
// demand and released by the garbage collector, so an idle agent has none.
//
// A master's messages are too small to be compressed: see EncodeMaster.
type Codec struct {
	encoders, decoders sync.Pool
}

// NewCodec returns a Codec.
func NewCodec() *Codec {
	return &Codec{
		encoders: sync.Pool{New: func() any { return newZstdEncoder() }},
		decoders: sync.Pool{New: func() any { return newZstdDecoder() }},
	}
}

// newZstdEncoder returns the zstd encoder with the smallest memory, 0.3 MiB. Better levels save some
// percent of bytes and cost megabytes. It writes no checksum of its own, as each message has one
// (Checksum).
func newZstdEncoder() *zstd.Encoder {
	encoder, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(chunkWindow), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
	if err != nil {
		panic(fmt.Sprintf("invalid zstd options: %v", err))
	}
	return encoder
}

func newZstdDecoder() *zstd.Decoder {
	decoder, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxMessage), zstd.WithDecoderMaxWindow(MaxMessage))
	if err != nil {
		panic(fmt.Sprintf("invalid zstd options: %v", err))
	}
	return decoder
}

// EncodeAgent returns the frame of an agent's message, compressed if that makes it smaller. The
// error wraps ErrTooLarge if the message exceeds MaxMessage. Only a Delta or a Usage can be that
// large; the caller then sends a Snapshot instead of the Delta.
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

// detachUIDs removes the UIDs from a Snapshot and returns them.
func detachUIDs(pb *wirepb.AgentMessage) []byte {
	objects := pb.GetSnapshot().GetObjects()
	uids := objects.GetUids()
	if uids != nil {
		objects.Uids = nil
	}
	return uids
}

// attachUIDs puts the UIDs that were sent next to a Snapshot back into it.
func attachUIDs(pb *wirepb.AgentMessage) {
	if objects := pb.GetSnapshot().GetObjects(); objects != nil && pb.Uids != nil {
		objects.Uids = pb.Uids
	}
}

// DecodeAgent decodes one frame of an agent. It returns an error if the frame exceeds MaxFrame, if
// its decompressed content exceeds MaxMessage, or if it is not a message. Unknown fields are
// ignored.
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
		return nil, fmt.Errorf("decompress: got %d bytes, the frame declares %d", len(plain), size)
	}
	return plain, nil
}

// contentSize returns the content size that a Zstandard frame declares, at most MaxMessage, or
// MaxMessage if it declares none.
func contentSize(packed []byte) int {
	var h zstd.Header
	if err := h.Decode(packed); err != nil || !h.HasFCS || h.Skippable {
		return MaxMessage
	}
	return int(min(h.FrameContentSize, MaxMessage))
}

// DecodeSize returns an upper bound of the memory for a frame of an agent and its decoded message,
// in bytes, not counting the objects that a Receiver creates from it.
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
