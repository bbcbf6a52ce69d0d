package rediscache_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/cache/cachetest"
	"rollcall.dev/rollcall/test/redistest"
)

func TestRedisMayBeAwayAtStartAndComeLater(t *testing.T) {
	server := redistest.Prepare(t)
	c, out, metrics := open(t, server.URL())
	e := cachetest.Entry(1, statetest.New(1, 2, 10).State)
	for range 20 {
		if err := c.Save(t.Context(), "a", e); !errors.Is(err, cache.ErrUnavailable) {
			t.Fatalf("save: %v, want ErrAway", err)
		}
		if _, err := c.Load(t.Context(), "a", cachetest.LongTTL); !errors.Is(err, cache.ErrUnavailable) {
			t.Fatalf("load: %v, want ErrAway", err)
		}
	}
	first, err := c.NextTerm(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if lines := out.lines(); len(lines) != 1 || !strings.Contains(lines[0], "redis cannot be used") {
		t.Errorf("logged %q, want one line", lines)
	}
	wantUp(t, metrics, 0)

	server.Start()
	cachetest.Eventually(t, "it saves again", func() bool { return c.Save(t.Context(), "a", e) == nil })
	got, err := c.Load(t.Context(), "a", cachetest.LongTTL)
	if err != nil {
		t.Fatal(err)
	}
	cachetest.WantState(t, got.State, e.State)
	if second, err := c.NextTerm(t.Context(), "a"); err != nil || second <= first {
		t.Errorf("term %d after %d, %v", second, first, err)
	}
	if lines := out.lines(); len(lines) != 2 || !strings.Contains(lines[1], "redis is back") {
		t.Errorf("logged %q, want one line more", lines)
	}
	wantUp(t, metrics, 1)
}

func TestRedisMayDieAndComeBackEmpty(t *testing.T) {
	server := redistest.Start(t)
	c, out, _ := open(t, server.URL())
	w := statetest.New(1, 2, 30)
	for range 3 {
		if err := c.Save(t.Context(), "a", cachetest.Entry(1, w.State)); err != nil {
			t.Fatal(err)
		}
		w.Step(1)
	}
	first, err := c.NextTerm(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	if err := c.Save(t.Context(), "a", cachetest.Entry(1, w.State)); !errors.Is(err, cache.ErrUnavailable) {
		t.Fatalf("save: %v, want ErrAway", err)
	}
	server.Start()
	cachetest.Eventually(t, "it saves again", func() bool { return c.Save(t.Context(), "a", cachetest.Entry(1, w.State)) == nil })
	got, err := c.Load(t.Context(), "a", cachetest.LongTTL)
	if err != nil {
		t.Fatal(err)
	}
	cachetest.WantState(t, got.State, w.State)
	if second, err := c.NextTerm(t.Context(), "a"); err != nil || second <= first {
		t.Errorf("term %d after %d, %v", second, first, err)
	}
	if lines := out.lines(); len(lines) != 2 {
		t.Errorf("logged %q, want that it went and that it is back", lines)
	}
}

func TestCallerThatGivesUpIsNoOutage(t *testing.T) {
	server := redistest.Start(t)
	c, out, _ := open(t, server.URL())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Load(ctx, "a", cachetest.LongTTL); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	if lines := out.lines(); len(lines) > 0 {
		t.Errorf("logged %q", lines)
	}
}

func TestWrongPasswordIsToldWithoutIt(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "right-secret")
	c, out, _ := open(t, "redis://:wrong-secret@"+server.Addr)
	err := c.Probe(t.Context())
	if !errors.Is(err, cache.ErrUnavailable) {
		t.Fatalf("got %v, want ErrAway", err)
	}
	told := fmt.Sprint(err, out.lines())
	if strings.Contains(told, "wrong-secret") || !strings.Contains(told, "WRONGPASS") {
		t.Errorf("told: %s", told)
	}
}

func TestRedisThatHangsIsAnOutageAfterTheCallersDeadline(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	c, out, _ := open(t, "redis://"+mute.Addr().String())
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Save(ctx, "a", cachetest.Entry(1, statetest.New(1, 1, 3).State)); !errors.Is(err, cache.ErrUnavailable) {
		t.Errorf("save: %v, want ErrAway", err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
	start = time.Now()
	for range 100 {
		if _, err := c.Load(t.Context(), "a", cachetest.LongTTL); !errors.Is(err, cache.ErrUnavailable) {
			t.Fatalf("load: %v, want ErrAway", err)
		}
	}
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("a hundred loads took %s: they wait for what does not come", took)
	}
	if lines := out.lines(); len(lines) != 1 {
		t.Errorf("logged %q, want one line", lines)
	}
}
