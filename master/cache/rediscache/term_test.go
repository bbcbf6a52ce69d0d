package rediscache

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/test/redistest"
)

// firstTerm is a term as masters request it.
func firstTerm() uint64 { return uint64(time.Now().UnixMilli()) }

func wantSuperseded(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, cache.ErrSuperseded) {
		t.Fatalf("%s: got %v, want ErrSuperseded", what, err)
	}
}

func take(t *testing.T, c *Cache, term uint64) {
	t.Helper()
	if err := c.TakeTerm(t.Context(), "a", term); err != nil {
		t.Fatalf("take term %d: %v", term, err)
	}
}

// TestForgedTermIsIgnored writes terms to Redis without the signing key. They neither supersede an owner nor use up terms.
func TestForgedTermIsIgnored(t *testing.T) {
	server := redistest.Start(t)
	c, other := newCache(t, server.URL(), 1), newCache(t, server.URL(), 2)
	key := redisKey("a", "term")
	plants := map[string]func(context.Context) error{
		"list": func(ctx context.Context) error { return c.client.LPush(ctx, key, "x").Err() },
		"hash": func(ctx context.Context) error { return c.client.HSet(ctx, key, "x", "y").Err() },
	}
	future := firstTerm() + 3_600_000
	for name, value := range map[string]string{
		"of an older version":   fmt.Sprint(future),
		"of another key":        other.keys.signing.termValue("a", future),
		"of another cluster":    c.keys.signing.termValue("b", future),
		"too far ahead":         c.keys.signing.termValue("a", cache.MaxTerm(time.Now())+60_000),
		"with another MAC":      c.keys.signing.termValue("a", future)[:80] + "00",
		"with another term":     "9" + c.keys.signing.termValue("a", future),
		"longer than a term is": c.keys.signing.termValue("a", future) + string(make([]byte, 1<<20)),
	} {
		plants[name] = func(ctx context.Context) error { return c.client.Set(ctx, key, value, 0).Err() }
	}
	for _, text := range []string{"", "x", "inf", "-inf", "nan", "1e300", "-5", "0x10", "1.5", "9007199254740992", "99999999999999999999", " ", "1 ", "1  "} {
		plants["text "+text] = func(ctx context.Context) error { return c.client.Set(ctx, key, text, 0).Err() }
	}
	w := statetest.New(1, 1, 5)
	term := firstTerm()
	for name, plant := range plants {
		t.Run(name, func(t *testing.T) {
			replant := func() {
				t.Helper()
				if err := errors.Join(c.client.Del(t.Context(), key).Err(), plant(t.Context())); err != nil {
					t.Fatal(err)
				}
			}
			replant()
			if last, err := c.LastTerm(t.Context(), "a"); last != 0 || errors.Is(err, cache.ErrUnavailable) {
				t.Errorf("got the last term %d, error %v", last, err)
			}
			term++
			take(t, c, term)
			wantSuperseded(t, "an older report", c.Save(t.Context(), newEntry(term-1, w)))
			replant()
			w.Step(1)
			save(t, c, "a", newEntry(term, w))
			wantLoad(t, c, "a", w)
			if last, err := c.LastTerm(t.Context(), "a"); last != term || err != nil {
				t.Errorf("after a save: got the last term %d, error %v, want %d", last, err, term)
			}
		})
	}
	if up := testutil.ToFloat64(c.breaker.up); up != 1 {
		t.Errorf("got rollcall_redis_up %v, want 1", up)
	}
}

// TestOwnerThatWasStoppedChangesNothing has an owner that saves again after another master has taken the cluster: while the
// entry of the other one lives, after it has expired, and after Redis was flushed.
func TestOwnerThatWasStoppedChangesNothing(t *testing.T) {
	server := redistest.Start(t)
	stopped, owner, reader := newCache(t, server.URL(), 1), newCache(t, server.URL(), 1), newCache(t, server.URL(), 1)
	w := statetest.New(1, 2, 20)
	term := firstTerm()
	take(t, stopped, term)
	save(t, stopped, "a", newEntry(term, w))
	old := newEntry(term, w)

	w.Step(2)
	take(t, owner, term+1)
	wantSuperseded(t, "before the first report of the next owner", stopped.Save(t.Context(), old))
	save(t, owner, "a", newEntry(term+1, w))
	wantSuperseded(t, "while the entry lives", stopped.Save(t.Context(), old))
	wantLoad(t, reader, "a", w)

	if err := owner.client.Unlink(t.Context(), redisKeys("a")...).Err(); err != nil { // as when they expire
		t.Fatal(err)
	}
	wantSuperseded(t, "after the entry has expired", stopped.Save(t.Context(), old))
	wantSuperseded(t, "its term again", stopped.TakeTerm(t.Context(), "a", term))

	flush(t, owner)
	save(t, owner, "a", newEntry(term+1, w))
	wantSuperseded(t, "after a flush of Redis", stopped.Save(t.Context(), old))
	wantLoad(t, reader, "a", w)

	flush(t, owner)
	if err := stopped.Save(t.Context(), old); err != nil { // nothing in Redis says that it is old
		t.Fatal(err)
	}
	w.Step(1)
	save(t, owner, "a", newEntry(term+1, w))
	wantSuperseded(t, "after the owner's next save", stopped.Save(t.Context(), old))
	wantLoad(t, reader, "a", w)
}

// flush removes everything from Redis.
func flush(t *testing.T, c *Cache) {
	t.Helper()
	if err := c.client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

// TestLostTermIsFoundInTheHead has a Redis that has evicted the last term only.
func TestLostTermIsFoundInTheHead(t *testing.T) {
	server := redistest.Start(t)
	stopped, owner := newCache(t, server.URL(), 1), newCache(t, server.URL(), 1)
	w := statetest.New(1, 2, 20)
	term := firstTerm()
	old := newEntry(term, w)
	save(t, stopped, "a", old)
	w.Step(1)
	save(t, owner, "a", newEntry(term+1, w))
	if err := owner.client.Del(t.Context(), redisKey("a", "term")).Err(); err != nil {
		t.Fatal(err)
	}
	wantSuperseded(t, "an older term", stopped.Save(t.Context(), old))
	wantLoad(t, stopped, "a", w)
}

// TestTermsWithClocksAnHourApart has owners whose clocks, and so the terms that they request, are an hour apart.
func TestTermsWithClocksAnHourApart(t *testing.T) {
	server := redistest.Start(t)
	ahead, behind := newCache(t, server.URL(), 1), newCache(t, server.URL(), 1)
	w := statetest.New(1, 2, 20)
	high := firstTerm() + 3_600_000
	take(t, ahead, high)
	save(t, ahead, "a", newEntry(high, w))
	wantLoad(t, behind, "a", w)
	last, err := behind.LastTerm(t.Context(), "a")
	if err != nil || last != high {
		t.Fatalf("got the last term %d, error %v, want %d", last, err, high)
	}
	w.Step(1)
	take(t, behind, last+1)
	save(t, behind, "a", newEntry(last+1, w))
	wantSuperseded(t, "the owner before", ahead.Save(t.Context(), newEntry(high, w)))
	wantLoad(t, ahead, "a", w)
}
