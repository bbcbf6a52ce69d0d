package rediscache_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/cache/cachetest"
	"rollcall.dev/rollcall/master/cache/rediscache"
	"rollcall.dev/rollcall/test/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logs is a log output that is safe for concurrent use.
type logs struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *logs) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.FieldsFunc(l.all.String(), func(r rune) bool { return r == '\n' })
}

func open(t *testing.T, url string) (*rediscache.Cache, *logs, *prometheus.Registry) {
	t.Helper()
	out, metrics := &logs{}, prometheus.NewRegistry()
	c, err := rediscache.New(rediscache.Config{URL: url, Log: slog.New(slog.NewTextHandler(out, nil)), Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, out, metrics
}

// wantUp fails the test unless rollcall_redis_up has the wanted value.
func wantUp(t *testing.T, metrics *prometheus.Registry, up int) {
	t.Helper()
	want := fmt.Sprintf("# HELP rollcall_redis_up Whether Redis is available (1) or not (0), as of the last call.\n# TYPE rollcall_redis_up gauge\nrollcall_redis_up %d\n", up)
	if err := testutil.GatherAndCompare(metrics, strings.NewReader(want), "rollcall_redis_up"); err != nil {
		t.Error(err)
	}
}

func TestRedis(t *testing.T) {
	server := redistest.Start(t)
	cachetest.Run(t, func(t *testing.T) cache.Store {
		if reply, err := server.Do("FLUSHALL"); err != nil || reply != "+OK" {
			t.Fatalf("flush: %s, %v", reply, err)
		}
		c, _, _ := open(t, server.URL())
		return c
	})
}

func TestRedisCluster(t *testing.T) {
	_, bus, _ := strings.Cut(redistest.FreeAddr(t), ":")
	server := redistest.Start(t, "--cluster-enabled", "yes", "--cluster-port", bus)
	if reply, err := server.Do("CLUSTER ADDSLOTSRANGE 0 16383"); err != nil || reply != "+OK" {
		t.Fatalf("add slots: %s, %v", reply, err)
	}
	cachetest.Eventually(t, "the Redis Cluster accepts writes", func() bool {
		reply, err := server.Do("SET ready yes")
		return err == nil && reply == "+OK"
	})
	cachetest.Run(t, func(t *testing.T) cache.Store {
		if reply, err := server.Do("FLUSHALL"); err != nil || reply != "+OK" {
			t.Fatalf("flush: %s, %v", reply, err)
		}
		c, _, _ := open(t, server.URL()+"?cluster=true")
		return c
	})
	for _, key := range []string{"head", "base", "log", "term"} {
		slot, err := server.Do("CLUSTER KEYSLOT rollcall:{prod-eu}:" + key)
		want, _ := server.Do("CLUSTER KEYSLOT prod-eu")
		if err != nil || slot != want {
			t.Errorf("%s: got slot %s, want that of the cluster's name, %s (%v)", key, slot, want, err)
		}
	}
}

func TestRedisSentinel(t *testing.T) {
	server := redistest.Start(t)
	sentinel := server.Sentinel("rollcall")
	c, out, _ := open(t, sentinel.URL()+"?master_name=rollcall")
	e := cachetest.Report(1, statetest.New(1, 2, 10).State)
	if err := c.Save(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	got, err := c.Load(t.Context(), "a", cachetest.LongTTL)
	if err != nil {
		t.Fatal(err)
	}
	cachetest.WantState(t, got, cachetest.StateOf(t, e))
	if lines := out.lines(); len(lines) > 0 {
		t.Errorf("got log lines %q, want none", lines)
	}
}

func TestNewMasterContinuesFromStoredEntries(t *testing.T) {
	server := redistest.Start(t)
	first, _, _ := open(t, server.URL())
	w := statetest.New(1, 3, 60)
	for range 10 {
		if err := first.Save(t.Context(), cachetest.Report(1, w.State)); err != nil {
			t.Fatal(err)
		}
		w.Step(2)
	}
	e := cachetest.Report(1, w.State)
	e.ReceivedAt = time.Now().Add(-30 * time.Second)
	e.ExpiresAt = time.Now().Add(30 * time.Second)
	e.DemandUntil = time.Now().Add(time.Hour)
	if err := first.Save(t.Context(), e); err != nil {
		t.Fatal(err)
	}

	second, _, _ := open(t, server.URL())
	got, err := second.Load(t.Context(), "a", cachetest.LongTTL)
	if err != nil {
		t.Fatal(err)
	}
	cachetest.WantState(t, got, w.State)
	for field, pair := range map[string][2]time.Time{
		"ReceivedAt": {got.ReceivedAt, e.ReceivedAt}, "ExpiresAt": {got.ExpiresAt, e.ExpiresAt}, "DemandUntil": {got.DemandUntil, e.DemandUntil},
	} {
		if off := pair[0].Sub(pair[1]).Abs(); off > time.Second {
			t.Errorf("%s: got a difference of %s, want at most 1 s", field, off)
		}
	}
	if got.Version() != e.Version() {
		t.Errorf("got version %s, want %s", got.Version(), e.Version())
	}

	// Its first save appends to the stored base.
	base, err := server.Do("GET rollcall:{a}:base")
	if err != nil {
		t.Fatal(err)
	}
	w.Step(2)
	if err := second.Save(t.Context(), cachetest.Report(2, w.State)); err != nil {
		t.Fatal(err)
	}
	w.Step(2)
	if err := second.Save(t.Context(), cachetest.Report(2, w.State)); err != nil {
		t.Fatal(err)
	}
	if now, err := server.Do("GET rollcall:{a}:base"); err != nil || now != base {
		t.Errorf("got another base (%v), want it unchanged", err)
	}
	again, err := second.Load(t.Context(), "a", cachetest.LongTTL)
	if err != nil {
		t.Fatal(err)
	}
	cachetest.WantState(t, again, w.State)
}

func TestAllKeysOfAClusterExpire(t *testing.T) {
	server := redistest.Start(t)
	c, _, _ := open(t, server.URL())
	w := statetest.New(1, 3, 60)
	for range 3 {
		if err := c.Save(t.Context(), cachetest.Report(1, w.State)); err != nil {
			t.Fatal(err)
		}
		w.Step(1)
	}
	for _, key := range []string{"head", "base", "log"} {
		reply, err := server.Do("PTTL rollcall:{a}:" + key)
		var left int
		if _, scanned := fmt.Sscanf(reply, ":%d", &left); err != nil || scanned != nil || left <= 60_000 || left > 120_000 {
			t.Errorf("%s: got a TTL of %s ms, want one minute until expiry and one for the next session, %v", key, reply, err)
		}
	}
}

func TestLogStaysShorterThanItsBase(t *testing.T) {
	server := redistest.Start(t)
	c, _, metrics := open(t, server.URL())
	w := statetest.New(1, 5, 200)
	for range 300 {
		w.Step(2)
		if err := c.Save(t.Context(), cachetest.Report(1, w.State)); err != nil {
			t.Fatal(err)
		}
	}
	var log, base int
	if reply, _ := server.Do("EVAL \"local n=0 for _,e in ipairs(redis.call('XRANGE',KEYS[1],'-','+')) do n=n+#e[2][2] end return n\" 1 rollcall:{a}:log"); !scan(reply, &log) {
		t.Fatalf("log: %s", reply)
	}
	if reply, _ := server.Do("STRLEN rollcall:{a}:base"); !scan(reply, &base) {
		t.Fatalf("base: %s", reply)
	}
	if log > base {
		t.Errorf("got a log of %d bytes after a base of %d, want a shorter one", log, base)
	}
	written, err := testutil.GatherAndCount(metrics, "rollcall_redis_written_bytes_total")
	if err != nil || written != 1 {
		t.Errorf("got %d metrics of written bytes, error %v, want 1", written, err)
	}
	got, err := c.Load(t.Context(), "a", cachetest.LongTTL)
	if err != nil {
		t.Fatal(err)
	}
	cachetest.WantState(t, got, w.State)
}

func scan(reply string, n *int) bool {
	_, err := fmt.Sscanf(reply, ":%d", n)
	return err == nil
}

func TestLostPartsAreReplaced(t *testing.T) {
	for _, lost := range []string{"head", "base", "log"} {
		t.Run(lost, func(t *testing.T) {
			server := redistest.Start(t)
			c, _, _ := open(t, server.URL())
			w := statetest.New(1, 3, 60)
			for range 3 {
				if err := c.Save(t.Context(), cachetest.Report(1, w.State)); err != nil {
					t.Fatal(err)
				}
				w.Step(1)
			}
			if reply, err := server.Do("DEL rollcall:{a}:" + lost); err != nil || reply != ":1" {
				t.Fatalf("%s, %v", reply, err)
			}
			if _, err := c.Load(t.Context(), "a", cachetest.LongTTL); err == nil {
				t.Fatal("got an entry although a part is missing, want an error")
			}
			if err := c.Save(t.Context(), cachetest.Report(1, w.State)); err != nil {
				t.Fatal(err)
			}
			got, err := c.Load(t.Context(), "a", cachetest.LongTTL)
			if err != nil {
				t.Fatal(err)
			}
			cachetest.WantState(t, got, w.State)
		})
	}
}

func TestGarbageIsRefusedAndReplaced(t *testing.T) {
	for name, command := range map[string]string{
		"base":        "SET rollcall:{a}:base garbage KEEPTTL",
		"base cut":    "SETRANGE rollcall:{a}:base 0 \"\\xff\\xff\\xff\\xff\\x0f\"",
		"log":         "XADD rollcall:{a}:log * frames garbage",
		"bookmark":    "HSET rollcall:{a}:head bookmark garbage",
		"ttl":         "HSET rollcall:{a}:head ttl soon",
		"epoch":       "HSET rollcall:{a}:head epoch zz",
		"no bookmark": "HSET rollcall:{a}:head bookmark \"\"",
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			c, _, _ := open(t, server.URL())
			e := cachetest.Report(1, statetest.New(1, 3, 60).State)
			if err := c.Save(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			if reply, err := server.Do(command); err != nil || strings.HasPrefix(reply, "-") {
				t.Fatalf("%s, %v", reply, err)
			}
			if _, err := c.Load(t.Context(), "a", cachetest.LongTTL); !errors.Is(err, cache.ErrMiss) || errors.Is(err, cache.ErrUnavailable) || !strings.Contains(err.Error(), "refused: ") {
				t.Fatalf("got %v, want a miss with the reason", err)
			}
			if err := c.Save(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			got, err := c.Load(t.Context(), "a", cachetest.LongTTL)
			if err != nil {
				t.Fatal(err)
			}
			cachetest.WantState(t, got, cachetest.StateOf(t, e))
		})
	}
}
