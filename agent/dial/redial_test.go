package dial

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestManyAgentsAreBackSoonAndSpread has many agents whose master is down for half a minute. When it is up again, all
// of them dial it within the longest delay, and not at the same time.
func TestManyAgentsAreBackSoonAndSpread(t *testing.T) {
	const agents, outage = 1000, 30 * time.Second
	synctest.Test(t, func(t *testing.T) {
		up := time.Now().Add(outage)
		ctx, cancel := context.WithTimeout(context.Background(), outage+retryDelay.Max+time.Second)
		defer cancel()
		var mu sync.Mutex
		perSecond, back := map[int]int{}, 0
		var running sync.WaitGroup
		for i := range agents {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			ctx, linked := context.WithCancel(ctx)
			d := New(Config{
				Target:  func() (Target, error) { return Target{Hub: &url.URL{Scheme: "wss", Host: "hub:443"}}, nil },
				Cluster: "prod-eu", UID: func() (string, bool) { return "uid", true }, Key: func() (crypto.Signer, error) { return nil, errors.New("no key") },
				Random: random.Float64, Log: slog.New(slog.DiscardHandler),
				DialContext: func(context.Context, string, string) (net.Conn, error) {
					if late := time.Since(up); late >= 0 {
						mu.Lock()
						back++
						perSecond[int(late/time.Second)]++
						mu.Unlock()
						linked()
					}
					return nil, errors.New("connection refused")
				},
			})
			running.Go(func() { _ = d.Run(ctx) })
		}
		running.Wait()
		if back != agents {
			t.Errorf("%d of %d agents dialed within %s after the master was up again", back, agents, retryDelay.Max)
		}
		for second, n := range perSecond {
			if n > agents/4 {
				t.Errorf("%d agents dialed in second %d, want at most a quarter of them", n, second)
			}
		}
	})
}
