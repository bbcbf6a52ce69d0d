package session

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"
)

// BenchmarkParallelHits measures requests for a fresh report by many goroutines.
func BenchmarkParallelHits(b *testing.B) {
	a := newFakeAgent(b, "a")
	defer a.close()
	r := &fakeRegistry{clusters: map[string]Cluster{"a": {
		Name: "a", Endpoint: "ws://a:1", RequestPeriod: time.Second, SessionDuration: time.Hour, CacheTTL: time.Minute,
	}}}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return a.listener.Dial(ctx) }
	s := New(Config{Registry: r, Insecure: true, Log: slog.New(slog.DiscardHandler), DialContext: dial})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Run(ctx)
	}()
	if _, err := s.Await(ctx, "a"); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Await(ctx, "a"); err != nil {
				b.Error(err)
			}
		}
	})
	stop()
	<-ended
}
