package realnode

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer"
	"rollcall.dev/rollcall/api/state"
)

// agent is an agent's pipeline from watches to facts.
type agent struct {
	mu      sync.Mutex
	tracker *facts.Tracker
	state   *state.State
	err     error
}

// newAgent returns an agent without objects.
func newAgent() *agent {
	return &agent{tracker: facts.NewTracker(func() state.Time { return state.TimeOf(time.Now()) }), state: &state.State{}}
}

// runAgent runs the pipeline on a cluster until the test ends.
func runAgent(t *testing.T, config *rest.Config) *agent {
	t.Helper()
	a := newAgent()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	handler := informer.Handler{Apply: a.apply, Section: func(state.SectionName, state.SectionStatus) {}}
	go func() {
		ended <- informer.Run(ctx, informer.Config{REST: config, Handler: handler, Log: slog.New(slog.DiscardHandler)})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("informer.Run: %v", err)
		}
		if a.err != nil {
			t.Error(a.err)
		}
	})
	return a
}

// apply applies a change to the agent's state.
func (a *agent) apply(change func(*facts.Tracker) state.Changes) {
	a.mu.Lock()
	defer a.mu.Unlock()
	changes := change(a.tracker)
	delta := state.Delta{From: a.state.Seq, To: a.state.Seq, Removes: changes.Removes}
	for _, object := range changes.Upserts {
		delta.To++
		delta.Upserts = append(delta.Upserts, state.Entry{Seq: delta.To, Object: object})
	}
	next, err := state.Apply(a.state, delta)
	if err != nil {
		a.err = err
		return
	}
	a.state = next
}

// current returns the agent's present state.
func (a *agent) current() *state.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

// first returns the first element for which is returns true, or nil.
func first[T any](all iter.Seq[*T], matches func(*T) bool) *T {
	for one := range all {
		if matches(one) {
			return one
		}
	}
	return nil
}
