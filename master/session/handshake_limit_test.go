package session

import (
	"sync"
	"testing"
	"time"

	"rollcall.dev/rollcall/master/session/admission"
)

func TestHandshakesAreLimitedAndReadersComeFirst(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		var mu sync.Mutex
		active, maximum := 0, 0
		slow := func(c *agentConn) {
			mu.Lock()
			active++
			maximum = max(maximum, active)
			mu.Unlock()
			<-time.After(5 * time.Second)
			mu.Lock()
			active--
			mu.Unlock()
			c.serve()
		}
		for i := range 90 {
			m.addClusterWithHandler(clusterName(i), slow, func(c *Cluster) { c.Continuous = true })
		}
		m.addClusterWithHandler("read", slow)
		m.advance(time.Second)
		start := time.Now()
		m.get("read")
		if waited := time.Since(start); waited > 10*time.Second {
			t.Errorf("the request waited %s, want at most 10 s", waited)
		}
		mu.Lock()
		n := maximum
		mu.Unlock()
		wantEqual(t, "handshakes at a time", n, admission.MaxHandshakes)
	})
}
