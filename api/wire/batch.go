package wire

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// Join is one frame of several, which says the same: each frame costs its own header,
// seal and TLS record. It gives nil where they do not fit one.
func Join(frames [][]byte) []byte {
	if len(frames) == 1 {
		return frames[0]
	}
	if len(frames) > maxBatch {
		return nil
	}
	joined, err := proto.Marshal(&wirepb.AgentMessage{Message: &wirepb.AgentMessage_Batch{Batch: &wirepb.Batch{Frames: frames}}})
	if err != nil || len(joined) > MaxMessage {
		return nil
	}
	return joined
}

// Split are the frames that Join made one of; a frame that is none of these is alone.
// Each is to be decoded when the one before was taken in, so that all together need no
// more memory than one.
func Split(frame []byte) ([][]byte, error) {
	if number, _, _ := protowire.ConsumeTag(frame); number != batchNumber {
		return [][]byte{frame}, nil
	}
	if len(frame) > MaxFrame {
		return nil, fmt.Errorf("decode a batch: %w: %d bytes of at most %d", ErrTooLarge, len(frame), MaxFrame)
	}
	_, _, n := protowire.ConsumeTag(frame)
	batch, size := protowire.ConsumeBytes(frame[n:])
	if size < 0 || n+size < len(frame) {
		return nil, errors.New("decode a batch: it is cut short, or something is behind it")
	}
	return framesOf(batch)
}

// framesOf takes a Batch apart. It counts before it takes memory.
func framesOf(batch []byte) (frames [][]byte, err error) {
	for len(batch) > 0 {
		number, kind, n := protowire.ConsumeField(batch)
		if n < 0 {
			return nil, fmt.Errorf("decode a batch: %w", protowire.ParseError(n))
		}
		if number == framesNumber && kind == protowire.BytesType {
			if len(frames) == maxBatch {
				return nil, fmt.Errorf("decode a batch of more than %d frames", maxBatch)
			}
			_, _, tag := protowire.ConsumeTag(batch)
			f, _ := protowire.ConsumeBytes(batch[tag:])
			frames = append(frames, f[:len(f):len(f)])
		}
		batch = batch[n:]
	}
	if len(frames) == 0 {
		return nil, errors.New("decode a batch: it has no frames")
	}
	return frames, nil
}

// framesNumber is the number of Batch.frames.
const framesNumber = 1
