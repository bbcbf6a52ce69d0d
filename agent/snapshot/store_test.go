package snapshot

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
	"rollcall.dev/rollcall/api/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run calls f with a running Store in a synctest bubble, and stops it afterwards.
func run(t *testing.T, f func(t *testing.T, s *Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := New(7)
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		f(t, s)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func pods(n int) state.Changes {
	var c state.Changes
	for i := range n {
		c.Upserts = append(c.Upserts, &state.Pod{Namespace: "ns", Name: fmt.Sprint("pod-", i)})
	}
	return c
}

// notified reports whether s has a pending notification, and consumes it.
func notified(s *Subscription) bool {
	select {
	case <-s.C:
		return true
	default:
		return false
	}
}

func TestChangesBeforeRunBecomeOneVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(7)
		sub := s.Subscribe()
		for _, o := range pods(5000).Upserts {
			s.Update(state.Changes{Upserts: []state.Object{o}})
		}
		s.Update(state.Changes{Removes: []state.Key{{Kind: state.KindPod, Namespace: "ns", Name: "pod-7"}}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		<-sub.C
		if v := s.Current(); v.State.Seq != 4999 || v.State.Len(state.KindPod) != 4999 {
			t.Errorf("the first version has seq %d and %d pods, want 4999 of both", v.State.Seq, v.State.Len(state.KindPod))
		}
		synctest.Wait()
		if notified(sub) {
			t.Error("notified twice")
		}
		cancel()
		<-done
	})
}

func TestPendingCountsUpdatesThatAreInNoVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(7)
		s.Update(pods(20))
		s.Update(pods(30)) // 20 of them are pending already
		s.Update(state.Changes{Removes: []state.Key{{Kind: state.KindNode, Name: "n1"}}})
		s.SetSection(state.SectionPods, state.SectionStatus{Live: true})
		s.SetUsage(nil)
		if n := s.Pending(); n != 33 {
			t.Errorf("got %d pending updates, want 33: 30 pods, a node, a section and a reading", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		if n := s.Pending(); n != 0 {
			t.Errorf("got %d pending updates after Run took all of them, want 0", n)
		}
		cancel()
		<-done
	})
}

func TestReadyWaitsForNodesAndPods(t *testing.T) {
	run(t, func(t *testing.T, s *Store) {
		ready := func() bool {
			synctest.Wait()
			select {
			case <-s.Ready():
				return true
			default:
				return false
			}
		}
		s.SetSection(state.SectionNodes, state.SectionStatus{Live: true})
		s.SetSection(state.SectionPods, state.SectionStatus{Error: state.SectionError{Reason: "Forbidden"}})
		if ready() {
			t.Error("ready before pods were listed")
		}
		s.Update(pods(2))
		s.SetSection(state.SectionPods, state.SectionStatus{Live: true})
		if !ready() {
			t.Error("not ready after nodes and pods were listed")
		}
		if s.Current().State.Len(state.KindPod) != 2 {
			t.Error("ready before the listed pods are in the current version")
		}
		s.SetSection(state.SectionPods, state.SectionStatus{Error: state.SectionError{Reason: "Disconnected"}})
		if !ready() {
			t.Error("no longer ready after a watch broke")
		}
	})
}

func TestSubscriberIsNotifiedOfChangesOnly(t *testing.T) {
	run(t, func(t *testing.T, s *Store) {
		sub, closed := s.Subscribe(), s.Subscribe()
		closed.Close()
		for _, step := range []struct {
			name string
			do   func()
			want bool
		}{
			{"objects", func() { s.Update(pods(1)) }, true},
			{"equal objects", func() { s.Update(pods(1)) }, false},
			{"nothing", func() { s.Update(state.Changes{}) }, false},
			{"usage", func() { s.SetUsage(nil) }, false},
			{"a section's error", func() {
				s.SetSection(state.SectionUsage, state.SectionStatus{Error: state.SectionError{Reason: "Pending"}})
			}, true},
			{"usage and its section", func() {
				s.SetUsage(state.Reading{})
				s.SetSection(state.SectionUsage, state.SectionStatus{Live: true})
			}, true},
		} {
			step.do()
			synctest.Wait()
			if got := notified(sub); got != step.want {
				t.Errorf("%s: notified = %v, want %v", step.name, got, step.want)
			}
		}
		if notified(closed) {
			t.Error("a closed subscription was notified")
		}
	})
}

func TestSlowSubscriberIsNotifiedOnce(t *testing.T) {
	run(t, func(t *testing.T, s *Store) {
		sub := s.Subscribe()
		defer sub.Close()
		for i := range 10 {
			s.Update(pods(i + 1))
			synctest.Wait()
		}
		if !notified(sub) || notified(sub) {
			t.Error("want exactly one notification for ten versions")
		}
		if n := s.Current().State.Len(state.KindPod); n != 10 {
			t.Errorf("%d pods, want 10", n)
		}
	})
}

func TestPublishedVersionIsNeverMutated(t *testing.T) {
	run(t, func(t *testing.T, s *Store) {
		s.Update(pods(300))
		synctest.Wait()
		v := s.Current()
		before := entries(v.State)
		seq, hash := v.State.Seq, v.Hash
		for i := range 300 {
			s.Update(state.Changes{Removes: []state.Key{{Kind: state.KindPod, Namespace: "ns", Name: fmt.Sprint("pod-", i)}}})
			s.SetUsage(state.Reading{})
			synctest.Wait()
		}
		after := entries(v.State)
		if v.State.Seq != seq || v.Hash != hash || len(v.Tombstones) != 0 || v.State.Usage != nil || len(after) != len(before) {
			t.Fatal("a published version changed")
		}
		for key, e := range before {
			if after[key] != e {
				t.Fatalf("%+v changed", key)
			}
		}
	})
}
