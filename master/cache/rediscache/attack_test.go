package rediscache

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/cache/cachetest"
	"rollcall.dev/rollcall/test/redistest"
)

// ttl is what these readers keep an answer for.
const ttl = 10 * time.Second

// signingKey returns one of several keys.
func signingKey(i byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = i
	return ed25519.NewKeyFromSeed(seed)
}

// master returns a Cache with the first of the keys as its own; none: it has no signing key.
func master(t *testing.T, url string, keys ...byte) *Cache {
	t.Helper()
	config := Config{URL: url, Log: slog.New(slog.DiscardHandler)}
	for i, k := range keys {
		if i == 0 {
			config.SigningKey = signingKey(k)
			continue
		}
		config.OtherKeys = append(config.OtherKeys, signingKey(k))
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// entry returns one that was received just now.
func entry(term uint64, w *statetest.Cluster) cache.Entry {
	e := cachetest.Entry(term, w.State)
	e.ExpiresAt = e.ReceivedAt.Add(ttl)
	return e
}

func save(t *testing.T, c *Cache, cluster string, e cache.Entry) {
	t.Helper()
	if err := c.Save(t.Context(), cluster, e); err != nil {
		t.Fatal(err)
	}
}

func wantLoad(t *testing.T, c *Cache, cluster string, w *statetest.Cluster) cache.Entry {
	t.Helper()
	e, err := c.Load(t.Context(), cluster, ttl)
	if err != nil {
		t.Fatal(err)
	}
	cachetest.WantState(t, e.State, w.State)
	return e
}

// wantRefused fails unless a load is a miss for this cause, which the metric counts and
// which changes nothing in Redis.
func wantRefused(t *testing.T, c *Cache, cluster string, want cause) {
	t.Helper()
	before, counted := contents(t, c, cluster), testutil.ToFloat64(c.problems.refusals.WithLabelValues(string(want)))
	_, err := c.Load(t.Context(), cluster, ttl)
	var r *refusal
	if !errors.As(err, &r) || r.cause != want || !errors.Is(err, cache.ErrMiss) {
		t.Fatalf("got %v, want a miss for the cause %s", err, want)
	}
	if n := testutil.ToFloat64(c.problems.refusals.WithLabelValues(string(want))); n != counted+1 {
		t.Errorf("the metric is at %v after %v", n, counted)
	}
	if after := contents(t, c, cluster); !maps.Equal(before, after) {
		t.Error("the reader changed what is in Redis")
	}
}

// contents returns what Redis holds of a cluster, as key → text that is the same for the same
// values.
func contents(t *testing.T, c *Cache, cluster string) map[string]string {
	t.Helper()
	values := dump(t, c, cluster)
	if kind := c.client.Type(t.Context(), keys(cluster)[0]).Val(); kind == "hash" { // which is dumped in any order
		values[keys(cluster)[0]] = fmt.Sprint(c.client.HGetAll(t.Context(), keys(cluster)[0]).Val())
	}
	return values
}

// dump returns what Redis holds of a cluster, as key → serialized value.
func dump(t *testing.T, c *Cache, cluster string) map[string]string {
	t.Helper()
	values := map[string]string{}
	for _, key := range keys(cluster) {
		value, err := c.client.Dump(t.Context(), key).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		values[key] = value
	}
	return values
}

// put replaces keys by what dump gave, with an hour to live; "": the key is deleted.
func put(t *testing.T, c *Cache, values map[string]string) {
	t.Helper()
	for key, value := range values {
		err := c.client.Del(t.Context(), key).Err()
		if value != "" {
			err = errors.Join(err, c.client.RestoreReplace(t.Context(), key, time.Hour, value).Err())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// forge puts an entry into Redis as somebody does who knows the format and has this key.
func forge(t *testing.T, c *Cache, k macKey, cluster string, e cache.Entry, change func(head)) {
	t.Helper()
	snapshot, hash, err := c.codec.SnapshotFrames(e.State)
	if err != nil {
		t.Fatal(err)
	}
	r := report{codec: c.codec, state: e.State, hash: hash, at: e.ReceivedAt}
	frames, err := r.whole(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	bookmark, err := c.codec.EncodeAgent(r.bookmark())
	if err != nil {
		t.Fatal(err)
	}
	record, times := pack(frames), lifetimeOf(e, time.Now())
	mac := k.sealRecord(cluster, nil, recordNumbers{term: e.Term, epoch: e.State.Epoch, to: e.State.Seq, ttl: times.ttl, received: times.received}, record)
	h := headOf(e, times, stored{base: mac, chain: mac, baseLen: int64(len(record))}, bookmark)
	if change != nil {
		change(h)
	}
	h.sign(k, cluster)
	ks := keys(cluster)
	_, err = c.client.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		p.Del(t.Context(), ks...)
		p.Set(t.Context(), ks[1], record, 24*time.Hour)
		p.HSet(t.Context(), ks[0], map[string]string(h))
		p.Expire(t.Context(), ks[0], 24*time.Hour)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestForgedEntriesWithAnHourToLiveAreRefused(t *testing.T) {
	server := redistest.Start(t)
	c := master(t, server.URL(), 1)
	w := statetest.New(1, 2, 10)
	hour := cachetest.Entry(1, w.State)
	hour.ExpiresAt = hour.ReceivedAt.Add(time.Hour)
	claimed := noKey()
	claimed.id = c.keys.signing.id // but not its secret
	for _, tc := range []struct {
		name string
		key  macKey
		want cause
	}{
		{"without a key", noKey(), causeKey},
		{"with a key of somebody's own", must(deriveKey(signingKey(9))), causeKey},
		{"under the ID of the master's key", claimed, causeMAC},
	} {
		t.Run(tc.name, func(t *testing.T) {
			forge(t, c, tc.key, "a", hour, nil)
			wantRefused(t, c, "a", tc.want)
			save(t, c, "a", entry(1, w))
			wantLoad(t, c, "a", w)
		})
	}
	t.Run("of an earlier version, without a MAC", func(t *testing.T) {
		forge(t, c, noKey(), "a", hour, nil)
		if err := c.client.HDel(t.Context(), keys("a")[0], macField).Err(); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, c, "a", causeFormat)
	})
}

func must(k macKey, err error) macKey {
	if err != nil {
		panic(err)
	}
	return k
}

// A writer with the key may have a wrong clock, and one without may claim any time.
func TestNoEntryLivesLongerThanTheReadersTTLOrIsFromATimeAhead(t *testing.T) {
	server := redistest.Start(t)
	for name, keys := range map[string][]byte{"with a signing key": {1}, "without": nil} {
		t.Run(name, func(t *testing.T) {
			c := master(t, server.URL(), keys...)
			w := statetest.New(1, 2, 10)
			at := func(received time.Duration) cache.Entry {
				e := cachetest.Entry(1, w.State)
				e.ReceivedAt = e.ReceivedAt.Add(received)
				e.ExpiresAt, e.DemandUntil = e.ReceivedAt.Add(time.Hour), e.ReceivedAt.Add(1000*time.Hour)
				return e
			}
			for _, tc := range []struct {
				name     string
				received time.Duration
				change   func(head)
				want     cause // "": it is taken
				fresh    bool
			}{
				{"an hour to live", 0, nil, "", true},
				{"somewhat ahead", 4 * time.Second, nil, "", true},
				{"ahead", 30 * time.Second, nil, causeTime, false},
				{"a year ahead", 365 * 24 * time.Hour, nil, causeTime, false},
				{"of a clock that is behind", -4 * time.Second, nil, "", true},
				{"as old as the TTL and the tolerance", -ttl - clockTolerance - 100*time.Millisecond, nil, "", false},
				{"an hour old", -time.Hour, nil, causeTime, false},
				{"kept for a day", -10 * time.Minute, func(h head) { h["keep"] = "86400000" }, causeTime, false},
				{"a term ahead", 0, func(h head) { h["term"] = fmt.Sprint(time.Now().Add(48 * time.Hour).UnixMilli()) }, causeTime, false},
				{"a term below zero", 0, func(h head) { h["term"] = "-1" }, causeTime, false},
				{"a session that ends when no calendar goes", 0, func(h head) { h["ends"] = "9223372036854775807" }, causeFormat, false},
				{"a TTL that overflows", 0, func(h head) { h["ttl"] = "9223372036854775807" }, causeFormat, false},
				{"a long text", 0, func(h head) { h["agent"] = strings.Repeat("x", maxText+1) }, causeFormat, false},
			} {
				t.Run(tc.name, func(t *testing.T) {
					c.seen = seenVersions{}
					forge(t, c, c.keys.signing, "a", at(tc.received), tc.change)
					if tc.want != "" {
						wantRefused(t, c, "a", tc.want)
						return
					}
					before := time.Now()
					e := wantLoad(t, c, "a", w)
					now := time.Now()
					if e.ReceivedAt.After(now) || e.ExpiresAt.After(e.ReceivedAt.Add(ttl)) || now.Before(e.ExpiresAt) != tc.fresh {
						t.Errorf("received %s ago, expires in %s", now.Sub(e.ReceivedAt), e.ExpiresAt.Sub(now))
					}
					if fresher := e.ReceivedAt.Sub(before.Add(tc.received).Add(clockTolerance)); fresher > time.Since(before) {
						t.Errorf("it is %s fresher than its receipt allows", fresher)
					}
					for _, s := range e.State.Sections {
						if s.ObservedAt.After(now) {
							t.Errorf("a section is observed at %s", s.ObservedAt)
						}
					}
				})
			}
		})
	}
}

// What Redis says is left of an entry makes it older, and never fresher than its receipt
// allows.
func TestWhatRedisKeepsForLongerIsNoFresher(t *testing.T) {
	w := statetest.New(1, 2, 10)
	received := time.UnixMilli(1_800_000_000_000)
	e := entry(1, w)
	e.ReceivedAt, e.ExpiresAt, e.DemandUntil = received, received.Add(ttl), received.Add(time.Hour)
	h := headOf(e, lifetimeOf(e, received), stored{}, nil)
	for _, tc := range []struct {
		after, left  time.Duration // by the clock since receipt, and what Redis says is left
		age          time.Duration
		fresh, taken bool
	}{
		{0, 70 * time.Second, 0, true, true},
		{3 * time.Second, 67 * time.Second, 3 * time.Second, true, true},
		{3 * time.Second, time.Hour, 0, true, true},
		{3 * time.Second, 62 * time.Second, 8 * time.Second, true, true},
		{-4 * time.Second, 68 * time.Second, 2 * time.Second, true, true}, // a clock that is behind the writer's
		{-5001 * time.Millisecond, 70 * time.Second, 0, false, false},
		{14 * time.Second, time.Hour, 9 * time.Second, true, true},
		{15 * time.Second, time.Hour, 10 * time.Second, false, true}, // as a base only
		{15 * time.Second, 55 * time.Second, 15 * time.Second, false, true},
		{74 * time.Second, time.Hour, 69 * time.Second, false, true},
		{75 * time.Second, time.Hour, 0, false, false},
		{20 * time.Second, time.Millisecond, 70 * time.Second, false, true},
	} {
		now := received.Add(tc.after)
		got, err := h.claim(now, tc.left, ttl)
		if err != nil || !tc.taken {
			if tc.taken || err == nil {
				t.Errorf("%s after receipt, with %s left: %v", tc.after, tc.left, err)
			}
			continue
		}
		if age := now.Sub(got.entry.ReceivedAt); (age-tc.age).Abs() > time.Millisecond || now.Before(got.entry.ExpiresAt) != tc.fresh {
			t.Errorf("%s after receipt, with %s left: %s old, expires in %s; want %s old", tc.after, tc.left, age, got.entry.ExpiresAt.Sub(now), tc.age)
		}
	}
}

// written saves a cluster four times, as a base and three entries of its log, and
// returns what Redis held after each.
func written(t *testing.T, c *Cache, cluster string) (w *statetest.Cluster, past []map[string]string) {
	t.Helper()
	w = statetest.New(1, 3, 60)
	for i := range 4 {
		if i > 0 {
			w.Step(1)
		}
		save(t, c, cluster, entry(1, w))
		past = append(past, dump(t, c, cluster))
	}
	return w, past
}

func TestAnotherClustersEntryIsRefused(t *testing.T) {
	server := redistest.Start(t)
	c := master(t, server.URL(), 1)
	w, _ := written(t, c, "a")
	stolen := map[string]string{}
	for key, value := range dump(t, c, "a") {
		stolen[strings.Replace(key, "{a}", "{b}", 1)] = value
	}
	put(t, c, stolen)
	wantRefused(t, c, "b", causeMAC)
	wantLoad(t, c, "a", w)

	// Parts of it within b's own.
	written(t, c, "b")
	own := dump(t, c, "b")
	for _, part := range keys("b") {
		put(t, c, own)
		put(t, c, map[string]string{part: stolen[part]})
		wantRefused(t, c, "b", causeMAC)
	}
}

func TestOlderPartsAreRefused(t *testing.T) {
	server := redistest.Start(t)
	c := master(t, server.URL(), 1)
	w, past := written(t, c, "a")
	now := past[3]
	// A base of another time, at the same seq as the first one.
	other := master(t, server.URL(), 1)
	save(t, other, "b", entry(1, statetest.New(1, 3, 60)))
	ks := keys("a")
	for name, values := range map[string]map[string]string{
		"the log of before": {ks[2]: past[2][ks[2]]}, "no log": {ks[2]: ""},
		"the head of before": {ks[0]: past[2][ks[0]]}, "the first head": {ks[0]: past[0][ks[0]]},
		"log and head crossed": {ks[2]: past[1][ks[2]], ks[0]: past[2][ks[0]]},
	} {
		t.Run(name, func(t *testing.T) {
			put(t, c, now)
			put(t, c, values)
			fresh := master(t, server.URL(), 1)
			wantRefused(t, fresh, "a", causeMAC)
		})
	}

	// All of it as it was: a reader that has seen a newer one refuses it; one that starts cannot
	// know, and takes it for as long as it may be served by its receipt.
	put(t, c, past[1])
	wantRefused(t, c, "a", causeOlder)
	fresh := master(t, server.URL(), 1)
	e, err := fresh.Load(t.Context(), "a", ttl)
	if err != nil || time.Until(e.ExpiresAt) > ttl {
		t.Errorf("got %v, which expires in %s", err, time.Until(e.ExpiresAt))
	}
	put(t, c, now)
	wantLoad(t, fresh, "a", w)
	put(t, c, past[1])
	wantRefused(t, fresh, "a", causeOlder)
	w.Step(1)
	save(t, c, "a", entry(1, w))
	wantLoad(t, fresh, "a", w)
}
