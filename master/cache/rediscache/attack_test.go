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
	"rollcall.dev/rollcall/master/report"
	"rollcall.dev/rollcall/test/redistest"
)

// ttl is the TTL of the readers in these tests.
const ttl = 10 * time.Second

// signingKey returns the signing key with number i.
func signingKey(i byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = i
	return ed25519.NewKeyFromSeed(seed)
}

// newCache returns a Cache with the first of the keys as its signing key, and the others as accepted
// keys. Without keys it has no signing key.
func newCache(t *testing.T, url string, keys ...byte) *Cache {
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

// newEntry returns a report that was received now and expires after ttl.
func newEntry(term uint64, w *statetest.Cluster) *report.Report {
	e := cachetest.Report(term, w.State)
	e.ExpiresAt = e.ReceivedAt.Add(ttl)
	return e
}

func save(t *testing.T, c *Cache, cluster string, e *report.Report) {
	t.Helper()
	saved := *e
	saved.Cluster = cluster
	if err := c.Save(t.Context(), &saved); err != nil {
		t.Fatal(err)
	}
}

func wantLoad(t *testing.T, c *Cache, cluster string, w *statetest.Cluster) *report.Report {
	t.Helper()
	e, err := c.Load(t.Context(), cluster, ttl)
	if err != nil {
		t.Fatal(err)
	}
	cachetest.WantState(t, e, w.State)
	return e
}

// wantRefused fails the test unless a load is refused with this cause, is counted by the metric, and
// changes nothing in Redis.
func wantRefused(t *testing.T, c *Cache, cluster string, want cause) {
	t.Helper()
	before, counted := contents(t, c, cluster), testutil.ToFloat64(c.recorder.refusals.WithLabelValues(string(want)))
	_, err := c.Load(t.Context(), cluster, ttl)
	var r *refusal
	if !errors.As(err, &r) || r.cause != want || !errors.Is(err, cache.ErrMiss) {
		t.Fatalf("got %v, want a refusal with the cause %s", err, want)
	}
	if n := testutil.ToFloat64(c.recorder.refusals.WithLabelValues(string(want))); n != counted+1 {
		t.Errorf("got the metric at %v after %v, want one more", n, counted)
	}
	if after := contents(t, c, cluster); !maps.Equal(before, after) {
		t.Error("the load changed the keys in Redis")
	}
}

// contents returns the values of a cluster's keys as text, by key. Equal values have equal texts.
func contents(t *testing.T, c *Cache, cluster string) map[string]string {
	t.Helper()
	values := dump(t, c, cluster)
	if kind := c.client.Type(t.Context(), redisKeys(cluster)[0]).Val(); kind == "hash" { // DUMP has the fields in any order
		values[redisKeys(cluster)[0]] = fmt.Sprint(c.client.HGetAll(t.Context(), redisKeys(cluster)[0]).Val())
	}
	return values
}

// dump returns the serialized values of a cluster's keys, by key.
func dump(t *testing.T, c *Cache, cluster string) map[string]string {
	t.Helper()
	values := map[string]string{}
	for _, key := range redisKeys(cluster) {
		value, err := c.client.Dump(t.Context(), key).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		values[key] = value
	}
	return values
}

// restore sets keys to serialized values with a TTL of an hour. It deletes those with an empty value.
func restore(t *testing.T, c *Cache, values map[string]string) {
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

// forge writes an entry to Redis like an attacker who knows the format and has the key k. change
// changes the head before it is signed.
func forge(t *testing.T, c *Cache, k macKey, cluster string, e *report.Report, change func(head)) {
	t.Helper()
	snapshot, hash, err := c.codec.SnapshotFrames(e.LazyState)
	if err != nil {
		t.Fatal(err)
	}
	r := flushEncoder{codec: c.codec, report: e, hash: hash}
	frames, err := r.snapshotFlush(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	bookmark, err := c.codec.EncodeAgent(r.bookmark())
	if err != nil {
		t.Fatal(err)
	}
	record, times := pack(frames), lifetimeOf(e)
	mac := k.signRecord(cluster, nil, recordNumbers{term: e.Term, epoch: e.Epoch, to: e.Seq, ttl: times.ttl, received: times.received}, record)
	h := newHead(e, recordChain{baseMAC: mac, lastMAC: mac, baseLen: int64(len(record))}, bookmark)
	if change != nil {
		change(h)
	}
	h.sign(k, cluster)
	ks := redisKeys(cluster)
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

func TestForgedEntriesAreRefused(t *testing.T) {
	server := redistest.Start(t)
	c := newCache(t, server.URL(), 1)
	w := statetest.New(1, 2, 10)
	hour := cachetest.Report(1, w.State)
	hour.ExpiresAt = hour.ReceivedAt.Add(time.Hour)
	claimed := wellKnownKey()
	claimed.id = c.keys.signing.id // with another secret
	for _, tc := range []struct {
		name string
		key  macKey
		want cause
	}{
		{"with the well-known key", wellKnownKey(), causeKey},
		{"with another key", must(deriveKey(signingKey(9))), causeKey},
		{"under the ID of the master's key", claimed, causeMAC},
	} {
		t.Run(tc.name, func(t *testing.T) {
			forge(t, c, tc.key, "a", hour, nil)
			wantRefused(t, c, "a", tc.want)
			save(t, c, "a", newEntry(1, w))
			wantLoad(t, c, "a", w)
		})
	}
	t.Run("without a MAC, by an old version", func(t *testing.T) {
		forge(t, c, wellKnownKey(), "a", hour, nil)
		if err := c.client.HDel(t.Context(), redisKeys("a")[0], macField).Err(); err != nil {
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

// TestStoredTimesAreLimited writes entries with wrong times: a writer with the key can have a wrong clock,
// and a writer without one can claim any time.
func TestStoredTimesAreLimited(t *testing.T) {
	server := redistest.Start(t)
	for name, keys := range map[string][]byte{"with a signing key": {1}, "without": nil} {
		t.Run(name, func(t *testing.T) {
			c := newCache(t, server.URL(), keys...)
			w := statetest.New(1, 2, 10)
			at := func(received time.Duration) *report.Report {
				e := cachetest.Report(1, w.State)
				e.ReceivedAt = e.ReceivedAt.Add(received)
				e.ExpiresAt, e.DemandUntil = e.ReceivedAt.Add(time.Hour), e.ReceivedAt.Add(1000*time.Hour)
				return e
			}
			for _, tc := range []struct {
				name     string
				received time.Duration
				change   func(head)
				want     cause // empty if accepted
				fresh    bool
			}{
				{"TTL of an hour", 0, nil, "", true},
				{"ahead within the tolerance", 4 * time.Second, nil, "", true},
				{"ahead", 30 * time.Second, nil, causeTime, false},
				{"a year ahead", 365 * 24 * time.Hour, nil, causeTime, false},
				{"behind within the tolerance", -4 * time.Second, nil, "", true},
				{"older than TTL and tolerance", -ttl - clockTolerance - 100*time.Millisecond, nil, "", false},
				{"an hour old", -time.Hour, nil, causeTime, false},
				{"kept for a day", -10 * time.Minute, func(h head) { h["keep"] = "86400000" }, causeTime, false},
				{"term ahead", 0, func(h head) { h["term"] = fmt.Sprint(time.Now().Add(49 * time.Hour).UnixMilli()) }, causeTime, false},
				{"negative term", 0, func(h head) { h["term"] = "-1" }, causeTime, false},
				{"end of session out of range", 0, func(h head) { h["ends"] = "9223372036854775807" }, causeFormat, false},
				{"TTL overflows", 0, func(h head) { h["ttl"] = "9223372036854775807" }, causeFormat, false},
				{"long text", 0, func(h head) { h["agent"] = strings.Repeat("x", maxTextLen+1) }, causeFormat, false},
			} {
				t.Run(tc.name, func(t *testing.T) {
					c.rollback = rollbackGuard{}
					forge(t, c, c.keys.signing, "a", at(tc.received), tc.change)
					if tc.want != "" {
						wantRefused(t, c, "a", tc.want)
						return
					}
					before := time.Now()
					e := wantLoad(t, c, "a", w)
					now := time.Now()
					if e.ReceivedAt.After(now) || e.ExpiresAt.After(e.ReceivedAt.Add(ttl)) || now.Before(e.ExpiresAt) != tc.fresh {
						t.Errorf("got an entry received %s ago that expires in %s, want one received in the past, for at most its TTL", now.Sub(e.ReceivedAt), e.ExpiresAt.Sub(now))
					}
					if fresher := e.ReceivedAt.Sub(before.Add(tc.received).Add(clockTolerance)); fresher > time.Since(before) {
						t.Errorf("got an entry %s fresher than its receipt allows, want at most the tolerance", fresher)
					}
					for _, s := range e.Sections {
						if s.ObservedAt.After(now) {
							t.Errorf("got a section observed at %s, want no time in the future", s.ObservedAt)
						}
					}
				})
			}
		})
	}
}

// TestLongerTTLInRedisMakesNoEntryFresher checks that the remaining TTL in Redis can make an entry older,
// but never fresher than its receipt allows.
func TestLongerTTLInRedisMakesNoEntryFresher(t *testing.T) {
	w := statetest.New(1, 2, 10)
	received := time.UnixMilli(1_800_000_000_000)
	e := newEntry(1, w)
	e.ReceivedAt, e.ExpiresAt, e.DemandUntil = received, received.Add(ttl), received.Add(time.Hour)
	h := newHead(e, recordChain{}, nil)
	for _, tc := range []struct {
		after, left     time.Duration // time since receipt by the clock, and remaining TTL in Redis
		age             time.Duration
		fresh, accepted bool
	}{
		{0, 70 * time.Second, 0, true, true},
		{3 * time.Second, 67 * time.Second, 3 * time.Second, true, true},
		{3 * time.Second, time.Hour, 0, true, true},
		{3 * time.Second, 62 * time.Second, 8 * time.Second, true, true},
		{-4 * time.Second, 68 * time.Second, 2 * time.Second, true, true}, // the reader's clock is behind
		{-5001 * time.Millisecond, 70 * time.Second, 0, false, false},
		{14 * time.Second, time.Hour, 9 * time.Second, true, true},
		{15 * time.Second, time.Hour, 10 * time.Second, false, true}, // only as a base
		{15 * time.Second, 55 * time.Second, 15 * time.Second, false, true},
		{74 * time.Second, time.Hour, 69 * time.Second, false, true},
		{75 * time.Second, time.Hour, 0, false, false},
		{20 * time.Second, time.Millisecond, 70 * time.Second, false, true},
	} {
		now := received.Add(tc.after)
		got, err := h.parse(now, tc.left, ttl)
		if err != nil || !tc.accepted {
			if tc.accepted || err == nil {
				t.Errorf("%s after receipt, %s left: got %v", tc.after, tc.left, err)
			}
			continue
		}
		if age := now.Sub(got.report.ReceivedAt); (age-tc.age).Abs() > time.Millisecond || now.Before(got.report.ExpiresAt) != tc.fresh {
			t.Errorf("%s after receipt, %s left: got age %s and expiry in %s, want age %s", tc.after, tc.left, age, got.report.ExpiresAt.Sub(now), tc.age)
		}
	}
}

// saveVersions saves a cluster four times, as a base and three entries of the log. It returns a dump
// of its keys after each save.
func saveVersions(t *testing.T, c *Cache, cluster string) (w *statetest.Cluster, dumps []map[string]string) {
	t.Helper()
	w = statetest.New(1, 3, 60)
	for i := range 4 {
		if i > 0 {
			w.Step(1)
		}
		save(t, c, cluster, newEntry(1, w))
		dumps = append(dumps, dump(t, c, cluster))
	}
	return w, dumps
}

func TestEntryOfAnotherClusterIsRefused(t *testing.T) {
	server := redistest.Start(t)
	c := newCache(t, server.URL(), 1)
	w, _ := saveVersions(t, c, "a")
	copied := map[string]string{}
	for key, value := range dump(t, c, "a") {
		copied[strings.Replace(key, "{a}", "{b}", 1)] = value
	}
	restore(t, c, copied)
	wantRefused(t, c, "b", causeMAC)
	wantLoad(t, c, "a", w)

	// Single parts of it among the parts of b.
	saveVersions(t, c, "b")
	own := dump(t, c, "b")
	for _, part := range redisKeys("b") {
		restore(t, c, own)
		restore(t, c, map[string]string{part: copied[part]})
		wantRefused(t, c, "b", causeMAC)
	}
}

func TestRestoredOlderPartsAreRefused(t *testing.T) {
	server := redistest.Start(t)
	c := newCache(t, server.URL(), 1)
	w, dumps := saveVersions(t, c, "a")
	latest := dumps[3]
	ks := redisKeys("a")
	for name, values := range map[string]map[string]string{
		"previous log": {ks[2]: dumps[2][ks[2]]}, "no log": {ks[2]: ""},
		"previous head": {ks[0]: dumps[2][ks[0]]}, "first head": {ks[0]: dumps[0][ks[0]]},
		"log and head of different saves": {ks[2]: dumps[1][ks[2]], ks[0]: dumps[2][ks[0]]},
	} {
		t.Run(name, func(t *testing.T) {
			restore(t, c, latest)
			restore(t, c, values)
			fresh := newCache(t, server.URL(), 1)
			wantRefused(t, fresh, "a", causeMAC)
		})
	}

	// All keys of an earlier save: a reader that has seen a newer version refuses it. A new reader
	// accepts it, but only until its expiry by the receipt.
	restore(t, c, dumps[1])
	wantRefused(t, c, "a", causeOlder)
	fresh := newCache(t, server.URL(), 1)
	e, err := fresh.Load(t.Context(), "a", ttl)
	if err != nil || time.Until(e.ExpiresAt) > ttl {
		t.Errorf("got error %v, expiry in %s, want at most %s", err, time.Until(e.ExpiresAt), ttl)
	}
	restore(t, c, latest)
	wantLoad(t, fresh, "a", w)
	restore(t, c, dumps[1])
	wantRefused(t, fresh, "a", causeOlder)
	w.Step(1)
	save(t, c, "a", newEntry(1, w))
	wantLoad(t, fresh, "a", w)
}
