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

func TestRedisStartsAfterTheMaster(t *testing.T) {
	server := redistest.Prepare(t)
	c, out, metrics := open(t, server.URL())
	e := cachetest.Report(1, statetest.New(1, 2, 10).State)
	for range 20 {
		if err := c.Save(t.Context(), e); !errors.Is(err, cache.ErrUnavailable) {
			t.Fatalf("save: %v, want ErrUnavailable", err)
		}
		if _, err := c.Load(t.Context(), "a", cachetest.LongTTL); !errors.Is(err, cache.ErrUnavailable) {
			t.Fatalf("load: %v, want ErrUnavailable", err)
		}
	}
	if err := c.TakeTerm(t.Context(), "a", 1); !errors.Is(err, cache.ErrUnavailable) {
		t.Fatalf("take a term: %v, want ErrUnavailable", err)
	}
	if lines := out.lines(); len(lines) != 1 || !strings.Contains(lines[0], "redis is unavailable") {
		t.Errorf("got log lines %q, want one", lines)
	}
	wantUp(t, metrics, 0)

	server.Start()
	cachetest.Eventually(t, "a save succeeds again", func() bool { return c.Save(t.Context(), e) == nil })
	got, err := c.Load(t.Context(), "a", cachetest.LongTTL)
	if err != nil {
		t.Fatal(err)
	}
	cachetest.WantState(t, got, cachetest.StateOf(t, e))
	if last, err := c.LastTerm(t.Context(), "a"); err != nil || last != e.Term {
		t.Errorf("got the last term %d and error %v, want that of the report, %d", last, err, e.Term)
	}
	if lines := out.lines(); len(lines) != 2 || !strings.Contains(lines[1], "redis is available again") {
		t.Errorf("got log lines %q, want a second one", lines)
	}
	wantUp(t, metrics, 1)
}

func TestRedisRestartsEmpty(t *testing.T) {
	server := redistest.Start(t)
	c, out, _ := open(t, server.URL())
	w := statetest.New(1, 2, 30)
	for range 3 {
		if err := c.Save(t.Context(), cachetest.Report(1, w.State)); err != nil {
			t.Fatal(err)
		}
		w.Step(1)
	}
	server.Stop()
	if err := c.Save(t.Context(), cachetest.Report(1, w.State)); !errors.Is(err, cache.ErrUnavailable) {
		t.Fatalf("save: %v, want ErrUnavailable", err)
	}
	server.Start()
	cachetest.Eventually(t, "a save succeeds again", func() bool { return c.Save(t.Context(), cachetest.Report(1, w.State)) == nil })
	got, err := c.Load(t.Context(), "a", cachetest.LongTTL)
	if err != nil {
		t.Fatal(err)
	}
	cachetest.WantState(t, got, w.State)
	if last, err := c.LastTerm(t.Context(), "a"); err != nil || last != 1 {
		t.Errorf("got the last term %d and error %v, want that of the reports, 1", last, err)
	}
	if lines := out.lines(); len(lines) != 2 {
		t.Errorf("got log lines %q, want one for the outage and one for its end", lines)
	}
}

func TestCanceledCallIsNoOutage(t *testing.T) {
	server := redistest.Start(t)
	c, out, _ := open(t, server.URL())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Load(ctx, "a", cachetest.LongTTL); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if lines := out.lines(); len(lines) > 0 {
		t.Errorf("got log lines %q, want none", lines)
	}
}

func TestWrongPasswordIsNotLogged(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "right-secret")
	c, out, _ := open(t, "redis://:wrong-secret@"+server.Addr)
	err := c.Probe(t.Context())
	if !errors.Is(err, cache.ErrUnavailable) {
		t.Fatalf("got %v, want ErrUnavailable", err)
	}
	messages := fmt.Sprint(err, out.lines())
	if strings.Contains(messages, "wrong-secret") || !strings.Contains(messages, "WRONGPASS") {
		t.Errorf("got %s, want WRONGPASS without the password", messages)
	}
}

func TestHangingRedisIsAnOutage(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c, out, _ := open(t, "redis://"+silent.Addr().String())
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Save(ctx, cachetest.Report(1, statetest.New(1, 1, 3).State)); !errors.Is(err, cache.ErrUnavailable) {
		t.Errorf("save: %v, want ErrUnavailable", err)
	}
	if elapsed := time.Since(start); elapsed > 2*time.Second {
		t.Errorf("the save took %s, want at most 2 s", elapsed)
	}
	start = time.Now()
	for range 100 {
		if _, err := c.Load(t.Context(), "a", cachetest.LongTTL); !errors.Is(err, cache.ErrUnavailable) {
			t.Fatalf("load: %v, want ErrUnavailable", err)
		}
	}
	if elapsed := time.Since(start); elapsed > 500*time.Millisecond {
		t.Errorf("100 loads took %s, want at most 500 ms in total", elapsed)
	}
	if lines := out.lines(); len(lines) != 1 {
		t.Errorf("got log lines %q, want one", lines)
	}
}
