package rediscache

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/cache/cachetest"
	"rollcall.dev/rollcall/master/report"
	"rollcall.dev/rollcall/test/redistest"
)

// follower is a master that follows the saves of others.
type follower struct {
	cache *Cache

	mu      sync.Mutex
	reports map[string][]*report.Report
}

// newMaster returns a Cache of a master with an ID, and the keys with these numbers.
func newMaster(t *testing.T, url, holder string, keys ...byte) *Cache {
	t.Helper()
	c := newCache(t, url, keys...)
	c.holder = holder
	return c
}

// startFollower returns a master that follows all clusters but the one named unknown, when its subscription is active.
func startFollower(t *testing.T, c *Cache, compact bool) *follower {
	t.Helper()
	f := &follower{cache: c, reports: map[string][]*report.Report{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- c.Follow(ctx, cache.Follower{
			TTL:     func(cluster string) (time.Duration, bool) { return ttl, cluster != "unknown" },
			Compact: func(string, *wire.LazyState) bool { return compact },
			OnReport: func(r *report.Report) {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.reports[r.Cluster] = append(f.reports[r.Cluster], r)
			},
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	cachetest.Eventually(t, "the follower subscribes", func() bool {
		n, err := c.client.PubSubNumSub(context.Background(), c.saves).Result()
		return err == nil && n[c.saves] > 0
	})
	return f
}

func (f *follower) all(cluster string) []*report.Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reports[cluster]
}

// want waits for the report of a version, and compares its State.
func (f *follower) want(t *testing.T, cluster string, term uint64, w *statetest.Cluster) *report.Report {
	t.Helper()
	var last *report.Report
	cachetest.Eventually(t, fmt.Sprintf("%s at seq %d of term %d", cluster, w.State.Seq, term), func() bool {
		all := f.all(cluster)
		if len(all) > 0 {
			last = all[len(all)-1]
		}
		return last != nil && last.Term == term && last.Seq == w.State.Seq
	})
	cachetest.WantState(t, last, w.State)
	return last
}

// wantLoads fails the test unless Redis has run the load script n times.
func wantLoads(t *testing.T, f *follower, n int) {
	t.Helper()
	stats, err := f.cache.client.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for line := range strings.Lines(stats) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_xrange:calls="); ok {
			_, _ = fmt.Sscanf(rest, "%d,", &calls)
		}
	}
	if calls != n {
		t.Errorf("the follower has loaded entries %d times, want %d", calls, n)
	}
}

func TestFollowerGetsEachSaveWithoutALoad(t *testing.T) {
	for _, compact := range []bool{false, true} {
		t.Run(fmt.Sprintf("compact %t", compact), func(t *testing.T) {
			server := redistest.Start(t)
			owner := newMaster(t, server.URL(), "owner", 1)
			f := startFollower(t, newMaster(t, server.URL(), "follower", 1), compact)
			w := statetest.New(1, 3, 20)
			var last *report.Report
			for i := range 200 {
				save(t, owner, "a", newEntry(1, w))
				last = f.want(t, "a", 1, w)
				if i%3 == 0 {
					w.Sample(state.Time(1_800_000_000 + i))
				}
				if i%5 != 0 {
					w.Step(2)
				}
			}
			if compact != last.IsCompact() {
				t.Errorf("got a compact report: %t, want %t", last.IsCompact(), compact)
			}
			wantLoads(t, f, 0)
			if n := len(f.all("a")); n != 200 {
				t.Errorf("got %d reports, want 200", n)
			}
		})
	}
}

func TestFollowerLoadsWhatWasNotAnnounced(t *testing.T) {
	server := redistest.Start(t)
	owner := newMaster(t, server.URL(), "owner", 1)
	w := statetest.New(1, 20, 400) // its base exceeds the limit of a message
	save(t, owner, "a", newEntry(1, w))
	w.Step(1)
	f := startFollower(t, newMaster(t, server.URL(), "follower", 1), false)
	save(t, owner, "a", newEntry(1, w))
	f.want(t, "a", 1, w)
	wantLoads(t, f, 1)
	for range 10 {
		w.Step(1)
		save(t, owner, "a", newEntry(1, w))
		f.want(t, "a", 1, w)
	}
	wantLoads(t, f, 1)
	save(t, owner, "a", newEntry(1, w)) // only times have changed
	cachetest.Eventually(t, "the report whose times have changed", func() bool { return len(f.all("a")) == 12 })
	wantLoads(t, f, 1)

	// The base is written again by another master, which takes over.
	next := newMaster(t, server.URL(), "next", 1)
	w.Step(300)
	save(t, next, "a", newEntry(2, w))
	f.want(t, "a", 2, w)
	wantLoads(t, f, 2)
	for range 20 { // it writes the base several times
		w.Step(5)
		save(t, next, "a", newEntry(2, w))
		f.want(t, "a", 2, w)
	}
	wantLoads(t, f, 2)
}

func TestFollowerContinuesAfterRedisWasAway(t *testing.T) {
	server := redistest.Start(t)
	owner := newMaster(t, server.URL(), "owner", 1)
	f := startFollower(t, newMaster(t, server.URL(), "follower", 1), false)
	w := statetest.New(1, 3, 20)
	save(t, owner, "a", newEntry(1, w))
	f.want(t, "a", 1, w)
	server.Stop()
	w.Step(5)
	server.Start()
	cachetest.Eventually(t, "the follower gets saves again", func() bool {
		w.Step(1)
		_ = owner.Save(t.Context(), func() *report.Report { e := newEntry(1, w); e.Cluster = "a"; return e }())
		all := f.all("a")
		return all[len(all)-1].Seq == w.State.Seq
	})
	f.want(t, "a", 1, w)
}

func TestFollowerWithAnotherSigningKey(t *testing.T) {
	server := redistest.Start(t)
	owner := newMaster(t, server.URL(), "owner", 1, 2)
	next := newMaster(t, server.URL(), "next", 2, 1)
	f := startFollower(t, next, false)
	w := statetest.New(1, 3, 20)
	for range 5 {
		save(t, owner, "a", newEntry(1, w))
		f.want(t, "a", 1, w)
		w.Step(2)
	}
	// It takes over, and must not append to records with the other key.
	save(t, next, "a", newEntry(2, w))
	wantLoad(t, newMaster(t, server.URL(), "reader", 2), "a", w)
	foreign := newMaster(t, server.URL(), "foreign", 3)
	w.Step(1)
	save(t, foreign, "b", newEntry(1, w))
	cachetest.Eventually(t, "the message of a master with an unknown key is refused", func() bool {
		return testutil.ToFloat64(next.recorder.refusals.WithLabelValues(string(causeKey))) > 0
	})
	if all := f.all("b"); len(all) > 0 {
		t.Errorf("got %d reports with an unknown key", len(all))
	}
}

func TestFollowerIgnoresOwnAndUnknown(t *testing.T) {
	server := redistest.Start(t)
	c := newMaster(t, server.URL(), "follower", 1)
	owner := newMaster(t, server.URL(), "owner", 1)
	f := startFollower(t, c, false)
	w := statetest.New(1, 3, 20)
	save(t, c, "a", newEntry(1, w))
	save(t, owner, "unknown", newEntry(1, w))
	save(t, owner, "b", newEntry(1, w))
	f.want(t, "b", 1, w)
	for _, cluster := range []string{"a", "unknown"} {
		if all := f.all(cluster); len(all) > 0 {
			t.Errorf("%s: got %d reports, want none", cluster, len(all))
		}
	}
}

// savedMessage returns the message of a save script as parts.
func savedMessage(t *testing.T, c *Cache, cluster string, e *report.Report) [][]byte {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sub := c.client.Subscribe(ctx, c.saves)
	defer func() { _ = sub.Close() }()
	if _, err := sub.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	save(t, c, cluster, e)
	m, err := sub.ReceiveMessage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var parts [][]byte
	for b := []byte(m.Payload); len(b) > 0; {
		n := binary.BigEndian.Uint32(b)
		parts, b = append(parts, b[4:4+n]), b[4+n:]
	}
	return parts
}

func join(parts [][]byte) string {
	var b []byte
	for _, p := range parts {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
	}
	return string(b)
}

// TestForgedMessagesAreRefused changes each part of a message, cuts it, repeats it and sends garbage: none of that
// reaches a reader, and none of it changes what the next save of the owner leads to.
func TestForgedMessagesAreRefused(t *testing.T) {
	server := redistest.Start(t)
	owner := newMaster(t, server.URL(), "owner", 1)
	f := startFollower(t, newMaster(t, server.URL(), "follower", 1), false)
	w := statetest.New(1, 3, 20)
	first := savedMessage(t, owner, "a", newEntry(1, w))
	f.want(t, "a", 1, w)
	w.Step(2)
	parts := savedMessage(t, owner, "a", newEntry(1, w))
	f.want(t, "a", 1, w)
	send := func(payload string) {
		t.Helper()
		if err := owner.client.Publish(t.Context(), owner.saves, payload).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range parts {
		if i == 1 || i == 4 { // the sender and the remaining time, which no MAC covers
			continue
		}
		changed := append([][]byte(nil), parts...)
		changed[i] = append([]byte("x"), parts[i]...)
		send(join(changed))
	}
	send(join(first))
	whole := join(parts)
	for _, n := range []int{0, 3, len(whole) / 2, len(whole) - 1} {
		send(whole[:n])
	}
	send(whole + whole)
	send("\xff\xff\xff\xff" + whole)
	send(strings.Repeat("x", maxSaveMessage+1))
	longer := append([][]byte(nil), parts...)
	longer[4] = []byte("100000000") // Redis would have it for a day
	send(join(longer))
	w.Step(1)
	save(t, owner, "a", newEntry(1, w))
	got := f.want(t, "a", 1, w)
	seqs := map[uint64]bool{}
	for _, r := range f.all("a") {
		seqs[r.Seq] = true
		if left := time.Until(r.ExpiresAt); left > ttl {
			t.Errorf("seq %d expires in %s, later than the TTL of %s", r.Seq, left, ttl)
		}
	}
	if len(seqs) != 3 || got.Term != 1 {
		t.Errorf("got the seqs %v, want three", seqs)
	}
	if all := f.all("x" + "a"); len(all) > 0 {
		t.Error("a report of another cluster was accepted")
	}
}

func FuzzSaveMessage(f *testing.F) {
	parts := make([][]byte, 5+len(headFields))
	parts[4] = []byte("1000")
	f.Add([]byte(join(parts)))
	f.Add([]byte("\x00\x00\x00\x01a"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = parseSaveMessage(b)
	})
}
