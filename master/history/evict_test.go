package history

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// smallMember returns a test cluster with n containers.
func smallMember(t testing.TB, n int) *member {
	m := newMember(t, 1)
	for i := range n {
		m.put(web(fmt.Sprintf("pod-%03d", i), "n1"), uint32(i))
	}
	return m
}

func (m *member) report(h *History, name string, seconds int) {
	cpu := map[uint32]int64{}
	for _, slot := range m.slots {
		cpu[slot] = int64(seconds) * int64(slot+1) % 997
	}
	m.read(seconds, cpu)
	h.Add(name, wire.NewLazyState(m.state), state.Summarize(m.state, at(seconds)), at(seconds))
}

func rangeOf(t *testing.T, h *History, name string) (from, to int) {
	t.Helper()
	first, last, ok := h.Read(name, time.Time{}).Range()
	if !ok {
		return 0, 0
	}
	return int(first.Sub(t0).Seconds()), int(last.Sub(t0).Seconds())
}

func TestExpiredSamplesAreDropped(t *testing.T) {
	h := New(Config{Window: 15 * time.Minute})
	m := smallMember(t, 5)
	for s := 0; s <= 7200; s += 15 {
		m.report(h, "a", s)
		if s == 3600 {
			m.remove(web("pod-003", "n1"))
		}
	}
	from, to := rangeOf(t, h, "a")
	if to != 7200 || from > 7200-900 || from < 7200-900-240 {
		t.Errorf("got samples from %d to %d s, want the last 15 to 19 minutes until 7200 s", from, to)
	}
	if n := h.Stats().Series; n != 4 {
		t.Errorf("got %d series, want 4, as one was removed an hour ago", n)
	}
}

func TestSweepRemovesClusterThatDoesNotReport(t *testing.T) {
	h := New(Config{Window: 15 * time.Minute})
	smallMember(t, 5).report(h, "a", 0)
	h.EndSession("a", at(60))
	h.Sweep(at(800))
	if s := h.Stats(); s.Clusters != 1 || s.Samples == 0 {
		t.Errorf("after 800 s: got %+v, want all samples", s)
	}
	h.Sweep(at(1000))
	if s := h.Stats(); s != (Stats{}) {
		t.Errorf("after 1000 s: got %+v, want none", s)
	}
	smallMember(t, 5).report(h, "a", 1200)
	h.RemoveCluster("a")
	if s := h.Stats(); s != (Stats{}) {
		t.Errorf("after RemoveCluster: got %+v, want none", s)
	}
}

func TestLeastRecentlyReadClusterIsEvictedFirst(t *testing.T) {
	var log bytes.Buffer
	h := New(Config{Window: time.Hour, MaxBytes: 60_000, Log: slog.New(slog.NewTextHandler(&log, nil))})
	members := map[string]*member{"read": smallMember(t, 50), "unread": smallMember(t, 50), "lately": smallMember(t, 50)}
	for s := 0; s < 1500; s += 15 {
		for _, name := range []string{"read", "lately", "unread"} {
			members[name].report(h, name, s)
		}
		h.Read("lately", at(1))
		h.Read("read", at(s+1))
		if got := h.Stats().Bytes; got > 60_000 {
			t.Fatalf("got %d bytes at %d s, want at most 60000", got, s)
		}
	}
	stats := h.Stats()
	if stats.EvictedSamples == 0 || stats.EvictedChunks == 0 {
		t.Fatalf("got %+v, want evicted samples", stats)
	}
	if p := h.Read("unread", time.Time{}); p.EvictedUntil().IsZero() {
		t.Error("nothing was evicted from the cluster that is never read")
	}
	if p := h.Read("read", time.Time{}); !p.EvictedUntil().IsZero() {
		t.Errorf("got evictions until %s from the cluster that is read, want none", p.EvictedUntil())
	}
	if n := strings.Count(log.String(), "history is full"); n != 1 {
		t.Errorf("got %d log lines about a full history, want one:\n%s", n, &log)
	}
}

func TestFullHistoryAcceptsReports(t *testing.T) {
	h := New(Config{Window: time.Hour, MaxBytes: 1})
	m := smallMember(t, 50)
	for s := 0; s < 600; s += 15 {
		m.report(h, "a", s)
		if got := h.Stats(); got.Samples != 0 || got.Series != 0 {
			t.Fatalf("got %+v, want no samples and no series", got)
		}
	}
	if n := h.Stats().EvictedSamples; n < 40*50*2 {
		t.Errorf("got %d evicted samples, want all", n)
	}
}
