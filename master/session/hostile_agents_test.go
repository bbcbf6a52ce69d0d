package session

import (
	"context"
	"maps"
	"runtime"
	runtimemetrics "runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session/admission"
)

// heapMeter samples how far the live heap grows above a baseline. Garbage that was not collected yet does not count. It is started outside of the virtual time of a test,
// which does not pass while a goroutine of the test runs.
type heapMeter struct {
	baseline, most atomic.Int64
	done, ended    chan struct{}
}

func newHeapMeter() *heapMeter {
	h := &heapMeter{done: make(chan struct{}), ended: make(chan struct{})}
	h.reset()
	go func() {
		defer close(h.ended)
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-h.done:
				return
			case <-ticker.C:
				h.most.Store(max(h.most.Load(), liveHeap()-h.baseline.Load()))
			}
		}
	}()
	return h
}

// reset collects garbage and makes the current size of the heap the baseline.
func (h *heapMeter) reset() {
	runtime.GC()
	h.baseline.Store(liveHeap())
	h.most.Store(0)
}

// stop ends the sampling and returns the largest growth in bytes.
func (h *heapMeter) stop() int64 {
	close(h.done)
	<-h.ended
	return h.most.Load()
}

// liveHeap returns the bytes that the last garbage collection found in use.
func liveHeap() int64 {
	sample := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}}
	runtimemetrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// TestManyHostileAgentsAtOnce connects 100 agents, each with a session of its own, which all send a bomb in the same
// moment after an honest report. The heap must stay within the limits of the budget and of messages in flight, and an
// honest cluster must keep its session and stay current.
func TestManyHostileAgentsAtOnce(t *testing.T) {
	const agents = 100
	kinds := decompressionBombs(t)
	names := slices.Sorted(maps.Keys(kinds))
	meter := newHeapMeter()
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("honest", continuous, func(c *Cluster) { c.SessionDuration = time.Hour })
		term := m.get("honest").Term

		var ready, attacked sync.WaitGroup
		attack := make(chan struct{})
		var sent atomic.Int64
		for i := range agents {
			frames := kinds[names[i%len(names)]]
			ready.Add(1)
			attacked.Add(1)
			var connections atomic.Int64
			m.addClusterWithHandler(clusterName(i), func(c *agentConn) {
				if connections.Add(1) > 1 { // it has attacked already
					for c.receive() != nil {
					}
					return
				}
				c.grantTo(c.handshake())
				c.flush()
				ready.Done()
				for waiting := true; waiting; {
					select {
					case <-attack:
						waiting = false
					case <-time.After(time.Second):
						c.flush()
					}
				}
				for _, f := range frames {
					if !c.sendRaw(f) {
						break
					}
					sent.Add(1)
				}
				if code := closeCode(c); code != wire.CloseProtocol && code != wire.CloseResync {
					t.Errorf("agent %d was closed with code %d, want a refusal", i, code)
				}
				attacked.Done()
			}, continuous, func(c *Cluster) { c.SessionDuration = time.Hour })
		}
		ready.Wait()
		meter.reset()
		started := time.Now()
		close(attack)

		attacked.Wait()
		t.Logf("%d agents sent %d frames, and all were refused after %s", agents, sent.Load(), time.Since(started))
		for range 3 {
			if got := m.get("honest"); got.Term != term {
				t.Fatal("the honest cluster lost its session")
			}
			m.advance(time.Second)
		}
		for i := range agents {
			m.registry.remove(clusterName(i))
			m.sessions.Sync(clusterName(i))
		}
		m.registry.remove("honest")
		m.sessions.Sync("honest")
		m.advance(time.Minute)
		m.wantUsedMemory(0)
	}, withBudget(totalBudget, clusterBudget))

	most := meter.stop()
	t.Logf("the heap grew by at most %d MiB", most>>20)
	// What each connection may hold without a limit: the start of a frame and a small message, in both buffers.
	const connections = agents * (admission.FreeReadSize + admission.FreeDecodeSize)
	if limit := int64(totalBudget + admission.MaxReadMemory + admission.MaxDecodeMemory + admission.MaxChunkMemory + connections); most > limit {
		t.Errorf("the heap grew by %d MiB, want at most %d MiB", most>>20, limit>>20)
	}
}

// closeCode reads until the master closes the connection, and returns the code of its close frame.
func closeCode(c *agentConn) websocket.StatusCode {
	for {
		if _, _, err := c.Read(context.Background()); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}
