package rediscache

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/report"
	"rollcall.dev/rollcall/test/redistest"
)

func TestKeyOfTheWrongTypeAffectsOneClusterUntilTheNextSave(t *testing.T) {
	server := redistest.Start(t)
	c := newCache(t, server.URL(), 1)
	other := statetest.New(2, 1, 5)
	for _, what := range []string{"head", "base", "log"} {
		for kind, plant := range map[string]func(context.Context, string) error{
			"string": func(ctx context.Context, key string) error { return c.client.Set(ctx, key, "x", time.Hour).Err() },
			"list":   func(ctx context.Context, key string) error { return c.client.LPush(ctx, key, "x").Err() },
			"hash":   func(ctx context.Context, key string) error { return c.client.HSet(ctx, key, "x", "y").Err() },
			"stream": func(ctx context.Context, key string) error {
				return c.client.XAdd(ctx, &redis.XAddArgs{Stream: key, Values: []string{"x", "y"}}).Err()
			},
		} {
			for _, newWriter := range []bool{false, true} {
				t.Run(what+" as "+kind, func(t *testing.T) {
					w, _ := saveVersions(t, c, "a")
					if newWriter {
						c.dropWriter("a", nil)
					}
					corrupted := redisKey("a", what)
					if err := errors.Join(c.client.Del(t.Context(), corrupted).Err(), plant(t.Context(), corrupted), c.client.Expire(t.Context(), corrupted, time.Hour).Err()); err != nil {
						t.Fatal(err)
					}
					before := dump(t, c, "a")
					reader := newCache(t, server.URL(), 1)
					_, err := reader.Load(t.Context(), "a", ttl)
					if err == nil || errors.Is(err, cache.ErrUnavailable) {
						t.Fatalf("load: got %v, want an error that concerns this cluster", err)
					}
					if after := dump(t, c, "a"); after[corrupted] != before[corrupted] {
						t.Error("the reader changed the key")
					}
					save(t, reader, "b", newEntry(1, other))
					wantLoad(t, reader, "b", other)
					if up := testutil.ToFloat64(reader.breaker.up); up != 1 {
						t.Errorf("got rollcall_redis_up %v, want 1", up)
					}
					w.Step(1)
					save(t, c, "a", newEntry(1, w))
					wantLoad(t, reader, "a", w)
					_ = c.Delete(t.Context(), "a")
					c.rollback = rollbackGuard{}
				})
			}
		}
	}
}

func TestFullMemoryIsNoOutage(t *testing.T) {
	server := redistest.Start(t, "--maxmemory-policy", "noeviction")
	c := newCache(t, server.URL(), 1)
	w, _ := saveVersions(t, c, "a")
	if err := c.client.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	changed := statetest.New(5, 1, 5)
	for _, e := range []*report.Report{newEntry(2, changed), newEntry(3, changed)} {
		if err := c.Save(t.Context(), e); err == nil || errors.Is(err, cache.ErrUnavailable) || !strings.Contains(err.Error(), "OOM") {
			t.Fatalf("save: got %v, want an OOM error", err)
		}
	}
	wantLoad(t, c, "a", w) // stored entries can be loaded and are complete
	if err := c.TakeTerm(t.Context(), "a", 5); err == nil || errors.Is(err, cache.ErrUnavailable) || errors.Is(err, cache.ErrSuperseded) {
		t.Errorf("take a term: got %v, want an OOM error", err)
	}
	if up, n := testutil.ToFloat64(c.breaker.up), testutil.ToFloat64(c.recorder.errors.WithLabelValues("OOM")); up != 1 || n < 3 {
		t.Errorf("got rollcall_redis_up %v and %v OOM errors, want 1 and at least 3", up, n)
	}
	if err := c.client.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	save(t, c, "a", newEntry(4, changed))
	wantLoad(t, c, "a", changed)
}

func TestFlushedScriptsAreSentAgain(t *testing.T) {
	server := redistest.Start(t)
	c := newCache(t, server.URL(), 1)
	w, _ := saveVersions(t, c, "a")
	if err := c.client.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	wantLoad(t, c, "a", w)
	w.Step(1)
	save(t, c, "a", newEntry(1, w))
	wantLoad(t, c, "a", w)
}

func TestErrorRepliesAreNoOutage(t *testing.T) {
	reply := func(text string) error { return fakeReplyError(text) }
	for _, tc := range []struct {
		err  error
		code string // empty for an outage
	}{
		{reply("WRONGTYPE Operation against a key holding the wrong kind of value"), "WRONGTYPE"},
		{reply("WRONGTYPE Operation against a key holding the wrong kind of value script: 1f, on @user_script:10."), "WRONGTYPE"},
		{reply("ERR Error running script (call to f_1): @user_script:10: -WRONGTYPE Operation against a key"), "WRONGTYPE"},
		{reply("NOSCRIPT No matching script. Please use EVAL."), "NOSCRIPT"},
		{reply("OOM command not allowed when used memory > 'maxmemory'."), "OOM"},
		{reply("MOVED 1 127.0.0.1:7000"), "MOVED"},
		{reply("ERR user_script:3: attempt to compare nil with number"), "other"},
		{reply("\x1b[31mred"), "other"},
		{io.EOF, ""},
		{os.ErrDeadlineExceeded, ""},
		{context.DeadlineExceeded, ""},
		{redis.ErrPoolTimeout, ""},
		{errors.New("dial tcp 127.0.0.1:6379: connection refused"), ""},
	} {
		up := prometheus.NewGauge(prometheus.GaugeOpts{})
		c := &Cache{breaker: &circuitBreaker{log: slog.New(slog.DiscardHandler), up: up}, recorder: newErrorRecorder(slog.New(slog.DiscardHandler))}
		err := c.do(t.Context(), "a", func() error { return tc.err })
		if outage := errors.Is(err, cache.ErrUnavailable); outage != (tc.code == "") || !errors.Is(err, tc.err) {
			t.Errorf("%q: got %v, want it wrapped, and ErrUnavailable only for outages", tc.err, err)
		}
		if tc.code != "" && (testutil.ToFloat64(c.recorder.errors.WithLabelValues(tc.code)) != 1 || testutil.ToFloat64(up) != 1) {
			t.Errorf("%q: got no count as %s or an outage, want it counted and no outage", tc.err, tc.code)
		}
	}
}

// fakeReplyError is an error reply of Redis.
type fakeReplyError string

func (e fakeReplyError) Error() string { return string(e) }

// RedisError implements redis.Error.
func (fakeReplyError) RedisError() {}

func TestTimeoutDuringOtherRepliesIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &circuitBreaker{log: slog.New(slog.DiscardHandler), up: prometheus.NewGauge(prometheus.GaugeOpts{})}
		slow := func() error {
			<-time.After(time.Second)
			return context.DeadlineExceeded
		}
		ended := make(chan error)
		go func() { ended <- b.call(t.Context(), slow) }()
		<-time.After(500 * time.Millisecond)
		if err := b.call(t.Context(), func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; errors.Is(err, cache.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want a timeout that concerns this cluster", err)
		}
		if err := b.call(t.Context(), slow); !errors.Is(err, cache.ErrUnavailable) {
			t.Errorf("got %v without other replies, want an outage", err)
		}
	})
}

func TestSigningKeyRotation(t *testing.T) {
	server := redistest.Start(t)
	const oldKey, newKey = 1, 2
	w := statetest.New(1, 3, 60)
	term := uint64(0)
	// saveAndLoad lets each master save in turn, and all others load.
	saveAndLoad := func(t *testing.T, masters ...*Cache) {
		for _, writer := range masters {
			term++
			w.Step(1)
			save(t, writer, "a", newEntry(term, w))
			for _, reader := range masters {
				wantLoad(t, reader, "a", w)
			}
		}
	}
	onlyOld, acceptsNew, acceptsOld, onlyNew := newCache(t, server.URL(), oldKey), newCache(t, server.URL(), oldKey, newKey), newCache(t, server.URL(), newKey, oldKey), newCache(t, server.URL(), newKey)
	for _, step := range []struct {
		name    string
		masters []*Cache
	}{
		{"all accept the old key", []*Cache{onlyOld, acceptsNew}},
		{"some sign with the new key", []*Cache{acceptsNew, acceptsOld}},
		{"all sign with the new key", []*Cache{acceptsOld, onlyNew}},
	} {
		t.Run(step.name, func(t *testing.T) { saveAndLoad(t, step.masters...) })
	}
	// A master without the new key refuses entries that are signed with it.
	wantRefused(t, onlyOld, "a", causeKey)
	// Its next save replaces the entry, which masters without the old key refuse.
	w.Step(1)
	save(t, onlyOld, "a", newEntry(term+1, w))
	wantRefused(t, onlyNew, "a", causeKey)
	wantLoad(t, acceptsOld, "a", w)
}

func TestMasterAppendsOnlyToABaseOfItsOwnKey(t *testing.T) {
	server := redistest.Start(t)
	first, second := newCache(t, server.URL(), 1), newCache(t, server.URL(), 2, 1)
	w := statetest.New(1, 3, 60)
	save(t, first, "a", newEntry(1, w))
	base := dump(t, first, "a")[redisKeys("a")[1]]
	wantLoad(t, second, "a", w)
	w.Step(1)
	save(t, second, "a", newEntry(2, w))
	if dump(t, first, "a")[redisKeys("a")[1]] == base {
		t.Error("the master appended to a base that is signed with another key")
	}
	wantLoad(t, second, "a", w)
}

func TestKeysAreDerivedAndNotPrinted(t *testing.T) {
	k := must(deriveKey(signingKey(1)))
	if string(k.secret) == string(signingKey(1).Seed()) || k.id == "" || k.id == must(deriveKey(signingKey(2))).id || len(k.secret) != 32 {
		t.Errorf("got key %s, want a derived secret of 32 bytes and an ID of its own", k.id)
	}
	if public, _ := signingKey(1).Public().(ed25519.PublicKey); KeyID(public) != k.id {
		t.Errorf("got ID %s, want that of the public key, %s", k.id, KeyID(public))
	}
	ring, err := newKeyring(signingKey(1), []ed25519.PrivateKey{signingKey(2)})
	if err != nil || ring.String() != k.id+", "+must(deriveKey(signingKey(2))).id {
		t.Errorf("got %s, error %v, want the IDs of both keys", ring, err)
	}
	if _, err := deriveKey(signingKey(1)[:5]); err == nil {
		t.Error("a truncated key was accepted")
	}
}
