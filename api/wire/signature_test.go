package wire

import (
	"reflect"
	"testing"
)

// TestHelloOfProtocol2IsDecoded: what else it had before protocol 3 is passed over.
func TestHelloOfProtocol2IsDecoded(t *testing.T) {
	old := []byte{0x0a, 0x20, 0x08, 2, 0x10, 2, 0x1a, 2, 'v', '1', 0x22, 1, 'c', 0x2a, 1, 'u', 0x32, 2, 'v', '1', 0x39, 1, 0, 0, 0, 0, 0, 0, 0, 0x40, 9}
	old[1] = byte(len(old) - 2)
	m, err := codec.DecodeAgent(old)
	if want := (&Hello{ProtocolMin: 2, ProtocolMax: 2, Epoch: 1}); err != nil || !reflect.DeepEqual(m, want) {
		t.Errorf("got %+v, %v; want %+v", m, err, want)
	}
}

// TestNonceAndSignatureSizesAreChecked is of peers that send none of the size that they have.
func TestNonceAndSignatureSizesAreChecked(t *testing.T) {
	for _, size := range []int{1, 15, 65, 4 << 10, 60 << 10} {
		for _, m := range []AgentMessage{&Hello{Nonce: make([]byte, size)}, &SubscribeResponse{Nonce: make([]byte, size)}} {
			frame, err := codec.EncodeAgent(m)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := codec.DecodeAgent(frame); err == nil {
				t.Errorf("a nonce of %d bytes is decoded: %T", size, got)
			}
		}
	}
	for _, size := range []int{1, 63, 65, 60 << 10} {
		for _, m := range []MasterMessage{&SubscribeRequest{Signature: make([]byte, size)}, &Renew{Signature: make([]byte, size)}} {
			frame, err := EncodeMaster(m)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := DecodeMaster(frame); err == nil {
				t.Errorf("a signature of %d bytes is decoded: %T", size, got)
			}
		}
	}
}
