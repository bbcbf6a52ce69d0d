package controllers

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"

	"rollcall.dev/rollcall/master/session"
)

// Real sessions, without an agent.
func TestSessionFailureIsReported(t *testing.T) {
	h := newHub(t)
	var m master
	m.start(t, h.masterConfig(t), func(r *Registry) Sessions {
		sessions := session.New(session.Config{Registry: r, Log: slog.New(slog.DiscardHandler)})
		run(t, sessions.Run)
		return sessions
	})
	agent := named("unreachable")
	agent.Spec.Endpoint = "wss://" + closedPort(t)
	h.apply(t, agent)
	h.awaitAgent(t, "unreachable", "Ready=False/DialFailed Reporting=False/NoDemand Idle")
	h.awaitStatus(t, "unreachable", "Unknown/Stale")

	suspended := named("suspended")
	suspended.Spec.Suspend = true
	h.apply(t, suspended)
	h.awaitAgent(t, "suspended", "Ready=False/Suspended")
}

// run runs f until the test ends.
func run(t *testing.T, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if err := f(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		group.Wait()
	})
}

// closedPort returns an address without a listener.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}
