package e2e

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"testing"
	"time"

	"rollcall.dev/rollcall/test/history"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/redistest"
	"rollcall.dev/rollcall/test/stack"
)

// severalMasters are three masters of one hub that share a Redis and serve one cluster that changes ten times a second.
type severalMasters struct {
	t       *testing.T
	name    string
	hub     *kube.Cluster
	redis   *redistest.Server
	masters []*stack.Master
	history *history.History
	reader  *history.Reader
	last    counted
	// next is the number of the next read, by which the masters take turns.
	next int
}

// masterName is the name of a master among the others.
func masterName(i int) string { return "master-" + strconv.Itoa(i) }

func startSeveralMasters(t *testing.T, name string) *severalMasters {
	t.Helper()
	s := &severalMasters{t: t, name: name, redis: redistest.Start(t), history: history.New(t)}
	s.reader = s.history.Reader("a reader of all masters in turn")
	flags := func(i int) []string { return []string{"--cache", s.redis.URL(), "--pod-name", masterName(i)} }
	hub, first := startHub(t, flags(0)...)
	s.hub, s.masters = hub, []*stack.Master{first}
	for i := 1; i < 3; i++ {
		m, err := env.stack.StartMaster(t.Context(), hub, flags(i)...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
			defer cancel()
			if err := m.Stop(ctx); err != nil {
				t.Error(err)
			}
		})
		s.masters = append(s.masters, m)
	}
	a, err := env.stack.StartAgent(t.Context(), env.member, name)
	if err != nil {
		t.Fatal(err)
	}
	startCounting(t, name)
	if _, err := hub.KubectlInput(a.Manifest("cacheTTL: 10s"), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	return s
}

// read reads from the masters in turn, without those of the given index, for a version that is not older than the last one.
func (s *severalMasters) read(except int) error {
	s.next++
	i := s.next % len(s.masters)
	if i == except {
		return nil
	}
	next, at, err := readCount(s.t.Context(), s.masters[i], s.name, s.last.version)
	if err != nil {
		return fmt.Errorf("read from master %d: %w", i, err)
	}
	s.reader.RecordDocument(s.name, next.version, strconv.Itoa(next.count), at)
	if next.older(s.last) || next.count < s.last.count {
		s.t.Errorf("got count %d at %s from master %d after count %d at %s", next.count, next.version, i, s.last.count, s.last.version)
	}
	s.last = next
	return nil
}

// readChanges reads until the count has grown by n, and returns the longest time without a change. Reads may fail for up
// to a minute.
func (s *severalMasters) readChanges(n, except int) (gap time.Duration) {
	s.t.Helper()
	changed, end := time.Now(), time.Now().Add(time.Minute)
	for first := s.last.count; s.last.count < first+n; <-time.After(10 * time.Millisecond) {
		before := s.last.count
		err := s.read(except)
		if s.last.count != before {
			gap, changed = max(gap, time.Since(changed)), time.Now()
		}
		if time.Now().After(end) {
			s.t.Fatalf("the count was %d a minute ago, and is %d: %v", first, s.last.count, err)
		}
	}
	return max(gap, time.Since(changed))
}

// owner returns the index of the master that has the session.
func (s *severalMasters) owner() int {
	s.t.Helper()
	owner := -1
	kube.Eventually(s.t, 20*time.Second, func() error {
		holder, err := s.hub.Kubectl("get", "clusteragent", s.name, "-o", "jsonpath={.status.session.holder}")
		if err != nil {
			return err
		}
		for i := range s.masters {
			identity, err := s.hub.Kubectl("-n", "rollcall-system", "get", "lease", "rollcall-master-"+masterName(i), "-o", "jsonpath={.spec.holderIdentity}")
			if err == nil && identity == holder {
				owner = i
				return nil
			}
		}
		return errors.New("no Lease is held by the holder of the session, " + holder)
	})
	return owner
}

// TestSeveralMastersServeOneCluster: each master answers; the owner is killed, stopped for a minute, and ends as planned,
// and Redis is killed. Meanwhile a reader asks the masters in turn, and nothing that it is told goes back.
func TestSeveralMastersServeOneCluster(t *testing.T) {
	t.Parallel()
	s := startSeveralMasters(t, "counting-several")
	kube.Eventually(t, 30*time.Second, func() error { return s.read(-1) })
	s.readChanges(20, -1)
	for _, fault := range []struct {
		name  string
		begin func(m *stack.Master) error
		end   func(m *stack.Master) error
	}{
		{"killed", func(m *stack.Master) error { m.Kill(); return nil }, func(m *stack.Master) error { return m.Start(t.Context()) }},
		{"stopped by SIGSTOP", func(m *stack.Master) error { m.Signal(syscall.SIGSTOP); return nil }, func(m *stack.Master) error { m.Signal(syscall.SIGCONT); return nil }},
		{"ended", func(m *stack.Master) error { return m.Stop(t.Context()) }, func(m *stack.Master) error { return m.Start(t.Context()) }},
	} {
		owner := s.owner()
		if err := fault.begin(s.masters[owner]); err != nil {
			t.Fatal(err)
		}
		gap := s.readChanges(30, owner)
		t.Logf("owner %s: the longest time without a change was %s", fault.name, gap.Round(10*time.Millisecond))
		kube.Eventually(t, 20*time.Second, func() error {
			if s.owner() == owner {
				return fmt.Errorf("owner %s: it still has the session", fault.name)
			}
			return nil
		})
		if err := fault.end(s.masters[owner]); err != nil {
			t.Fatal(err)
		}
		s.readChanges(30, -1)
	}
	s.redis.Stop()
	gap := s.readChanges(30, -1)
	t.Logf("redis killed: the longest time without a change was %s", gap.Round(10*time.Millisecond))
	s.redis.Start()
	s.readChanges(30, -1)
	s.history.Check()
}
