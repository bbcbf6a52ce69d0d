package report

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

func TestNotReadyBeforeNodesAndPodsAreListed(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		subscribe := func() error {
			m := h.dial()
			m.send(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "m1", Period: time.Second, Duration: time.Minute})
			_, err := m.readUntilEnd()
			_, _ = m.tryRead()
			return err
		}
		var e *endError
		if err := subscribe(); !errors.As(err, &e) || e.reason != wire.EndNotReady {
			t.Errorf("got %v, want an End with not ready", err)
		}
		h.snapshot.SetSection(state.SectionPods, state.SectionStatus{Error: state.SectionError{Reason: "Forbidden", Message: "pods is forbidden"}})
		synctest.Wait()
		if err := subscribe(); !errors.As(err, &e) || !strings.Contains(e.message, "pods is forbidden") {
			t.Errorf("got %v, want an End with the error of the section", err)
		}
	})
}

func TestSubscribeWithOtherProtocolIsUnsupported(t *testing.T) {
	for _, protocol := range []uint32{0, 1, wire.ProtocolMax + 1} {
		runTest(t, nil, func(t *testing.T, h *harness) {
			h.makeReady()
			m := h.dial()
			m.send(&wire.SubscribeRequest{Protocol: protocol, Session: "s", MasterID: "m1", Period: time.Second, Duration: time.Minute})
			if u, ok := m.read().(*wire.Unsupported); !ok || u.ProtocolMin != wire.ProtocolMin || u.ProtocolMax != wire.ProtocolMax || u.Message == "" {
				t.Errorf("got %+v, want Unsupported with the protocols of the agent", u)
			}
			if _, err := m.tryRead(); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
				t.Errorf("after Unsupported: got %v, want a normal close", err)
			}
		})
	}
}

func TestConnectionWithoutSubscribeIsClosed(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		m := h.dial()
		start := time.Now()
		m.wantClose(wire.CloseSilent)
		if waited := time.Since(start); waited != subscribeTimeout {
			t.Errorf("connection closed after %s, want %s", waited, subscribeTimeout)
		}
	})
}

// TestProtocolViolationClosesOnlyItsConnection checks that each violation closes its connection with a code and a
// reason, and that a session of another master continues.
func TestProtocolViolationClosesOnlyItsConnection(t *testing.T) {
	subscribe := &wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "bad", Period: time.Second, Duration: time.Minute}
	send := func(msg wire.MasterMessage) func(*master) { return func(m *master) { m.send(msg) } }
	raw := func(kind websocket.MessageType, frame string) func(*master) {
		return func(m *master) {
			if err := m.SendMessage(context.Background(), kind, []byte(frame)); err != nil {
				m.t.Fatalf("send a frame: %v", err)
			}
		}
	}
	inSession := func(then func(*master)) func(*master) {
		return func(m *master) {
			m.send(subscribe)
			m.readGrant()
			m.mustNextFlush()
			then(m)
		}
	}
	tooLarge := strings.Repeat("x", wire.MaxMasterFrame+1)
	for name, tc := range map[string]struct {
		do   func(*master)
		code websocket.StatusCode
	}{
		"first frame is text":      {raw(websocket.MessageText, "hello"), websocket.StatusUnsupportedData},
		"first frame is garbage":   {raw(websocket.MessageBinary, "\xff\xff\xff"), wire.CloseProtocol},
		"first frame is empty":     {raw(websocket.MessageBinary, ""), wire.CloseProtocol},
		"first frame is too large": {raw(websocket.MessageBinary, tooLarge), websocket.StatusMessageTooBig},
		"first message is an Ack":  {send(&wire.Ack{Seq: 1}), wire.CloseProtocol},
		"first message is a Renew": {send(&wire.Renew{Renewal: 1, Duration: time.Minute}), wire.CloseProtocol},
		"no session":               {send(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, MasterID: "bad", Period: time.Second, Duration: time.Minute}), wire.CloseProtocol},
		"no master ID":             {send(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", Period: time.Second, Duration: time.Minute}), wire.CloseProtocol},
		"text in a session":        {inSession(raw(websocket.MessageText, "hello")), websocket.StatusUnsupportedData},
		"garbage in a session":     {inSession(raw(websocket.MessageBinary, "\x00garbage")), wire.CloseProtocol},
		"too large in a session":   {inSession(raw(websocket.MessageBinary, tooLarge)), websocket.StatusMessageTooBig},
		"second SubscribeRequest":  {inSession(send(subscribe)), wire.CloseProtocol},
		"Ack of a future seq":      {inSession(send(&wire.Ack{Seq: 1 << 40})), wire.CloseProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			runTest(t, nil, func(t *testing.T, h *harness) {
				h.makeReady()
				good := h.openSession("good", time.Second, time.Minute)
				good.mustNextFlush()
				bad := h.dial()
				tc.do(bad)
				bad.wantClose(tc.code)
				good.mustNextFlush()
				good.mustNextFlush()
				if h.sessionCount() != 1 {
					t.Errorf("got %d open sessions, want 1", h.sessionCount())
				}
			})
		})
	}
}

func TestSummaryHasNodeUsageAndEndsConnection(t *testing.T) {
	node := (&state.Node{Name: "n1"}).Key()
	for name, tc := range map[string]struct {
		read      func(context.Context) (state.Reading, error)
		wantCPU   int64
		wantError string
		wantAfter time.Duration
	}{
		"read in time": {read: func(context.Context) (state.Reading, error) {
			return state.Reading{node: {CPUMillis: 7, SampledAt: 1}}, nil
		}, wantCPU: 7},
		"too slow": {read: func(ctx context.Context) (state.Reading, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, wantError: "Unavailable", wantAfter: summaryTimeout},
		"switched off": {wantError: "Pending"},
	} {
		t.Run(name, func(t *testing.T) {
			runTest(t, func(cfg *Config) { cfg.ReadNodes = tc.read }, func(t *testing.T, h *harness) {
				h.makeReady()
				m := h.dial()
				start := time.Now()
				m.send(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, SummaryOnly: true})
				got, ok := m.read().(*wire.Summary)
				if !ok || got.Summary.Nodes.Total != 1 || got.Summary.Pods.Running != 2 || time.Since(start) != tc.wantAfter {
					t.Fatalf("got %+v after %s, want a summary of one node and two running pods after %s", got, time.Since(start), tc.wantAfter)
				}
				if used := got.Summary.Used; (used != nil) != (tc.wantCPU != 0) || used != nil && used.CPUMillis != tc.wantCPU {
					t.Errorf("got usage %+v, want %d millicores", used, tc.wantCPU)
				}
				if e := got.Errors[state.SectionUsage]; e.Reason != tc.wantError || (got.Ages[state.SectionUsage] == 0) != (tc.wantError == "") {
					t.Errorf("got usage section %+v of %s ago, want reason %q", e, got.Ages[state.SectionUsage], tc.wantError)
				}
				if msg, err := m.tryRead(); err == nil || websocket.CloseStatus(err) != -1 {
					t.Errorf("after the summary: got %T, %v, want the connection to end without a close frame", msg, err)
				}
				if h.snapshot.Current().State.Usage != nil || h.usageSubscribers.Load() != 0 {
					t.Error("the summary changed the usage in the store, or still subscribes to usage")
				}
			})
		})
	}
}

func TestSummaryOmitsProblemsThatTheMasterHas(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		h.change(&state.Node{Name: "n2", Ready: state.False})
		synctest.Wait()
		summaryFor := func(known uint64) *wire.Summary {
			m := h.dial()
			m.send(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, SummaryOnly: true, ProblemsHash: known})
			return m.read().(*wire.Summary)
		}
		first := summaryFor(0)
		if first.SameProblems || len(first.Summary.Problems) != 1 {
			t.Fatalf("got %+v, want one problem", first)
		}
		known := wire.HashProblems(first.Summary.Problems)
		if same := summaryFor(known); !same.SameProblems || len(same.Summary.Problems) != 0 || same.Summary.ProblemCount != 1 {
			t.Errorf("got %+v, want SameProblems and no list of problems", same)
		}
		h.change(&state.Node{Name: "n3", Ready: state.False})
		synctest.Wait()
		if other := summaryFor(known); other.SameProblems || len(other.Summary.Problems) != 2 {
			t.Errorf("got %+v, want both problems", other)
		}
	})
}

func TestSummaryOmitsResourcesThatTheMasterHas(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		h.change(&state.Node{Name: "n2", Ready: state.True, Schedulable: true, Allocatable: state.Resources{CPUMillis: 4000, Pods: 110, Extended: map[string]int64{"nvidia.com/gpu": 4}}})
		synctest.Wait()
		summaryFor := func(known uint64) *wire.Summary {
			m := h.dial()
			m.send(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, SummaryOnly: true, ResourcesHash: known})
			return m.read().(*wire.Summary)
		}
		first := summaryFor(0)
		if first.SameResources || first.Summary.Allocatable.Extended["nvidia.com/gpu"] != 4 {
			t.Fatalf("got %+v, want the resources", first)
		}
		known := wire.HashResources(first.Identity, &first.Summary)
		if same := summaryFor(known); !same.SameResources || same.Summary.Allocatable.CPUMillis != 0 || same.Summary.Nodes != first.Summary.Nodes {
			t.Errorf("got %+v, want SameResources and no resources", same)
		}
		h.change(&state.Node{Name: "n3", Ready: state.True, Schedulable: true, Allocatable: state.Resources{CPUMillis: 1000}})
		synctest.Wait()
		if other := summaryFor(known); other.SameResources || other.Summary.Allocatable.CPUMillis != first.Summary.Allocatable.CPUMillis+1000 {
			t.Errorf("got %+v, want the resources with one node more", other)
		}
	})
}

func TestSummaryDoesNotEndSession(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		session := h.openSession("m1", time.Second, time.Minute)
		m := h.dial()
		m.send(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, SummaryOnly: true})
		if _, ok := m.read().(*wire.Summary); !ok {
			t.Error("got no summary")
		}
		_, _ = m.tryRead()
		for range 3 {
			session.mustNextFlush()
		}
	})
}

func TestResumedSessionStartsWithDeltaFromBase(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		m := h.openSession("m1", time.Second, time.Minute)
		held := m.mustNextFlush()
		m.send(&wire.Stop{})
		m.wantEnd(wire.EndStopped)

		h.change(pod("c"))
		h.snapshot.Update(state.Changes{Removes: []state.Key{pod("a").Key()}})
		h.snapshot.SetSection(state.SectionUsage, state.SectionStatus{Live: true})
		synctest.Wait()
		for _, tc := range []struct {
			name  string
			base  wire.Base
			delta bool
		}{
			{"its own base", wire.Base{Epoch: epoch, Seq: held.Seq}, true},
			{"a base of another epoch", wire.Base{Epoch: epoch + 1, Seq: held.Seq}, false},
			{"a base with a future seq", wire.Base{Epoch: epoch, Seq: held.Seq + 100}, false},
		} {
			m = h.dial()
			base := wire.NewLazyState(held)
			if !tc.delta {
				base = nil
			}
			m.receiver = wire.NewReceiver(m.Hello.Epoch, base)
			m.send(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "m1", Period: time.Second, Duration: time.Minute, Base: &tc.base})
			m.readGrant()
			s := m.mustNextFlush()
			if _, delta := m.received[0].(*wire.Delta); delta != tc.delta {
				t.Errorf("%s: the first message is a %T, want a Delta: %v", tc.name, m.received[0], tc.delta)
			}
			if want := h.snapshot.Current().State; len(state.Diff(s, want).Upserts)+len(state.Diff(s, want).Removes) != 0 || s.Sections[state.SectionUsage].Error.Reason != "" {
				t.Errorf("%s: the received state differs from the current one", tc.name)
			}
		}
	})
}

func TestResumedSessionGetsUsageRelativeToItsReading(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		read := func(cpu int64) {
			h.snapshot.SetUsage(state.Reading{(&state.Node{Name: "n1"}).Key(): {CPUMillis: cpu, SampledAt: state.Time(cpu)}})
			synctest.Wait()
		}
		read(1)
		m := h.openSession("m1", time.Second, time.Minute)
		held := m.mustNextFlush()
		m.send(&wire.Stop{})
		m.wantEnd(wire.EndStopped)

		for _, tc := range []struct {
			name string
			base uint64 // Base of the received Usage; 0: absolute
			sent bool
		}{{"the same reading", 0, false}, {"one reading later", 1, true}, {"two readings later", 0, true}} {
			m = h.dial()
			m.receiver = wire.NewReceiver(m.Hello.Epoch, wire.NewLazyState(held))
			m.send(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "m1", Period: time.Second, Duration: time.Minute, Base: &wire.Base{Epoch: epoch, Seq: held.Seq, Usage: held.Usage.N}})
			m.readGrant()
			s := m.mustNextFlush()
			var sent *wire.Usage
			for _, msg := range m.received {
				if u, ok := msg.(*wire.Usage); ok {
					sent = u
				}
			}
			if (sent != nil) != tc.sent || sent != nil && sent.Base != tc.base {
				t.Errorf("%s: got Usage %+v; want one: %v, with base %d", tc.name, sent, tc.sent, tc.base)
			}
			if got, want := *s.Usage.Of(0), *h.snapshot.Current().State.Usage.Of(0); got != want {
				t.Errorf("%s: got usage %+v, want %+v", tc.name, got, want)
			}
			read(int64(s.Usage.N) + 1)
		}
	})
}

func TestTooLargeDeltaIsReplacedBySnapshot(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		h.snapshot.SetUsage(state.Reading{(&state.Node{Name: "n1"}).Key(): {CPUMillis: 5, SampledAt: 1}})
		synctest.Wait()
		m := h.openSession("m1", 5*time.Second, time.Minute)
		m.mustNextFlush()
		large := make([]state.Object, 3000)
		for i := range large {
			p := pod(fmt.Sprint("large-", i))
			p.Message = strings.Repeat(fmt.Sprintf("%04d", i), 500)
			large[i] = p
		}
		h.change(large...)
		s := m.mustNextFlush()
		if _, ok := m.received[0].(*wire.Snapshot); !ok || s.Len(state.KindPod) != 3002 {
			t.Errorf("got a %T and %d pods, want a Snapshot and 3002 pods", m.received[0], s.Len(state.KindPod))
		}
		if used := s.Usage.Of(0); used == nil || used.CPUMillis != 5 {
			t.Errorf("got usage %+v after the snapshot, want the same as before", used)
		}
	})
}
