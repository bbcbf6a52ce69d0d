package rediscache

import (
	"crypto/ed25519"
	"errors"
	"runtime"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/report"
)

// FuzzEntry gives valid and corrupted contents of Redis to a reader without a signing key, for which
// anyone can compute the MACs. The reader has to return a complete State or refuse the entry, and
// its memory is limited.
func FuzzEntry(f *testing.F) {
	c := offline(f, nil)
	base, log, bookmark := storedFrames(f, c.codec)
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
		now := time.Now()
		reply := signedReply(c.keys.signing, base, log, now)
		reply.head["epoch"], reply.head["ttl"], reply.head["bookmark"] = epoch, ttl, string(bookmark)
		reply.head.sign(c.keys.signing, "prod-eu")
		before := allocated()
		l, err := c.apply("prod-eu", reply, now, time.Minute)
		if err == nil && (!l.report.HasState() || l.report.ReceivedAt.After(now) || l.report.ExpiresAt.After(now.Add(time.Minute))) {
			t.Errorf("got an entry received at %s that expires at %s", l.report.ReceivedAt, l.report.ExpiresAt)
		}
		if used, size := allocated()-before, len(base)+len(log)+len(bookmark); used > uint64(fixedMemory+memoryPerByte*size) {
			t.Errorf("got %d bytes of input that used %d bytes of memory, want less", size, used)
		}
	})
}

// FuzzLoad gives corrupted contents of Redis to a reader with a signing key. The reader has to refuse
// everything except for what was saved.
func FuzzLoad(f *testing.F) {
	c := offline(f, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	base, log, bookmark := storedFrames(f, c.codec)
	now := time.UnixMilli(1_800_000_020_000)
	want := signedReply(c.keys.signing, base, log, now)
	want.head["bookmark"] = string(bookmark)
	want.head.sign(c.keys.signing, "prod-eu")
	h := want.head
	f.Add("prod-eu", want.base, want.log[0], h["mac"], h["key"], h["seq"], h["received"], h["ttl"], h["chain"], h["bookmark"], int64(10_000))
	f.Add("prod-us", want.base, want.log[0], h["mac"], h["key"], h["seq"], h["received"], h["ttl"], h["chain"], h["bookmark"], int64(3_600_000))
	f.Add("prod-eu", want.log[0], want.base, h["mac"], wellKnownKeyID, h["seq"], "1e9", "3600000", h["base"], "", int64(-1))
	f.Add("", []byte{}, []byte{1}, "", "", "-1", "9223372036854775807", "9223372036854775807", "", "", int64(1)<<62)
	f.Fuzz(func(t *testing.T, cluster string, base, log []byte, mac, key, seq, received, ttl, chain, bookmark string, left int64) {
		got := loadReply{head: head{}, left: time.Duration(left) * time.Millisecond, base: base, log: [][]byte{log}}
		for field, value := range h {
			got.head[field] = value
		}
		got.head["mac"], got.head["key"], got.head["seq"], got.head["received"], got.head["ttl"], got.head["chain"], got.head["bookmark"] = mac, key, seq, received, ttl, chain, bookmark
		same := cluster == "prod-eu" && string(base) == string(want.base) && string(log) == string(want.log[0])
		for field, value := range h {
			same = same && got.head[field] == value
		}
		c.rollback = rollbackGuard{}
		l, err := c.apply(cluster, got, now, time.Minute)
		switch {
		case err == nil && !same:
			t.Errorf("got entry %+v, want only the saved one", l.report)
		case err == nil && (l.report.ReceivedAt.After(now) || l.report.ExpiresAt.After(now.Add(10*time.Second))):
			t.Errorf("got an entry received at %s that expires at %s, want times that are possible at %s", l.report.ReceivedAt, l.report.ExpiresAt, now)
		case err != nil && same && left > 0 && left < 1<<40:
			t.Errorf("got error %v, want the saved entry", err)
		case err != nil && !errors.Is(err, cache.ErrMiss):
			t.Errorf("got %v, want a miss", err)
		}
	})
}

// offline returns a Cache without a connection, for applying replies.
func offline(t testing.TB, signing ed25519.PrivateKey) *Cache {
	keys, err := newKeyring(signing, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Cache{codec: wire.NewCodec(), keys: keys}
}

// signedReply returns the reply of the load script for prod-eu with a base and one entry of the log
// with these frames. The head has no bookmark and no MAC.
func signedReply(k macKey, base, log []byte, now time.Time) loadReply {
	record := func(previous []byte, from, to uint64, frames []byte) ([]byte, []byte) {
		r := append(make([]byte, recordPrefixLen), frames...)
		return r, k.signRecord("prod-eu", previous, recordNumbers{term: 1, epoch: 1, from: from, to: to, ttl: 10 * time.Second, received: now}, r)
	}
	w := statetest.New(1, 2, 10)
	w.Sample(1_800_000_000)
	first := w.State.Seq
	w.Step(3)
	w.Sample(1_800_000_015)
	b, baseMAC := record(nil, 0, first, base)
	l, chain := record(baseMAC, first, w.State.Seq, log)
	r := &report.Report{
		Term: 1, LazyState: wire.NewLazyState(w.State), ReceivedAt: now, ExpiresAt: now.Add(10 * time.Second), DemandUntil: now.Add(time.Hour),
		Session: report.Session{StartedAt: now, ExpiresAt: now},
	}
	s := recordChain{baseMAC: baseMAC, lastMAC: chain, baseLen: int64(len(b)), entries: 1}
	return loadReply{head: newHead(r, s, nil), left: 70 * time.Second, base: b, log: [][]byte{l}}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// These constants limit the memory for reading an entry: that of decoders and buffers, and that of
// each byte, which compression and columns multiply.
const (
	fixedMemory   = 64 << 20
	memoryPerByte = 4 << 10
)

// storedFrames returns the packed frames of a base and of one entry of the log, and the bookmark of
// the head.
func storedFrames(f testing.TB, codec *wire.Codec) (base, log, bookmark []byte) {
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
	encoder := func(s *state.State) flushEncoder {
		return flushEncoder{codec, &report.Report{LazyState: wire.NewLazyState(s), ReceivedAt: now}, wire.HashState(s)}
	}
	baseFrames, err := encoder(first).snapshotFlush(frames)
	if err != nil {
		f.Fatal(err)
	}
	latest := encoder(w.State)
	logFrames, err := latest.deltaFlush(wire.NewLazyState(first), state.Diff(first, w.State))
	if err != nil {
		f.Fatal(err)
	}
	bookmark, err = codec.EncodeAgent(latest.bookmark())
	if err != nil {
		f.Fatal(err)
	}
	return pack(baseFrames)[recordPrefixLen:], pack(logFrames)[recordPrefixLen:], bookmark
}
