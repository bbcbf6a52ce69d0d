package rediscache

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/master/cache/cachetest"
	"rollcall.dev/rollcall/test/redistest"
)

func TestCorruptedEntriesAreRefusedAndReplaced(t *testing.T) {
	server := redistest.Start(t)
	c := newCache(t, server.URL(), 1)
	w, _ := saveVersions(t, c, "a")
	intact, ks := dump(t, c, "a"), redisKeys("a")
	head, err := c.client.HGetAll(t.Context(), ks[0]).Result()
	if err != nil {
		t.Fatal(err)
	}
	base, err := c.client.Get(t.Context(), ks[1]).Result()
	if err != nil {
		t.Fatal(err)
	}
	log, err := c.client.XRange(t.Context(), ks[2], "-", "+").Result()
	if err != nil || len(log) != 3 {
		t.Fatalf("got %d entries in the log, error %v, want 3", len(log), err)
	}
	try := func(name string, want cause, corrupt func(ctx context.Context, p redis.Pipeliner)) {
		t.Run(name, func(t *testing.T) {
			restore(t, c, intact)
			_, err := c.client.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
				corrupt(t.Context(), p)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			reader := newCache(t, server.URL(), 1)
			wantRefused(t, reader, "a", want)
			// The next save of any master replaces the entry.
			w.Step(1)
			save(t, reader, "a", newEntry(1, w))
			wantLoad(t, reader, "a", w)
		})
	}
	for _, field := range signedFields {
		want := causeMAC
		if field == "key" {
			want = causeKey
		}
		try("field "+field+" changed", want, func(ctx context.Context, p redis.Pipeliner) { p.HSet(ctx, ks[0], field, head[field]+"1") })
		try("field "+field+" missing", want, func(ctx context.Context, p redis.Pipeliner) { p.HDel(ctx, ks[0], field) })
	}
	try("fields moved", causeMAC, func(ctx context.Context, p redis.Pipeliner) {
		p.HSet(ctx, ks[0], "uid", head["uid"]+head["kubernetes"], "kubernetes", "")
	})
	for _, at := range []int{0, 31, 32, 40, 79, 80, len(base) / 2, len(base) - 1} {
		try(fmt.Sprintf("bit of byte %d of the base", at), causeMAC, func(ctx context.Context, p redis.Pipeliner) {
			p.SetRange(ctx, ks[1], int64(at), string(base[at]^4))
		})
	}
	try("base cut", causeMAC, func(ctx context.Context, p redis.Pipeliner) { p.Set(ctx, ks[1], base[:len(base)-1], time.Hour) })
	rewrite := func(entries ...string) func(context.Context, redis.Pipeliner) {
		return func(ctx context.Context, p redis.Pipeliner) {
			p.Del(ctx, ks[2])
			for _, e := range entries {
				p.XAdd(ctx, &redis.XAddArgs{Stream: ks[2], Values: []string{"record", e}})
			}
		}
	}
	first, second, third := log[0].Values["record"].(string), log[1].Values["record"].(string), log[2].Values["record"].(string)
	bit := []byte(second)
	bit[len(bit)-1] ^= 1
	for name, change := range map[string]func(context.Context, redis.Pipeliner){
		"first entry missing": rewrite(second, third), "second entry missing": rewrite(first, third), "last entry missing": rewrite(first, second),
		"entries in another order": rewrite(second, first, third), "entry doubled": rewrite(first, second, second, third), "last entry doubled": rewrite(first, second, third, third),
		"bit of an entry": rewrite(first, string(bit), third), "the base as an entry": rewrite(first, second, third, base), "no entries": rewrite(),
	} {
		try(name, causeMAC, change)
	}
	try("entry as the base", causeMAC, func(ctx context.Context, p redis.Pipeliner) { p.Set(ctx, ks[1], first, time.Hour) })
	try("empty entry", causeFormat, rewrite(first, second, third, ""))
}

func TestLogWithTooManyEntriesIsRefused(t *testing.T) {
	server := redistest.Start(t)
	c := newCache(t, server.URL(), 1)
	w, _ := saveVersions(t, c, "a")
	_, err := c.client.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		for range maxEntries {
			p.XAdd(t.Context(), &redis.XAddArgs{Stream: redisKeys("a")[2], Values: []string{"record", ""}})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantRefused(t, c, "a", causeSize)
	save(t, c, "a", newEntry(2, w))
	wantLoad(t, c, "a", w)
}

func TestLogThatTakesNoEntryIsReplaced(t *testing.T) {
	server := redistest.Start(t)
	c := newCache(t, server.URL(), 1)
	w, _ := saveVersions(t, c, "a")
	log := redisKeys("a")[2]
	// After the greatest possible ID no entry can be added to a stream.
	if err := c.client.XAdd(t.Context(), &redis.XAddArgs{Stream: log, ID: "18446744073709551615-18446744073709551615", Values: []string{"record", ""}}).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.client.XDel(t.Context(), log, "18446744073709551615-18446744073709551615").Err(); err != nil {
		t.Fatal(err)
	}
	w.Step(1)
	save(t, c, "a", newEntry(1, w))
	wantLoad(t, newCache(t, server.URL(), 1), "a", w)
}

func TestForgedNewerHeadIsReplaced(t *testing.T) {
	server := redistest.Start(t)
	for name, plant := range map[string]func(*testing.T, *Cache, *statetest.Cluster){
		"forged": func(t *testing.T, c *Cache, w *statetest.Cluster) {
			forge(t, c, wellKnownKey(), "a", cachetest.Report(1<<50, w.State), nil)
		},
		"bare": func(t *testing.T, c *Cache, _ *statetest.Cluster) {
			if err := c.client.HSet(t.Context(), redisKeys("a")[0], "term", "1e300", "seq", "inf", "keep", "nan").Err(); err != nil {
				t.Fatal(err)
			}
			c.client.Expire(t.Context(), redisKeys("a")[0], time.Hour)
		},
		"expired, but kept by Redis": func(t *testing.T, c *Cache, w *statetest.Cluster) {
			e := cachetest.Report(50, w.State)
			e.ReceivedAt = e.ReceivedAt.Add(-time.Minute)
			forge(t, c, c.keys.signing, "a", e, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(t, server.URL(), 1)
			w, _ := saveVersions(t, c, "a")
			for range 2 { // first appending a delta, then writing the base
				plant(t, c, statetest.New(2, 1, 3))
				w.Step(1)
				save(t, c, "a", newEntry(1, w))
				wantLoad(t, c, "a", w)
				c.dropWriter("a", nil)
			}
		})
	}
	t.Run("valid newer head is kept", func(t *testing.T) {
		c, newer := newCache(t, server.URL(), 1), newCache(t, server.URL(), 1)
		w := statetest.New(3, 1, 3)
		save(t, newer, "c", newEntry(7, w))
		older := newEntry(6, statetest.New(4, 1, 3))
		older.Cluster = "c"
		wantSuperseded(t, "an older term", c.Save(t.Context(), older))
		if e := wantLoad(t, c, "c", w); e.Term != 7 {
			t.Errorf("got term %d, want 7", e.Term)
		}
	})
}
