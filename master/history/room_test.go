package history

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// small is a cluster of n containers that reports each 15 s.
func small(t testing.TB, n int) *member {
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
	h.Add(name, m.state, state.Summarize(m.state, at(seconds)), at(seconds))
}

func span(t *testing.T, h *History, name string) (from, to int) {
	t.Helper()
	first, last, ok := h.Read(name, time.Time{}).Range()
	if !ok {
		return 0, 0
	}
	return int(first.Sub(t0).Seconds()), int(last.Sub(t0).Seconds())
}

func TestWhatIsOlderThanTheWindowGoes(t *testing.T) {
	h := New(Config{Window: 15 * time.Minute})
	m := small(t, 5)
	for s := 0; s <= 7200; s += 15 {
		m.report(h, "a", s)
		if s == 3600 {
			m.remove(web("pod-003", "n1"))
		}
	}
	from, to := span(t, h, "a")
	if to != 7200 || from > 7200-900 || from < 7200-900-240 {
		t.Errorf("from %d to %d, want 15 to 19 minutes until 7200", from, to)
	}
	if n := h.Stats().Series; n != 4 {
		t.Errorf("%d series, want 4: one went an hour ago", n)
	}
}

func TestClusterThatReportsNoMoreIsSweptAway(t *testing.T) {
	h := New(Config{Window: 15 * time.Minute})
	small(t, 5).report(h, "a", 0)
	h.End("a", at(60))
	h.Sweep(at(800))
	if s := h.Stats(); s.Clusters != 1 || s.Samples == 0 {
		t.Errorf("after 800 s there is %+v, want all of it", s)
	}
	h.Sweep(at(1000))
	if s := h.Stats(); s != (Stats{}) {
		t.Errorf("after 1000 s there is %+v, want nothing", s)
	}
	small(t, 5).report(h, "a", 1200)
	h.Forget("a")
	if s := h.Stats(); s != (Stats{}) {
		t.Errorf("of a cluster that was forgotten there is %+v", s)
	}
}

func TestLeastReadClusterGivesItsOldestSamplesFirst(t *testing.T) {
	var log bytes.Buffer
	h := New(Config{Window: time.Hour, MaxBytes: 60_000, Log: slog.New(slog.NewTextHandler(&log, nil))})
	members := map[string]*member{"read": small(t, 50), "unread": small(t, 50), "lately": small(t, 50)}
	for s := 0; s < 1500; s += 15 {
		for _, name := range []string{"read", "lately", "unread"} {
			members[name].report(h, name, s)
		}
		h.Read("lately", at(1))
		h.Read("read", at(s+1))
		if got := h.Stats().Bytes; got > 60_000 {
			t.Fatalf("%d bytes at %d s, want at most 60000", got, s)
		}
	}
	stats := h.Stats()
	if stats.EvictedSamples == 0 || stats.EvictedChunks == 0 {
		t.Fatalf("nothing was let go: %+v", stats)
	}
	if p := h.Read("unread", time.Time{}); p.Lost().IsZero() {
		t.Error("the cluster that nobody reads lost nothing")
	}
	if p := h.Read("read", time.Time{}); !p.Lost().IsZero() {
		t.Errorf("the cluster that is read lost all until %s", p.Lost())
	}
	if n := strings.Count(log.String(), "history is full"); n != 1 {
		t.Errorf("it was said %d times that the history is full, want once:\n%s", n, &log)
	}
}

func TestFullHistoryTakesTheNextReport(t *testing.T) {
	h := New(Config{Window: time.Hour, MaxBytes: 1})
	m := small(t, 50)
	for s := 0; s < 600; s += 15 {
		m.report(h, "a", s)
		if got := h.Stats(); got.Samples != 0 || got.Series != 0 {
			t.Fatalf("there is no room, and yet %+v", got)
		}
	}
	if n := h.Stats().EvictedSamples; n < 40*50*2 {
		t.Errorf("%d samples were let go, want all", n)
	}
}
