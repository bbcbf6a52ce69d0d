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
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		m := w.open("m1", 5*time.Second, 30*time.Minute)
		began := time.Now()
		if want := (wire.Identity{AgentVersion: "v1.2.3", ClusterName: "prod-eu", ClusterUID: "uid-1", KubernetesVersion: "v1.36.3"}); m.hello.Epoch != epoch || *m.grant.Identity != want {
			t.Errorf("hello %+v, identity %+v, want %+v", m.hello, m.grant.Identity, want)
		}
		s := m.mustNext()
		if waited := time.Since(began); waited != 0 || s.Len(state.KindPod) != 2 {
			t.Errorf("first report after %s with %d pods, want at once with 2", waited, s.Len(state.KindPod))
		}
		flushes, err := m.untilEnd()
		if e := (*ended)(nil); !errors.As(err, &e) || e.reason != wire.EndExpired {
			t.Fatalf("ended with %v, want expired", err)
		}
		if took := time.Since(began); flushes != 359 || took != 30*time.Minute {
			t.Errorf("%d further reports in %s, want 359 in 30m", flushes, took)
		}
		if _, err := m.tryRead(); err == nil {
			t.Error("the connection is still open")
		}
		synctest.Wait()
		if w.openSessions() != 0 || w.usage.Load() != 0 || w.counted("rollcall_agent_sessions_ended_total", "expired") != 1 || w.counted("rollcall_agent_sessions_started_total", "") != 1 || w.counted("rollcall_agent_sent_bytes_total", "") == 0 {
			t.Errorf("%d sessions open, usage used by %d", w.openSessions(), w.usage.Load())
		}
	})
}

func TestGrantIsBoundedByTheAgent(t *testing.T) {
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
			t.Errorf("asked for %s and %s: granted %+v, %v", tc.period, tc.duration, g, err)
		}
	}
	for _, duration := range []time.Duration{0, time.Second, 5 * time.Second} {
		_, err := grant(&wire.SubscribeRequest{Session: "s", Period: 5 * time.Second, Duration: duration}, time.Second, time.Hour)
		if e := (*ended)(nil); !errors.As(err, &e) || e.reason != wire.EndError {
			t.Errorf("asked for 5s within %s: %v, want an end", duration, err)
		}
	}
}

func TestSessionRenewsWhileItRuns(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		m := w.open("m1", 5*time.Second, time.Minute)
		began := time.Now()
		for range 11 {
			m.mustNext()
		}
		m.say(&wire.Renew{Renewal: 3, Duration: time.Minute})
		renewed := time.Now()
		if g := m.granted(); g.Renewal != 3 || g.Duration != time.Minute || g.Session != "s-m1" || g.Period != 5*time.Second {
			t.Fatalf("granted %+v", g)
		}
		m.wantEnd(wire.EndExpired)
		if took := time.Since(began); took != renewed.Sub(began)+time.Minute {
			t.Errorf("ended after %s, want a minute after the renewal at %s", took, renewed.Sub(began))
		}
	})
}

func TestRenewalWithoutRoomForAReportEndsTheSession(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		m := w.open("m1", 5*time.Second, time.Minute)
		m.say(&wire.Renew{Renewal: 1, Duration: time.Second})
		m.wantEnd(wire.EndError)
	})
}

func TestWhatTheMasterHoldsIsNotSentAgain(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		m := w.open("m1", 5*time.Second, time.Minute)
		m.mustNext()
		ended := pod("a")
		ended.Phase = state.PodSucceeded
		w.change(ended)
		s := m.mustNext()
		if e, _ := s.Get(ended.Key()); !reflect.DeepEqual(e.Object, ended) {
			t.Errorf("got %+v, want %+v", e.Object, ended)
		}
		if d, ok := m.heard[0].(*wire.Delta); !ok || len(d.Keys()) != 1 || len(d.Upserts) != 0 {
			t.Errorf("it came as %T %+v, want a delta of one object that is not sent whole", m.heard[0], m.heard[0])
		}
	})
}

func TestFirstChangeIsSentAtOnceAndFurtherOnesAreGathered(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		m := w.open("m1", 5*time.Second, time.Minute)
		m.mustNext()
		began := time.Now()
		go func() {
			for i := range 25 {
				<-time.After(10 * time.Millisecond)
				w.change(pod(fmt.Sprint("new-", i)))
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
			s := m.mustNext()
			// At 110 and 210 ms a change and the end of gathering fall together.
			if after, pods := time.Since(began), s.Len(state.KindPod); after != want.after || pods != want.pods && pods != want.pods-1 {
				t.Errorf("after %s: %d pods; want %d after %s", after, pods, want.pods, want.after)
			}
		}
	})
}

func TestTickWithoutChangeSendsABookmarkOnly(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		m := w.open("m1", 5*time.Second, time.Minute)
		m.mustNext()
		m.mustNext()
		if len(m.heard) != 1 {
			t.Errorf("a tick sent %d messages, want the bookmark alone", len(m.heard))
		}
		if m.last.Ages[state.SectionNodes] != 0 || m.last.Ages[state.SectionUsage] >= 0 || m.last.Sent != 5*time.Second {
			t.Errorf("bookmark %+v; want nodes of now, usage never, sent after 5s", m.last)
		}
	})
}

func TestUsageGoesWithTheTickAndItsSectionAtOnce(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		m := w.open("m1", 5*time.Second, time.Minute)
		if s := m.mustNext(); s.Usage != nil || s.Sections[state.SectionUsage].Error.Reason != "Pending" {
			t.Fatalf("first report: usage %v, section %+v; want none, pending", s.Usage, s.Sections[state.SectionUsage])
		}
		if w.usage.Load() != 1 {
			t.Errorf("usage is used by %d, want 1", w.usage.Load())
		}
		began := time.Now()
		node := (&state.Node{Name: "n1"}).Key()
		reading := func(cpu int64) {
			w.snapshot.SetUsage(state.Sample{node: {CPUMillis: cpu, MemoryBytes: 1 << 20, SampledAt: state.TimeOf(time.Now())}})
			w.snapshot.SetSection(state.SectionUsage, state.SectionStatus{ObservedAt: time.Now()})
		}
		reading(7)
		s := m.mustNext()
		if u := s.Usage.Of(0); time.Since(began) != 0 || u == nil || u.CPUMillis != 7 || s.Sections[state.SectionUsage].Error.Reason != "" {
			t.Errorf("after %s: usage %+v, section %+v; want it at once", time.Since(began), u, s.Sections[state.SectionUsage])
		}
		<-time.After(time.Second)
		reading(9)
		s = m.mustNext()
		if u := s.Usage.Of(0); time.Since(began) != 5*time.Second || u == nil || u.CPUMillis != 9 || m.last.Ages[state.SectionUsage] != 4*time.Second {
			t.Errorf("after %s: usage %+v of %s ago; want it with the tick", time.Since(began), u, m.last.Ages[state.SectionUsage])
		}
	})
}

func TestBrokenSectionAgesWhileItsFactsStay(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		m := w.open("m1", 5*time.Second, time.Minute)
		m.mustNext()
		broke := time.Now()
		w.snapshot.SetSection(state.SectionPods, state.SectionStatus{ObservedAt: broke, Error: state.SectionError{Reason: "Disconnected", Message: "connection refused"}})
		s := m.mustNext()
		if got := s.Sections[state.SectionPods]; got.Error.Reason != "Disconnected" || !got.ObservedAt.Equal(broke) || s.Len(state.KindPod) != 2 {
			t.Errorf("pods: %+v with %d pods; want the error, its time, and what was known", got, s.Len(state.KindPod))
		}
		s = m.mustNext()
		if got := s.Sections[state.SectionPods]; !got.ObservedAt.Equal(broke) || time.Since(broke) != 5*time.Second {
			t.Errorf("at the next tick pods are of %s, want %s", got.ObservedAt, broke)
		}
	})
}

func TestStopEndsTheSession(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		m := w.open("m1", 5*time.Second, time.Minute)
		m.say(&wire.Stop{Message: "suspended"})
		m.wantEnd(wire.EndStopped)
	})
}

func TestAgentIgnoresWhatComesAfterItsEnd(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		w.change(manyPods()...)
		synctest.Wait()
		m := w.open("m1", 5*time.Second, time.Minute)
		// The agent is busy writing what nobody reads, while all this arrives.
		m.say(&wire.Stop{})
		for range 20 {
			m.say(&wire.Ack{Seq: 1 << 40})
			m.say(&wire.Renew{Renewal: 1, Duration: time.Minute})
		}
		synctest.Wait()
		began := time.Now()
		m.wantEnd(wire.EndStopped)
		if err := w.handler.Shutdown(t.Context()); err != nil || time.Since(began) != 0 {
			t.Errorf("the connection was gone after %s: %v; want at once", time.Since(began), err)
		}
	})
}

// manyPods are more than the connections of tests buffer.
func manyPods() []state.Object {
	pods := make([]state.Object, 4000)
	for i := range pods {
		pods[i] = &state.Pod{Namespace: "ns", Name: fmt.Sprint("pod-", i), Message: fmt.Sprintf("%x", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))}
	}
	return pods
}

func TestNewerSessionOfTheSameMasterSupersedesTheOlder(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		older := w.open("m1", 5*time.Second, time.Minute)
		newer := w.open("m1", 5*time.Second, time.Minute)
		older.wantEnd(wire.EndSuperseded)
		newer.mustNext()
		newer.mustNext()
		if w.openSessions() != 1 {
			t.Errorf("%d sessions open, want 1", w.openSessions())
		}
	})
}

func TestNinthMasterIsToldBusy(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		for i := range DefaultMaxMasters {
			w.open(fmt.Sprint("m", i), 5*time.Second, time.Minute)
		}
		ninth := w.dial()
		ninth.say(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "m9", Period: time.Second, Duration: time.Minute})
		ninth.wantEnd(wire.EndBusy)
		again := w.open("m3", 5*time.Second, time.Minute)
		again.mustNext()
	})
}

func TestTwoMastersAreIndependent(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		fast := w.open("fast", time.Second, time.Minute)
		slow := w.open("slow", 10*time.Second, 20*time.Second)
		done := make(chan int)
		for _, m := range []*master{fast, slow} {
			go func() {
				flushes, _ := m.untilEnd()
				done <- flushes
			}()
		}
		if first, second := <-done, <-done; first != 2 || second != 60 {
			t.Errorf("%d and %d reports, want 2 and 60", first, second)
		}
	})
}

func TestSilentMasterIsClosedAfterThreePeriods(t *testing.T) {
	for period, want := range map[time.Duration]time.Duration{time.Second: 3 * time.Second, 5 * time.Second: 15 * time.Second, time.Millisecond: 3 * time.Second} {
		inWorld(t, nil, func(t *testing.T, w *world) {
			w.ready()
			m := w.open("m1", period, time.Minute)
			m.silent = true
			began := time.Now()
			m.wantClose(wire.CloseSilent)
			if waited := time.Since(began); waited != want {
				t.Errorf("period %s: closed after %s, want %s", period, waited, want)
			}
			synctest.Wait()
			if w.counted("rollcall_agent_sessions_ended_total", "silent") != 1 {
				t.Error("not counted as silent")
			}
		})
	}
}

func TestSlowMasterGetsOneStateAndNeverAQueue(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		m := w.open("m1", 5*time.Second, time.Minute)
		m.silent = true
		m.mustNext()
		for i := range 50 {
			w.change(pod(fmt.Sprint("new-", i)))
			<-time.After(200 * time.Millisecond)
		}
		if s := m.mustNext(); s.Len(state.KindPod) != 3 {
			t.Fatalf("%d pods in the second unacknowledged report, want 3", s.Len(state.KindPod))
		}
		before := time.Now()
		m.silent = false
		m.say(&wire.Ack{Seq: m.last.Seq})
		if s := m.mustNext(); s.Len(state.KindPod) != 52 || time.Since(before) != 0 {
			t.Errorf("%d pods after %s; want all 52 at once", s.Len(state.KindPod), time.Since(before))
		}
	})
}

func TestMasterThatReadsNothingIsCut(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		w.change(manyPods()...)
		synctest.Wait()
		w.open("m1", time.Second, time.Minute)
		other := w.open("m2", time.Second, time.Minute)
		for range 10 {
			other.mustNext()
		}
		synctest.Wait()
		if w.openSessions() != 1 || w.counted("rollcall_agent_sessions_ended_total", "lost") != 1 {
			t.Errorf("%d sessions open, want the other master's alone", w.openSessions())
		}
	})
}

func TestMasterThatGoesAwayEndsItsSession(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		m := w.open("m1", 5*time.Second, time.Minute)
		_ = m.conn.CloseNow()
		synctest.Wait()
		if w.openSessions() != 0 || w.usage.Load() != 0 {
			t.Errorf("%d sessions open, usage used by %d", w.openSessions(), w.usage.Load())
		}
	})
}

func TestShutdownTellsEveryMaster(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		masters := []*master{w.open("m1", 5*time.Second, time.Minute), w.open("m2", 5*time.Second, time.Minute), w.dial()}
		told := make(chan error)
		for _, m := range masters {
			go func() {
				_, err := m.untilEnd()
				_, _ = m.tryRead()
				told <- err
			}()
		}
		if err := w.handler.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range masters {
			err := <-told
			if e := (*ended)(nil); !errors.As(err, &e) || e.reason != wire.EndShuttingDown {
				t.Errorf("told %v, want shutting down", err)
			}
		}
		if _, answer, err := w.get(nil, wire.Subprotocol); err == nil || answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("a dial after shutdown: %v", err)
		}
	})
}
