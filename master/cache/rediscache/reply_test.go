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
	"rollcall.dev/rollcall/test/redistest"
)

func TestAKeyOfTheWrongTypeIsOneClustersProblemUntilItIsWritten(t *testing.T) {
	server := redistest.Start(t)
	c := master(t, server.URL(), 1)
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
			for _, begins := range []bool{false, true} {
				t.Run(what+" as "+kind, func(t *testing.T) {
					w, _ := written(t, c, "a")
					if begins {
						c.forget("a", nil)
					}
					spoilt := key("a", what)
					if err := errors.Join(c.client.Del(t.Context(), spoilt).Err(), plant(t.Context(), spoilt), c.client.Expire(t.Context(), spoilt, time.Hour).Err()); err != nil {
						t.Fatal(err)
					}
					before := dump(t, c, "a")
					reader := master(t, server.URL(), 1)
					_, err := reader.Load(t.Context(), "a", ttl)
					if err == nil || errors.Is(err, cache.ErrUnavailable) {
						t.Fatalf("load: %v, want an error of this cluster", err)
					}
					if after := dump(t, c, "a"); after[spoilt] != before[spoilt] {
						t.Error("the reader changed it")
					}
					save(t, reader, "b", entry(1, other))
					wantLoad(t, reader, "b", other)
					if up := testutil.ToFloat64(reader.outage.up); up != 1 {
						t.Errorf("rollcall_redis_up is %v", up)
					}
					w.Step(1)
					save(t, c, "a", entry(1, w))
					wantLoad(t, reader, "a", w)
					_ = c.Delete(t.Context(), "a")
					c.seen = seenVersions{}
				})
			}
		}
	}
}

func TestAPlantedTermNeitherStopsTermsNorHoldsThem(t *testing.T) {
	server := redistest.Start(t)
	c := master(t, server.URL(), 1)
	plants := map[string]func(context.Context, string) error{
		"list": func(ctx context.Context, key string) error { return c.client.LPush(ctx, key, "x").Err() },
		"hash": func(ctx context.Context, key string) error { return c.client.HSet(ctx, key, "x", "y").Err() },
	}
	// From 2^53 on, one more is the same in a script.
	for _, text := range []string{"", "x", "inf", "-inf", "nan", "1e300", "-5", "0x10", "1.5", "9007199254740992", "9007199254740991"} {
		plants["text "+text] = func(ctx context.Context, key string) error { return c.client.Set(ctx, key, text, 0).Err() }
	}
	for name, plant := range plants {
		t.Run(name, func(t *testing.T) {
			last, err := c.NextTerm(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(c.client.Del(t.Context(), key("a", "term")).Err(), plant(t.Context(), key("a", "term"))); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				term, err := c.NextTerm(t.Context(), "a")
				if err != nil || term <= last || term > uint64(time.Now().Add(time.Minute).UnixMilli()) {
					t.Fatalf("term %d after %d, %v", term, last, err)
				}
				last = term
			}
		})
	}
	if up := testutil.ToFloat64(c.outage.up); up != 1 {
		t.Errorf("rollcall_redis_up is %v", up)
	}
}

func TestMemoryThatIsFullIsNoOutage(t *testing.T) {
	server := redistest.Start(t, "--maxmemory-policy", "noeviction")
	c := master(t, server.URL(), 1)
	w, _ := written(t, c, "a")
	if err := c.client.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	changed := statetest.New(5, 1, 5)
	for _, e := range []cache.Entry{entry(2, changed), entry(3, changed)} {
		if err := c.Save(t.Context(), "a", e); err == nil || errors.Is(err, cache.ErrUnavailable) || !strings.Contains(err.Error(), "OOM") {
			t.Fatalf("save: %v, want that memory is full", err)
		}
	}
	wantLoad(t, c, "a", w) // what is there can be read, and is whole
	if _, err := c.NextTerm(t.Context(), "a"); err == nil || errors.Is(err, cache.ErrUnavailable) {
		t.Errorf("term: %v", err)
	}
	if up, n := testutil.ToFloat64(c.outage.up), testutil.ToFloat64(c.problems.errors.WithLabelValues("OOM")); up != 1 || n < 3 {
		t.Errorf("rollcall_redis_up is %v, %v errors were counted", up, n)
	}
	if err := c.client.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	save(t, c, "a", entry(4, changed))
	wantLoad(t, c, "a", changed)
}

func TestScriptsThatRedisForgotAreSentAgain(t *testing.T) {
	server := redistest.Start(t)
	c := master(t, server.URL(), 1)
	w, _ := written(t, c, "a")
	if err := c.client.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	wantLoad(t, c, "a", w)
	w.Step(1)
	save(t, c, "a", entry(1, w))
	wantLoad(t, c, "a", w)
}

func TestOnlyWhatIsNoReplyIsAnOutage(t *testing.T) {
	reply := func(text string) error { return replyError(text) }
	for _, tc := range []struct {
		err  error
		code string // "": it is an outage
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
		c := &Cache{outage: &outage{log: slog.New(slog.DiscardHandler), up: up}, problems: newProblems(slog.New(slog.DiscardHandler))}
		err := c.do(t.Context(), "a", func() error { return tc.err })
		if away := errors.Is(err, cache.ErrUnavailable); away != (tc.code == "") || !errors.Is(err, tc.err) {
			t.Errorf("%q: got %v", tc.err, err)
		}
		if tc.code != "" && (testutil.ToFloat64(c.problems.errors.WithLabelValues(tc.code)) != 1 || testutil.ToFloat64(up) != 1) {
			t.Errorf("%q is not counted as %s, or Redis is said to be away", tc.err, tc.code)
		}
	}
}

// replyError is an error that Redis replied.
type replyError string

func (e replyError) Error() string { return string(e) }

// RedisError implements redis.Error.
func (replyError) RedisError() {}

func TestATimeoutWhileOthersAreAnsweredIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &outage{log: slog.New(slog.DiscardHandler), up: prometheus.NewGauge(prometheus.GaugeOpts{})}
		slow := func() error {
			<-time.After(time.Second)
			return context.DeadlineExceeded
		}
		ended := make(chan error)
		go func() { ended <- o.guard(t.Context(), slow) }()
		<-time.After(500 * time.Millisecond)
		if err := o.guard(t.Context(), func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; errors.Is(err, cache.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want a timeout of this cluster", err)
		}
		if err := o.guard(t.Context(), slow); !errors.Is(err, cache.ErrUnavailable) {
			t.Errorf("got %v while nobody is answered, want an outage", err)
		}
	})
}

func TestSigningKeysAreRotated(t *testing.T) {
	server := redistest.Start(t)
	const before, after = 1, 2
	w := statetest.New(1, 3, 60)
	term := uint64(0)
	// Each saves, all others read; the next goes on.
	round := func(t *testing.T, masters ...*Cache) {
		for _, writer := range masters {
			term++
			w.Step(1)
			save(t, writer, "a", entry(term, w))
			for _, reader := range masters {
				wantLoad(t, reader, "a", w)
			}
		}
	}
	onlyBefore, both, bothAfter, onlyAfter := master(t, server.URL(), before), master(t, server.URL(), before, after), master(t, server.URL(), after, before), master(t, server.URL(), after)
	for _, step := range []struct {
		name    string
		masters []*Cache
	}{
		{"all have the key of before", []*Cache{onlyBefore, both}},
		{"some sign with the next", []*Cache{both, bothAfter}},
		{"all have the next", []*Cache{bothAfter, onlyAfter}},
	} {
		t.Run(step.name, func(t *testing.T) { round(t, step.masters...) })
	}
	// A master that was not told of the other key takes nothing for an answer.
	wantRefused(t, onlyBefore, "a", causeKey)
	// It writes anew, and the others refuse that.
	w.Step(1)
	save(t, onlyBefore, "a", entry(term+1, w))
	wantRefused(t, onlyAfter, "a", causeKey)
	wantLoad(t, bothAfter, "a", w)
}

func TestAMasterGoesOnFromABaseOfItsOwnKeyOnly(t *testing.T) {
	server := redistest.Start(t)
	first, second := master(t, server.URL(), 1), master(t, server.URL(), 2, 1)
	w := statetest.New(1, 3, 60)
	save(t, first, "a", entry(1, w))
	base := dump(t, first, "a")[keys("a")[1]]
	wantLoad(t, second, "a", w)
	w.Step(1)
	save(t, second, "a", entry(2, w))
	if dump(t, first, "a")[keys("a")[1]] == base {
		t.Error("it added to a base that is signed with another key")
	}
	wantLoad(t, second, "a", w)
}

func TestKeysAreDerivedAndNoSecretIsShown(t *testing.T) {
	k := must(deriveKey(signingKey(1)))
	if string(k.secret) == string(signingKey(1).Seed()) || k.id == "" || k.id == must(deriveKey(signingKey(2))).id || len(k.secret) != 32 {
		t.Errorf("key %s", k.id)
	}
	if public, _ := signingKey(1).Public().(ed25519.PublicKey); KeyID(public) != k.id {
		t.Errorf("the ID is %s, and for the public key %s", k.id, KeyID(public))
	}
	ring, err := newKeyring(signingKey(1), []ed25519.PrivateKey{signingKey(2)})
	if err != nil || ring.String() != k.id+", "+must(deriveKey(signingKey(2))).id {
		t.Errorf("shown as %s, %v", ring, err)
	}
	if _, err := deriveKey(signingKey(1)[:5]); err == nil {
		t.Error("a part of a key was taken")
	}
}
