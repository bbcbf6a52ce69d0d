package wire

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// EncodeBatch combines frames into one Batch frame, which saves the websocket header, the checksum
// and the TLS record of each. A single frame is returned as it is. The result is nil if there are
// more than maxBatch frames or if they exceed MaxMessage.
func EncodeBatch(frames [][]byte) []byte {
	if len(frames) == 1 {
		return frames[0]
	}
	if len(frames) > maxBatch {
		return nil
	}
	encoded, err := proto.Marshal(&wirepb.AgentMessage{Message: &wirepb.AgentMessage_Batch{Batch: &wirepb.Batch{Frames: frames}}})
	if err != nil || len(encoded) > MaxMessage {
		return nil
	}
	return encoded
}

// DecodeBatch returns the frames of a Batch, or the frame itself if it is not a Batch. Decode and
// apply each frame before the next, so that memory is needed for one message at a time.
func DecodeBatch(frame []byte) ([][]byte, error) {
	if number, _, _ := protowire.ConsumeTag(frame); number != batchNumber {
		return [][]byte{frame}, nil
	}
	if len(frame) > MaxFrame {
		return nil, fmt.Errorf("decode Batch: %w: it has %d bytes, the limit is %d", ErrTooLarge, len(frame), MaxFrame)
	}
	_, _, n := protowire.ConsumeTag(frame)
	batch, size := protowire.ConsumeBytes(frame[n:])
	if size < 0 || n+size < len(frame) {
		return nil, errors.New("decode Batch: it is truncated or has trailing data")
	}
	return batchFrames(batch)
}

// batchFrames parses a Batch. It checks the number of frames before it allocates memory.
func batchFrames(batch []byte) (frames [][]byte, err error) {
	for len(batch) > 0 {
		number, kind, n := protowire.ConsumeField(batch)
		if n < 0 {
			return nil, fmt.Errorf("decode Batch: %w", protowire.ParseError(n))
		}
		if number == framesNumber && kind == protowire.BytesType {
			if len(frames) == maxBatch {
				return nil, fmt.Errorf("decode Batch: it has more than %d frames", maxBatch)
			}
			_, _, tag := protowire.ConsumeTag(batch)
			f, _ := protowire.ConsumeBytes(batch[tag:])
			frames = append(frames, f[:len(f):len(f)])
		}
		batch = batch[n:]
	}
	if len(frames) == 0 {
		return nil, errors.New("decode Batch: it has no frames")
	}
	return frames, nil
}

// framesNumber is the field number of Batch.frames.
const framesNumber = 1
