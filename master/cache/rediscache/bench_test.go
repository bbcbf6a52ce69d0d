package rediscache_test

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/cache/cachetest"
	"rollcall.dev/rollcall/master/cache/rediscache"
	"rollcall.dev/rollcall/master/report"
	"rollcall.dev/rollcall/test/redistest"
)

// BenchmarkRedis saves and loads a cluster of 1,000 pods in a real Redis: saves in which two objects
// changed, saves of a new base, and the load of a master that starts.
func BenchmarkRedis(b *testing.B) {
	server := redistest.Start(b)
	open := func(b *testing.B) (*rediscache.Cache, *prometheus.Registry) {
		metrics := prometheus.NewRegistry()
		c, err := rediscache.New(rediscache.Config{URL: server.URL(), SigningKey: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), Log: slog.New(slog.DiscardHandler), Metrics: metrics})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() })
		return c, metrics
	}
	save := func(b *testing.B, c *rediscache.Cache, e *report.Report) {
		if err := c.Save(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
	w := statetest.New(1, 20, 1000)
	b.Run("SaveOfTwoChanges", func(b *testing.B) {
		c, metrics := open(b)
		save(b, c, cachetest.Report(1, w.State))
		before := written(b, metrics)
		for b.Loop() {
			b.StopTimer()
			w.Step(2)
			e := cachetest.Report(1, w.State)
			b.StartTimer()
			save(b, c, e)
		}
		b.ReportMetric((written(b, metrics)-before)/float64(b.N), "written-B/op")
	})
	b.Run("SaveOfAll", func(b *testing.B) {
		c, metrics := open(b)
		for term := uint64(2); b.Loop(); term++ {
			b.StopTimer()
			if err := c.Delete(b.Context(), "a"); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			save(b, c, cachetest.Report(term, w.State))
		}
		b.ReportMetric(written(b, metrics)/float64(b.N), "written-B/op")
	})
	b.Run("Load", func(b *testing.B) {
		c, _ := open(b)
		e := cachetest.Report(1<<40, w.State)
		e.ExpiresAt = e.ExpiresAt.Add(time.Hour)
		save(b, c, e)
		for b.Loop() {
			if _, err := c.Load(b.Context(), "a", cachetest.LongTTL); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// written returns the value of rollcall_redis_written_bytes_total.
func written(b *testing.B, metrics *prometheus.Registry) float64 {
	families, err := metrics.Gather()
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "rollcall_redis_written_bytes_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return 0
}

// BenchmarkFollow saves a change of a cluster of 300 pods, and waits until another master has the report.
func BenchmarkFollow(b *testing.B) {
	server := redistest.Start(b)
	owner, _ := rediscache.New(rediscache.Config{URL: server.URL(), Log: slog.New(slog.DiscardHandler)})
	other, _ := rediscache.New(rediscache.Config{URL: server.URL(), Log: slog.New(slog.DiscardHandler)})
	defer owner.Close()
	defer other.Close()
	ctx, cancel := context.WithCancel(b.Context())
	seqs, ended := make(chan uint64, 1), make(chan error, 1)
	go func() {
		ended <- other.Follow(ctx, cache.Follower{
			TTL:      func(string) (time.Duration, bool) { return cachetest.LongTTL, true },
			Compact:  func(string, *wire.LazyState) bool { return false },
			OnReport: func(r *report.Report) { seqs <- r.Seq },
		})
	}()
	w := statetest.New(1, 10, 300)
	save := func() {
		w.Step(1)
		if err := owner.Save(b.Context(), cachetest.Report(1, w.State)); err != nil {
			b.Fatal(err)
		}
	}
	for followed := false; !followed; { // until it has subscribed
		save()
		select {
		case <-seqs:
			followed = true
		case <-time.After(100 * time.Millisecond):
		}
	}
	for b.Loop() {
		save()
		for seq := range seqs {
			if seq == w.State.Seq {
				break
			}
		}
	}
	cancel()
	if err := <-ended; err != nil {
		b.Error(err)
	}
}
