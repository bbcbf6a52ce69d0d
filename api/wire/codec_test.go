package wire

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/columnar"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

func TestSmallMessagesAreNotCompressed(t *testing.T) {
	frame, err := codec.EncodeAgent(&End{Message: strings.Repeat("a", 200)})
	if err != nil || !bytes.Contains(frame, []byte("aaaa")) {
		t.Errorf("a message of 200 bytes became %d, %v", len(frame), err)
	}
	frame, err = codec.EncodeAgent(&End{Message: strings.Repeat("a", 900)})
	if err != nil || len(frame) > 100 {
		t.Errorf("a message of 900 equal bytes became %d, %v", len(frame), err)
	}
}

// compressed returns a frame with a compressed message of any size.
func compressed(t *testing.T, message []byte) []byte {
	t.Helper()
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	frame, err := proto.Marshal(&wirepb.AgentMessage{Message: &wirepb.AgentMessage_Zstd{Zstd: encoder.EncodeAll(message, nil)}})
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

func TestDecompressionBombIsRejectedBeforeAllocation(t *testing.T) {
	bomb := compressed(t, make([]byte, 256<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := codec.DecodeAgent(bomb)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, zstd.ErrDecoderSizeExceeded) && !errors.Is(err, zstd.ErrWindowSizeExceeded) {
		t.Errorf("got %v, want an error about the size", err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 4*MaxMessage {
		t.Errorf("decoding allocated %d bytes", took)
	}
}

func TestNestedFrameIsRejected(t *testing.T) {
	inner := compressed(t, bytes.Repeat([]byte{0}, 10))
	if m, err := codec.DecodeAgent(compressed(t, inner)); err == nil {
		t.Errorf("got %T, want an error", m)
	}
}

// decodeFully decodes a frame including the objects of a Delta.
func decodeFully(frame []byte) (AgentMessage, error) {
	m, err := codec.DecodeAgent(frame)
	if d, ok := m.(*Delta); ok && err == nil {
		err = d.decode()
	}
	return m, err
}

func TestClaimedCountsAllocateNoMemory(t *testing.T) {
	delta := func(o *wirepb.Objects) *wirepb.AgentMessage {
		return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Delta{Delta: &wirepb.Delta{To: 1, Upserts: o}}}
	}
	for name, m := range map[string]*wirepb.AgentMessage{
		"objects":     delta(&wirepb.Objects{Pods: &wirepb.Pods{Back: make([]int64, columnar.MaxObjects+1)}}),
		"removes":     {Message: &wirepb.AgentMessage_Delta{Delta: &wirepb.Delta{To: 1, Removes: &wirepb.Keys{Kind: make([]int64, columnar.MaxObjects+1)}}}},
		"a list":      delta(&wirepb.Objects{Pods: &wirepb.Pods{Back: []int64{0}, PodIps: []int64{1 << 40}}}),
		"two for one": delta(&wirepb.Objects{Containers: &wirepb.Containers{Back: []int64{0}, Last: []int64{2}, LastReason: []int64{0, 0}}}),
		"own targets": delta(&wirepb.Objects{Ports: &wirepb.Ports{Back: []int64{0}, OwnTarget: []int64{1}}}),
		"a string":    delta(&wirepb.Objects{Pods: &wirepb.Pods{Back: []int64{0}, Name: []int64{1}}}),
		"an address":  delta(&wirepb.Objects{Ports: &wirepb.Ports{Back: []int64{0}, Address: []int64{1<<40 | 1}}}),
		"a slot":      delta(&wirepb.Objects{Nodes: &wirepb.Nodes{Back: []int64{0}, Slot: []int64{MaxSlots}}}),
	} {
		frame, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := decodeFully(frame); err == nil {
			t.Errorf("%s: got %+v, want an error", name, m)
		}
	}
	for name, m := range map[string]*wirepb.AgentMessage{
		"elements": delta(&wirepb.Objects{Nodes: &wirepb.Nodes{Back: []int64{0}, Conditions: []int64{columnar.MaxElements + 1}, ConditionsType: make([]int64, columnar.MaxElements+1)}}),
		"problems": {Message: &wirepb.AgentMessage_Summary{Summary: &wirepb.Summary{Problems: slices.Repeat([]*wirepb.Problem{{}}, maxSmall/2)}}},
	} {
		plain, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := decodeFully(compressed(t, plain)); err == nil {
			t.Errorf("%s: got %T, want an error", name, m)
		}
	}
	u := &Usage{N: 2, columns: &wirepb.Usage{N: 2, Slots: MaxSlots}}
	if next, err := u.apply(&state.Usage{N: 1, BySlot: make([]state.Used, 3)}); err != nil || len(next.BySlot) != 0 {
		t.Errorf("a claim of %d slots gave %d, %v", MaxSlots, len(next.BySlot), err)
	}
}

func TestBatchRoundTrip(t *testing.T) {
	frames := [][]byte{[]byte("one"), []byte("two"), bytes.Repeat([]byte("three"), 1000)}
	batch := EncodeBatch(frames)
	back, err := DecodeBatch(batch)
	if err != nil || !slices.EqualFunc(back, frames, bytes.Equal) {
		t.Errorf("got %d frames, %v, want 3", len(back), err)
	}
	if m, err := codec.DecodeAgent(batch); err == nil {
		t.Errorf("a batch was decoded as a %T", m)
	}
	alone, err := codec.EncodeAgent(&SubscribeResponse{Session: "s"})
	if err != nil {
		t.Fatal(err)
	}
	if same := EncodeBatch([][]byte{alone}); !bytes.Equal(same, alone) {
		t.Error("a single frame was changed")
	}
	if back, err := DecodeBatch(alone); err != nil || len(back) != 1 || !bytes.Equal(back[0], alone) {
		t.Errorf("got %d frames, %v, want the single frame unchanged", len(back), err)
	}
}

func TestEncodeBatchRefusesTooManyOrTooLargeFrames(t *testing.T) {
	if EncodeBatch(make([][]byte, maxBatch+1)) != nil || EncodeBatch([][]byte{make([]byte, MaxMessage), nil}) != nil {
		t.Error("got a batch, want nil")
	}
	many, err := proto.Marshal(&wirepb.AgentMessage{Message: &wirepb.AgentMessage_Batch{Batch: &wirepb.Batch{Frames: make([][]byte, maxBatch+1)}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{many, {batchNumber<<3 | 2}, {batchNumber<<3 | 2, 0}} {
		if frames, err := DecodeBatch(bad); err == nil {
			t.Errorf("got %d frames, want an error", len(frames))
		}
	}
}

func TestTooLongStringsAreRejected(t *testing.T) {
	objects := func(text string) *wirepb.AgentMessage {
		return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Snapshot{Snapshot: &wirepb.Snapshot{
			Id: 1, Last: true, Objects: &wirepb.Objects{Strings: []string{text}, NodeLoads: &wirepb.NodeLoads{Back: []int64{0}, Node: []int64{1}}},
		}}}
	}
	for length, accepted := range map[int]bool{columnar.MaxString: true, columnar.MaxString + 1: false, MaxMessage / 2: false} {
		plain, err := proto.Marshal(objects(strings.Repeat("a", length)))
		if err != nil {
			t.Fatal(err)
		}
		m, err := codec.DecodeAgent(compressed(t, plain))
		if err == nil {
			_, err = NewReceiver(1, nil).Receive(m, time.Time{})
		}
		if (err == nil) != accepted {
			t.Errorf("a string of %d bytes: %v, want accepted %v", length, err, accepted)
		}
	}
}

func TestAgentTextIsSanitized(t *testing.T) {
	m := &wirepb.AgentMessage{Message: &wirepb.AgentMessage_End{End: &wirepb.End{Message: "\x1b[2Jgone\u202e"}}}
	plain, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := codec.DecodeAgent(compressed(t, plain))
	if end, ok := got.(*End); err != nil || !ok || end.Message != "\ufffd[2Jgone\ufffd" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDecodedTextsAreTruncated(t *testing.T) {
	long := strings.Repeat("x", maxText+1)
	encode := func(m proto.Message) []byte {
		plain, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return plain
	}
	response, err := codec.DecodeAgent(compressed(t, encode(&wirepb.AgentMessage{
		Message: &wirepb.AgentMessage_SubscribeResponse{SubscribeResponse: &wirepb.SubscribeResponse{Session: long}},
	})))
	if err != nil {
		t.Fatal(err)
	}
	ignore := &wirepb.Ignore{Namespace: long, Owner: long, Node: long, What: long, Reason: long}
	request, err := DecodeMaster(encode(&wirepb.MasterMessage{Message: &wirepb.MasterMessage_SubscribeRequest{SubscribeRequest: &wirepb.SubscribeRequest{
		Session: long, MasterId: long, Ignore: []*wirepb.Ignore{ignore},
	}}}))
	if err != nil {
		t.Fatal(err)
	}
	r := request.(*SubscribeRequest)
	for name, text := range map[string]string{
		"the session of a response": response.(*SubscribeResponse).Session, "the session of a request": r.Session, "the ID of a master": r.MasterID,
		"a namespace": r.Ignore[0].Namespace, "an owner": r.Ignore[0].Owner, "a node": r.Ignore[0].Node, "what": r.Ignore[0].What, "a reason": r.Ignore[0].Reason,
	} {
		if len(text) > maxText {
			t.Errorf("%s: got %d bytes, want at most %d", name, len(text), maxText)
		}
	}
}
