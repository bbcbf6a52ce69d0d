package rediscache

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/report"
	"rollcall.dev/rollcall/test/redistest"
)

// TestSavesAreLimited checks that a Save that is not admitted in time fails, and sends nothing.
func TestSavesAreLimited(t *testing.T) {
	server := redistest.Start(t)
	c, err := New(Config{URL: server.URL(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	c.rate = rate.NewLimiter(rate.Every(time.Hour), 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	now := time.Now()
	for i, cluster := range []string{"a", "b"} {
		r := &report.Report{Cluster: cluster, Term: 1, ReceivedAt: now, ExpiresAt: now.Add(time.Minute), TTL: time.Minute, LazyState: wire.NewLazyState(&state.State{Epoch: 1, Seq: 1})}
		if err := c.Save(ctx, r); (err == nil) != (i == 0) {
			t.Errorf("save %d: got error %v, want only the second one to fail", i+1, err)
		}
	}
	if reply, err := server.Do("EXISTS rollcall:{b}:head"); err != nil || reply != ":0" {
		t.Errorf("got %s, %v, want no entry of b", reply, err)
	}
}
