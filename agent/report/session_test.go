package report

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

func TestSessionReportsEveryPeriodUntilItExpires(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		m := h.openSession("m1", 5*time.Second, 30*time.Minute)
		start := time.Now()
		if want := (wire.Identity{AgentVersion: "v1.2.3", ClusterName: "prod-eu", ClusterUID: "uid-1", KubernetesVersion: "v1.36.3"}); m.Hello.Epoch != epoch || *m.grant.Identity != want {
			t.Errorf("got hello %+v and identity %+v, want epoch %d and %+v", m.Hello, m.grant.Identity, epoch, want)
		}
		s := m.mustNextFlush()
		if waited := time.Since(start); waited != 0 || s.Len(state.KindPod) != 2 {
			t.Errorf("got the first flush after %s with %d pods, want it immediately with 2", waited, s.Len(state.KindPod))
		}
		flushes, err := m.readUntilEnd()
		if e := (*endError)(nil); !errors.As(err, &e) || e.reason != wire.EndExpired {
			t.Fatalf("session ended with %v, want expired", err)
		}
		if duration := time.Since(start); flushes != 359 || duration != 30*time.Minute {
			t.Errorf("got %d more flushes in %s, want 359 in 30m", flushes, duration)
		}
		if _, err := m.tryRead(); err == nil {
			t.Error("the connection is still open")
		}
		synctest.Wait()
		if h.sessionCount() != 0 || h.usageSubscribers.Load() != 0 || h.counter("rollcall_agent_sessions_ended_total", "expired") != 1 || h.counter("rollcall_agent_sessions_started_total", "") != 1 || h.counter("rollcall_agent_sent_bytes_total", "") == 0 {
			t.Errorf("got %d open sessions and %d subscribers of usage, want 0; or the metrics are wrong", h.sessionCount(), h.usageSubscribers.Load())
		}
	})
}

func TestGrantIsLimitedByAgent(t *testing.T) {
	for _, tc := range []struct {
		period, duration         time.Duration
		wantPeriod, wantDuration time.Duration
	}{
		{5 * time.Second, time.Minute, 5 * time.Second, time.Minute},
		{time.Millisecond, time.Minute, time.Second, time.Minute},
		{0, time.Minute, time.Second, time.Minute},
		{5 * time.Second, 24 * time.Hour, 5 * time.Second, 30 * time.Minute},
	} {
		g, err := grant(&wire.SubscribeRequest{Session: "s", Period: tc.period, Duration: tc.duration}, time.Second, 30*time.Minute)
		if err != nil || g.Period != tc.wantPeriod || g.Duration != tc.wantDuration || g.Session != "s" || g.Renewal != 0 {
			t.Errorf("request period %s, duration %s: got %+v, %v; want period %s, duration %s", tc.period, tc.duration, g, err, tc.wantPeriod, tc.wantDuration)
		}
	}
	for _, duration := range []time.Duration{0, time.Second, 5 * time.Second} {
		_, err := grant(&wire.SubscribeRequest{Session: "s", Period: 5 * time.Second, Duration: duration}, time.Second, time.Hour)
		if e := (*endError)(nil); !errors.As(err, &e) || e.reason != wire.EndError {
			t.Errorf("request period 5s, duration %s: got %v, want an endError", duration, err)
		}
	}
}

func TestRenewExtendsSession(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		m := h.openSession("m1", 5*time.Second, time.Minute)
		start := time.Now()
		for range 11 {
			m.mustNextFlush()
		}
		m.send(&wire.Renew{Renewal: 3, Duration: time.Minute})
		renewed := time.Now()
		if g := m.readGrant(); g.Renewal != 3 || g.Duration != time.Minute || g.Session != "s-m1" || g.Period != 5*time.Second {
			t.Fatalf("got %+v, want renewal 3 with a duration of 1m", g)
		}
		m.wantEnd(wire.EndExpired)
		if got, want := time.Since(start), renewed.Sub(start)+time.Minute; got != want {
			t.Errorf("session ended after %s, want %s", got, want)
		}
	})
}

func TestRenewalShorterThanPeriodEndsSession(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		m := h.openSession("m1", 5*time.Second, time.Minute)
		m.send(&wire.Renew{Renewal: 1, Duration: time.Second})
		m.wantEnd(wire.EndError)
	})
}

func TestFlushHasOnlyChangedFields(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		m := h.openSession("m1", 5*time.Second, time.Minute)
		m.mustNextFlush()
		changed := pod("a")
		changed.Phase = state.PodSucceeded
		h.change(changed)
		s := m.mustNextFlush()
		if e, _ := s.Get(changed.Key()); !reflect.DeepEqual(e.Object, changed) {
			t.Errorf("got %+v, want %+v", e.Object, changed)
		}
		if d, ok := m.received[0].(*wire.Delta); !ok || len(d.Keys()) != 1 || len(d.Upserts) != 0 {
			t.Errorf("got %T %+v, want a Delta with a patch of one object", m.received[0], m.received[0])
		}
	})
}

func TestFirstChangeIsSentImmediatelyAndLaterOnesAreGathered(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		m := h.openSession("m1", 5*time.Second, time.Minute)
		m.mustNextFlush()
		start := time.Now()
		go func() {
			for i := range 25 {
				<-time.After(10 * time.Millisecond)
				h.change(pod(fmt.Sprint("new-", i)))
			}
		}()
		for _, want := range []struct {
			after time.Duration
			pods  int
		}{
			{10 * time.Millisecond, 3},
			{110 * time.Millisecond, 13},
			{210 * time.Millisecond, 23},
			{310 * time.Millisecond, 27},
			{5 * time.Second, 27},
		} {
			s := m.mustNextFlush()
			// At 110 and 210 ms, a change and the end of gathering are at the same time.
			if after, pods := time.Since(start), s.Len(state.KindPod); after != want.after || pods != want.pods && pods != want.pods-1 {
				t.Errorf("got a flush after %s with %d pods, want after %s with %d", after, pods, want.after, want.pods)
			}
		}
	})
}

func TestTickWithoutChangesSendsOnlyBookmark(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		m := h.openSession("m1", 5*time.Second, time.Minute)
		m.mustNextFlush()
		m.mustNextFlush()
		if len(m.received) != 1 {
			t.Errorf("got %d messages at the tick, want the Bookmark only", len(m.received))
		}
		if m.last.Ages[state.SectionNodes] != 0 || m.last.Ages[state.SectionUsage] >= 0 || m.last.Sent != 5*time.Second {
			t.Errorf("got %+v; want age 0 for nodes, a negative one for usage, and sent after 5s", m.last)
		}
	})
}

func TestUsageIsSentAtTickAndSectionErrorImmediately(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		m := h.openSession("m1", 5*time.Second, time.Minute)
		if s := m.mustNextFlush(); s.Usage != nil || s.Sections[state.SectionUsage].Error.Reason != "Pending" {
			t.Fatalf("first flush: got usage %v, section %+v; want no usage and reason Pending", s.Usage, s.Sections[state.SectionUsage])
		}
		if h.usageSubscribers.Load() != 1 {
			t.Errorf("got %d subscribers of usage, want 1", h.usageSubscribers.Load())
		}
		start := time.Now()
		node := (&state.Node{Name: "n1"}).Key()
		reading := func(cpu int64) {
			h.snapshot.SetUsage(state.Reading{node: {CPUMillis: cpu, MemoryBytes: 1 << 20, SampledAt: state.TimeOf(time.Now())}})
			h.snapshot.SetSection(state.SectionUsage, state.SectionStatus{ObservedAt: time.Now()})
		}
		reading(7)
		s := m.mustNextFlush()
		if u := s.Usage.Of(0); time.Since(start) != 0 || u == nil || u.CPUMillis != 7 || s.Sections[state.SectionUsage].Error.Reason != "" {
			t.Errorf("after %s: got usage %+v, section %+v; want usage immediately and no error", time.Since(start), u, s.Sections[state.SectionUsage])
		}
		<-time.After(time.Second)
		reading(9)
		s = m.mustNextFlush()
		if u := s.Usage.Of(0); time.Since(start) != 5*time.Second || u == nil || u.CPUMillis != 9 || m.last.Ages[state.SectionUsage] != 4*time.Second {
			t.Errorf("after %s: got usage %+v of %s ago; want it at the tick, of 4s ago", time.Since(start), u, m.last.Ages[state.SectionUsage])
		}
	})
}

func TestSectionWithErrorAgesAndKeepsObjects(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		m := h.openSession("m1", 5*time.Second, time.Minute)
		m.mustNextFlush()
		failedAt := time.Now()
		h.snapshot.SetSection(state.SectionPods, state.SectionStatus{ObservedAt: failedAt, Error: state.SectionError{Reason: "Disconnected", Message: "connection refused"}})
		s := m.mustNextFlush()
		if got := s.Sections[state.SectionPods]; got.Error.Reason != "Disconnected" || !got.ObservedAt.Equal(failedAt) || s.Len(state.KindPod) != 2 {
			t.Errorf("got section %+v with %d pods; want the error, its time and the 2 known pods", got, s.Len(state.KindPod))
		}
		s = m.mustNextFlush()
		if got := s.Sections[state.SectionPods]; !got.ObservedAt.Equal(failedAt) || time.Since(failedAt) != 5*time.Second {
			t.Errorf("at the next tick: section pods was observed at %s, want %s", got.ObservedAt, failedAt)
		}
	})
}

func TestStopEndsSession(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		m := h.openSession("m1", 5*time.Second, time.Minute)
		m.send(&wire.Stop{Message: "suspended"})
		m.wantEnd(wire.EndStopped)
	})
}

func TestMessagesAfterEndAreIgnored(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		h.change(manyPods()...)
		synctest.Wait()
		m := h.openSession("m1", 5*time.Second, time.Minute)
		// The agent is blocked writing the snapshot, which the master does not read, while these messages arrive.
		m.send(&wire.Stop{})
		for range 20 {
			m.send(&wire.Ack{Seq: 1 << 40})
			m.send(&wire.Renew{Renewal: 1, Duration: time.Minute})
		}
		synctest.Wait()
		start := time.Now()
		m.wantEnd(wire.EndStopped)
		if err := h.handler.Shutdown(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("Shutdown returned after %s: %v; want nil immediately", time.Since(start), err)
		}
	})
}

// manyPods returns pods whose encoding is larger than the buffer of the harness's connections.
func manyPods() []state.Object {
	pods := make([]state.Object, 4000)
	for i := range pods {
		pods[i] = &state.Pod{Namespace: "ns", Name: fmt.Sprint("pod-", i), Message: fmt.Sprintf("%x", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))}
	}
	return pods
}

func TestNewerSessionSupersedesOlderOfSameMaster(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		older := h.openSession("m1", 5*time.Second, time.Minute)
		newer := h.openSession("m1", 5*time.Second, time.Minute)
		older.wantEnd(wire.EndSuperseded)
		newer.mustNextFlush()
		newer.mustNextFlush()
		if h.sessionCount() != 1 {
			t.Errorf("got %d open sessions, want 1", h.sessionCount())
		}
	})
}

func TestNinthMasterIsRefusedAsBusy(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		for i := range DefaultMaxMasters {
			h.openSession(fmt.Sprint("m", i), 5*time.Second, time.Minute)
		}
		ninth := h.dial()
		ninth.send(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "m9", Period: time.Second, Duration: time.Minute})
		ninth.wantEnd(wire.EndBusy)
		again := h.openSession("m3", 5*time.Second, time.Minute)
		again.mustNextFlush()
	})
}

func TestSessionsOfTwoMastersAreIndependent(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		fast := h.openSession("fast", time.Second, time.Minute)
		slow := h.openSession("slow", 10*time.Second, 20*time.Second)
		done := make(chan int)
		for _, m := range []*master{fast, slow} {
			go func() {
				flushes, _ := m.readUntilEnd()
				done <- flushes
			}()
		}
		if first, second := <-done, <-done; first != 2 || second != 60 {
			t.Errorf("got %d and %d flushes, want 2 and 60", first, second)
		}
	})
}

func TestSilentMasterIsClosedAfterThreePeriods(t *testing.T) {
	for period, want := range map[time.Duration]time.Duration{time.Second: 3 * time.Second, 5 * time.Second: 15 * time.Second, time.Millisecond: 3 * time.Second} {
		runTest(t, nil, func(t *testing.T, h *harness) {
			h.makeReady()
			m := h.openSession("m1", period, time.Minute)
			m.noAcks = true
			start := time.Now()
			m.wantClose(wire.CloseSilent)
			if waited := time.Since(start); waited != want {
				t.Errorf("period %s: connection closed after %s, want %s", period, waited, want)
			}
			synctest.Wait()
			if h.counter("rollcall_agent_sessions_ended_total", "silent") != 1 {
				t.Error("the session was not counted with reason silent")
			}
		})
	}
}

func TestSlowMasterGetsLatestStateOnly(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		m := h.openSession("m1", 5*time.Second, time.Minute)
		m.noAcks = true
		m.mustNextFlush()
		for i := range 50 {
			h.change(pod(fmt.Sprint("new-", i)))
			<-time.After(200 * time.Millisecond)
		}
		if s := m.mustNextFlush(); s.Len(state.KindPod) != 3 {
			t.Fatalf("got %d pods in the second unacknowledged flush, want 3", s.Len(state.KindPod))
		}
		acked := time.Now()
		m.noAcks = false
		m.send(&wire.Ack{Seq: m.last.Seq})
		if s := m.mustNextFlush(); s.Len(state.KindPod) != 52 || time.Since(acked) != 0 {
			t.Errorf("got %d pods %s after the Ack; want 52 immediately", s.Len(state.KindPod), time.Since(acked))
		}
	})
}

func TestMasterThatDoesNotReadIsDisconnected(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		h.change(manyPods()...)
		synctest.Wait()
		h.openSession("m1", time.Second, time.Minute)
		other := h.openSession("m2", time.Second, time.Minute)
		for range 10 {
			other.mustNextFlush()
		}
		synctest.Wait()
		if h.sessionCount() != 1 || h.counter("rollcall_agent_sessions_ended_total", "lost") != 1 {
			t.Errorf("got %d open sessions, want only the one of the other master, and one counted as lost", h.sessionCount())
		}
	})
}

func TestLostConnectionEndsSession(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		m := h.openSession("m1", 5*time.Second, time.Minute)
		_ = m.CloseNow()
		synctest.Wait()
		if h.sessionCount() != 0 || h.usageSubscribers.Load() != 0 {
			t.Errorf("got %d open sessions and %d subscribers of usage, want 0; or the metrics are wrong", h.sessionCount(), h.usageSubscribers.Load())
		}
	})
}

func TestShutdownEndsAllConnections(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		masters := []*master{h.openSession("m1", 5*time.Second, time.Minute), h.openSession("m2", 5*time.Second, time.Minute), h.dial()}
		ends := make(chan error)
		for _, m := range masters {
			go func() {
				_, err := m.readUntilEnd()
				_, _ = m.tryRead()
				ends <- err
			}()
		}
		if err := h.handler.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range masters {
			err := <-ends
			if e := (*endError)(nil); !errors.As(err, &e) || e.reason != wire.EndShuttingDown {
				t.Errorf("connection ended with %v, want shutting down", err)
			}
		}
		if _, response, err := h.dialHTTP(nil, wire.Subprotocol); err == nil || response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("dial after Shutdown: got %v, %v; want status 503", response, err)
		}
	})
}
