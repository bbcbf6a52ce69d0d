package columnar

import (
	"bytes"
	"encoding/gob"
	"testing"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// TestSnapshotIsSmallerThanGob compares with the simplest alternative: one gob stream per kind,
// compressed by the same zstd.
func TestSnapshotIsSmallerThanGob(t *testing.T) {
	compressor, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*state.State{"25 nodes": statetest.New(1, 25, 5000).State, "500 nodes": statetest.New(2, 500, 5000).State} {
		var columns, gobs int
		err := EncodeSnapshot(s, func(chunk *wirepb.Objects, _ bool) error {
			uids := chunk.Uids
			chunk.Uids = nil // sent uncompressed
			plain, err := proto.Marshal(chunk)
			columns += len(uids) + len(compressor.EncodeAll(plain, nil))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for kind := range state.NumKinds {
			var plain bytes.Buffer
			out := gob.NewEncoder(&plain)
			for e := range s.Entries(kind) {
				if err := out.Encode(e.Object); err != nil {
					t.Fatal(err)
				}
			}
			gobs += len(compressor.EncodeAll(plain.Bytes(), nil))
		}
		ratio := float64(gobs) / float64(columns)
		t.Logf("%s: %d bytes in columns; gob takes %.2f times as many", name, columns, ratio)
		if ratio < 1.3 {
			t.Errorf("%s: gob takes %.2f times the bytes, want at least 1.3 times", name, ratio)
		}
	}
}
