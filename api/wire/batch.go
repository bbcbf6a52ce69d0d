package wire

import (
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
	var pb wirepb.AgentMessage
	if err := unmarshal(frame, MaxFrame, &pb); err != nil {
		return nil, err
	}
	frames := pb.GetBatch().GetFrames()
	if len(frames) == 0 || len(frames) > maxBatch {
		return nil, fmt.Errorf("decode a batch of %d frames, of at most %d", len(frames), maxBatch)
	}
	return frames, nil
}
