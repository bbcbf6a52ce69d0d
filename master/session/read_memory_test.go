package session

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/report"
	"rollcall.dev/rollcall/master/view"
)

// heapInUse returns the bytes of reachable objects.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // frees what the first one found in pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemoryOfABurstOfReadsIsFreedWithinTwoMinutes reads all clusters, as documents, as watches, and directly without
// demand. Two minutes after the last read the heap has to be as before, although all sessions go on.
func TestMemoryOfABurstOfReadsIsFreedWithinTwoMinutes(t *testing.T) {
	const clusters = 4
	withMaster(t, func(t *testing.T, m *testMaster) {
		documents := view.NewDocumentCache(1 << 30)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go documents.Run(ctx)
		for i := range clusters {
			m.addCluster(clusterName(i), continuous, func(c *Cluster) {
				c.RequestPeriod, c.CacheTTL, c.SessionDuration = 5*time.Second, 10*time.Second, time.Hour
			}).update(func() {
				m.agents[clusterName(i)].cluster = statetest.New(uint64(i+1), 20, 500)
				m.agents[clusterName(i)].hello.Epoch = uint64(i + 1)
			})
		}
		m.advance(2 * time.Minute)
		wantDecoded := func(when string, want bool) {
			t.Helper()
			for i := range clusters {
				if got := !m.objectsEvicted(clusterName(i)); got != want {
					t.Fatalf("%s: cluster %d is decoded: %v, want %v", when, i, got, want)
				}
			}
		}
		wantDecoded("before the burst", false)
		before := heapInUse()

		var releases []func()
		for i := range clusters {
			r, _ := m.sessions.LastReport(clusterName(i))
			stateOf(t, r)
			r = m.get(clusterName(i))
			d, err := documents.Document(r)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range []view.Encoding{view.Identity, view.Gzip} {
				if _, err := documents.Encoded(d, view.Whole, e); err != nil {
					t.Fatal(err)
				}
			}
			log, stop := documents.Watch(clusterName(i))
			release := m.watch(t.Context(), clusterName(i))
			current, _ := log.Current()
			if _, err := current.Initial(view.Scope{}, view.JSONLines); err != nil {
				t.Fatal(err)
			}
			releases = append(releases, stop, release)
		}
		wantDecoded("in the burst", true)
		during := heapInUse() - before
		for _, f := range releases {
			f()
		}
		m.advance(2 * time.Minute)
		wantDecoded("two minutes after the burst", false)
		after := heapInUse() - before
		t.Logf("%d clusters of 500 pods: the burst takes %d KiB, of which %d KiB remain", clusters, during>>10, after>>10)
		if after > during/20 {
			t.Errorf("%d KiB of %d KiB remain, want at most a twentieth", after>>10, during>>10)
		}
		wantEqual(t, "cached bytes", documents.Bytes(), 0)
		runtime.KeepAlive(documents)
	})
}

// corruptible returns a report with compact objects, and a function that corrupts them.
func corruptible(t *testing.T, cluster string, s *state.State) (r *Report, corrupt func()) {
	t.Helper()
	codec := wire.NewCodec()
	frames, err := codec.EncodeSnapshot(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	receiver := wire.NewReceiver(s.Epoch, nil)
	for _, frame := range frames {
		m, err := codec.DecodeAgent(frame)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := receiver.Receive(m, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	bookmark := &wire.Bookmark{Seq: s.Seq, Count: s.Count(), Hash: wire.HashState(s)}
	if _, err := receiver.Receive(bookmark, time.Now()); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	r = &Report{
		Cluster: cluster, UID: "uid-" + cluster, Term: 1, LazyState: receiver.CompactAs(codec, frames),
		ReceivedAt: now, ExpiresAt: now.Add(10 * time.Second), TTL: 10 * time.Second, DemandUntil: now.Add(time.Minute),
	}
	return r, func() {
		r.Evict()
		clear(frames[0])
	}
}

func TestUnreadableStateIsAnErrorAndIsReplaced(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", func(c *Cluster) { c.CacheTTL, c.Suspended = 10*time.Second, true })
		stored, corrupt := corruptible(t, "a", a.state())
		if err := m.store.Save(t.Context(), stored); err != nil {
			t.Fatal(err)
		}
		hang := make(chan struct{})
		a.setHandler(func(c *agentConn) {
			<-hang
			c.serve()
		})
		m.edit("a", func(c *Cluster) { c.Suspended = false })
		restored := m.get("a")
		wantEqual(t, "compact", restored.IsCompact(), true)
		corrupt()
		_, err := m.get("a").State()
		var unreadable *report.StateError
		if !errors.As(err, &unreadable) || unreadable.Cluster != "a" {
			t.Fatalf("got %v, want a StateError of a", err)
		}
		close(hang)
		m.advance(3 * time.Second)
		r := m.get("a")
		if s := stateOf(t, r); s.Seq != a.state().Seq || r.Term <= restored.Term {
			t.Errorf("got seq %d of term %d, want %d of a new session", s.Seq, r.Term, a.state().Seq)
		}
		wantEqual(t, "last session has a base", a.request(a.sessionCount()-1).Base != nil, false)
	})
}

func TestUnreadableStoredReportIsNotRestored(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", func(c *Cluster) { c.CacheTTL, c.Suspended = 10*time.Second, true })
		stored, corrupt := corruptible(t, "a", a.state())
		corrupt()
		if err := m.store.Save(t.Context(), stored); err != nil {
			t.Fatal(err)
		}
		m.edit("a", func(c *Cluster) { c.Suspended = false })
		r := m.get("a")
		wantEqual(t, "stored", r.Stored, false)
		wantEqual(t, "seq", stateOf(t, r).Seq, a.state().Seq)
	})
}
