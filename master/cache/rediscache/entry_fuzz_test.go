package rediscache

import (
	"runtime"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
)

// FuzzEntry gives what Redis may hold, as it is and broken, to the reader: it must
// take it as a whole State or refuse it, in memory that is bounded.
func FuzzEntry(f *testing.F) {
	c := &Cache{codec: wire.NewCodec()}
	base, log, bookmark := stored(f, c.codec)
	f.Add(base, log, bookmark, "1", "10000")
	f.Add(base, []byte{}, bookmark, "1", "10000")
	f.Add([]byte{}, log, bookmark, "zz", "")
	status, err := c.codec.EncodeAgent(&wire.Status{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(base, log, status, "1", "10000")
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, []byte{0x80}, []byte{}, "1", "1")
	f.Fuzz(func(t *testing.T, base, log, bookmark []byte, epoch, ttl string) {
		found := found{left: time.Second, base: string(base), log: []logEntry{{"1-1", string(log)}}, head: head{
			"epoch": epoch, "term": "1", "base": "1", "bookmark": string(bookmark), "ttl": ttl, "life": ttl, "keep": "0", "demand": "0", "started": "0", "ends": "0",
		}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		e, err := c.reader("prod-eu").takeIn(found)
		runtime.ReadMemStats(&after)
		if err == nil && e.State == nil {
			t.Error("an Entry without a State was taken")
		}
		if took, size := after.TotalAlloc-before.TotalAlloc, len(base)+len(log)+len(bookmark); took > uint64(fixedMemory+memoryPerByte*size) {
			t.Errorf("%d bytes took %d bytes of memory", size, took)
		}
	})
}

// What reading may take in all: decoders and buffers, and what a byte becomes, which
// compression and columns multiply.
const (
	fixedMemory   = 64 << 20
	memoryPerByte = 4 << 10
)

// stored is what a cluster looks like in Redis: a base, one entry of the log, and the
// head's bookmark.
func stored(f testing.TB, codec *wire.Codec) (base, log, bookmark []byte) {
	w := statetest.New(1, 2, 10)
	w.Sample(1_800_000_000)
	first := w.State
	w.Step(3)
	w.Sample(1_800_000_015)
	now := time.Unix(1_800_000_020, 0)
	frames, err := codec.EncodeSnapshot(first, 1)
	if err != nil {
		f.Fatal(err)
	}
	whole, err := report{codec, first, wire.HashState(first), now}.whole(frames)
	if err != nil {
		f.Fatal(err)
	}
	latest := report{codec, w.State, wire.HashState(w.State), now}
	since, err := latest.since(first, state.Diff(first, w.State))
	if err != nil {
		f.Fatal(err)
	}
	bookmark, err = codec.EncodeAgent(latest.bookmark())
	if err != nil {
		f.Fatal(err)
	}
	return pack(whole), pack(since), bookmark
}
