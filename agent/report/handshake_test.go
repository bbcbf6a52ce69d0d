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

func TestAgentThatHasReadNothingIsNotReady(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		ask := func() error {
			m := w.dial()
			m.say(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "m1", Period: time.Second, Duration: time.Minute})
			_, err := m.untilEnd()
			_, _ = m.tryRead()
			return err
		}
		var e *ended
		if err := ask(); !errors.As(err, &e) || e.reason != wire.EndNotReady {
			t.Errorf("ended with %v, want not ready", err)
		}
		w.snapshot.SetSection(state.SectionPods, state.SectionStatus{Error: state.SectionError{Reason: "Forbidden", Message: "pods is forbidden"}})
		synctest.Wait()
		if err := ask(); !errors.As(err, &e) || !strings.Contains(e.words, "pods is forbidden") {
			t.Errorf("ended with %v, want the reason", err)
		}
	})
}

func TestReportOfAnotherProtocolIsUnsupported(t *testing.T) {
	for _, protocol := range []uint32{0, 1, wire.ProtocolMax + 1} {
		inWorld(t, nil, func(t *testing.T, w *world) {
			w.ready()
			m := w.dial()
			m.say(&wire.SubscribeRequest{Protocol: protocol, Session: "s", MasterID: "m1", Period: time.Second, Duration: time.Minute})
			if u, ok := m.read().(*wire.Unsupported); !ok || u.ProtocolMin != wire.ProtocolMin || u.ProtocolMax != wire.ProtocolMax || u.Message == "" {
				t.Errorf("got %+v, want Unsupported", u)
			}
			if _, err := m.tryRead(); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
				t.Errorf("then %v, want a normal close", err)
			}
		})
	}
}

func TestMasterThatSaysNothingIsClosed(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		m := w.dial()
		began := time.Now()
		m.wantClose(wire.CloseSilent)
		if waited := time.Since(began); waited != reportTimeout {
			t.Errorf("closed after %s, want %s", waited, reportTimeout)
		}
	})
}

// Each of these must end its own connection, with a code and words, and nothing
// else: a second session goes on.
func TestBrokenProtocolIsClosedAndDisturbsNobody(t *testing.T) {
	report := &wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "bad", Period: time.Second, Duration: time.Minute}
	say := func(msg wire.MasterMessage) func(*master) { return func(m *master) { m.say(msg) } }
	raw := func(kind websocket.MessageType, frame string) func(*master) {
		return func(m *master) { m.raw(kind, []byte(frame)) }
	}
	within := func(then func(*master)) func(*master) {
		return func(m *master) {
			m.say(report)
			m.granted()
			m.mustNext()
			then(m)
		}
	}
	tooLarge := strings.Repeat("x", wire.MaxMasterFrame+1)
	for name, tc := range map[string]struct {
		do   func(*master)
		code websocket.StatusCode
	}{
		"first frame is text":        {raw(websocket.MessageText, "hello"), websocket.StatusUnsupportedData},
		"first frame is garbage":     {raw(websocket.MessageBinary, "\xff\xff\xff"), wire.CloseProtocol},
		"first frame is empty":       {raw(websocket.MessageBinary, ""), wire.CloseProtocol},
		"first frame is too large":   {raw(websocket.MessageBinary, tooLarge), websocket.StatusMessageTooBig},
		"first message is an Ack":    {say(&wire.Ack{Seq: 1}), wire.CloseProtocol},
		"first message is a Renew":   {say(&wire.Renew{Renewal: 1, Duration: time.Minute}), wire.CloseProtocol},
		"Report without session":     {say(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, MasterID: "bad", Period: time.Second, Duration: time.Minute}), wire.CloseProtocol},
		"Report without holder":      {say(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", Period: time.Second, Duration: time.Minute}), wire.CloseProtocol},
		"text within a session":      {within(raw(websocket.MessageText, "hello")), websocket.StatusUnsupportedData},
		"garbage within a session":   {within(raw(websocket.MessageBinary, "\x00garbage")), wire.CloseProtocol},
		"too large within a session": {within(raw(websocket.MessageBinary, tooLarge)), websocket.StatusMessageTooBig},
		"second Report":              {within(say(report)), wire.CloseProtocol},
		"Ack of the future":          {within(say(&wire.Ack{Seq: 1 << 40})), wire.CloseProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(t *testing.T, w *world) {
				w.ready()
				good := w.open("good", time.Second, time.Minute)
				good.mustNext()
				bad := w.dial()
				tc.do(bad)
				bad.wantClose(tc.code)
				good.mustNext()
				good.mustNext()
				if w.openSessions() != 1 {
					t.Errorf("%d sessions open, want the good one", w.openSessions())
				}
			})
		})
	}
}

func TestOneSummaryIsAnsweredWithNodeUsageAndClosed(t *testing.T) {
	node := (&state.Node{Name: "n1"}).Key()
	for name, tc := range map[string]struct {
		read      func(context.Context) (state.Sample, error)
		wantCPU   int64
		wantError string
		wantAfter time.Duration
	}{
		"read in time": {read: func(context.Context) (state.Sample, error) {
			return state.Sample{node: {CPUMillis: 7, SampledAt: 1}}, nil
		}, wantCPU: 7},
		"too slow": {read: func(ctx context.Context) (state.Sample, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, wantError: "Unavailable", wantAfter: summaryTimeout},
		"switched off": {wantError: "Pending"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(cfg *Config) { cfg.ReadNodes = tc.read }, func(t *testing.T, w *world) {
				w.ready()
				m := w.dial()
				began := time.Now()
				m.say(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, SummaryOnly: true})
				got, ok := m.read().(*wire.Summary)
				if !ok || got.Summary.Nodes.Total != 1 || got.Summary.Pods.Running != 2 || time.Since(began) != tc.wantAfter {
					t.Fatalf("got %+v after %s", got, time.Since(began))
				}
				if used := got.Summary.Used; (used != nil) != (tc.wantCPU != 0) || used != nil && used.CPUMillis != tc.wantCPU {
					t.Errorf("used %+v, want %d", used, tc.wantCPU)
				}
				if e := got.Errors[state.SectionUsage]; e.Reason != tc.wantError || (got.Ages[state.SectionUsage] == 0) != (tc.wantError == "") {
					t.Errorf("usage: %+v, %s ago; want %q", e, got.Ages[state.SectionUsage], tc.wantError)
				}
				if msg, err := m.tryRead(); err == nil || websocket.CloseStatus(err) != -1 {
					t.Errorf("then %T, %v, want an end without a word", msg, err)
				}
				if w.snapshot.Current().State.Usage != nil || w.usage.Load() != 0 {
					t.Error("a summary left usage behind")
				}
			})
		})
	}
}

func TestProblemsThatTheMasterHasAreNotSentAgain(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		w.change(&state.Node{Name: "n2", Ready: state.False})
		synctest.Wait()
		summaryFor := func(known uint64) *wire.Summary {
			m := w.dial()
			m.say(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, SummaryOnly: true, ProblemsHash: known})
			return m.read().(*wire.Summary)
		}
		first := summaryFor(0)
		if first.SameProblems || len(first.Summary.Problems) != 1 {
			t.Fatalf("got %+v, want one problem", first)
		}
		known := wire.HashProblems(first.Summary.Problems)
		if same := summaryFor(known); !same.SameProblems || len(same.Summary.Problems) != 0 || same.Summary.ProblemCount != 1 {
			t.Errorf("got %+v, want the same problem left out", same)
		}
		w.change(&state.Node{Name: "n3", Ready: state.False})
		synctest.Wait()
		if other := summaryFor(known); other.SameProblems || len(other.Summary.Problems) != 2 {
			t.Errorf("got %+v, want both problems", other)
		}
	})
}

func TestResourcesThatTheMasterHasAreNotSentAgain(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		w.change(&state.Node{Name: "n2", Ready: state.True, Schedulable: true, Allocatable: state.Resources{CPUMillis: 4000, Pods: 110, Extended: map[string]int64{"nvidia.com/gpu": 4}}})
		synctest.Wait()
		summaryFor := func(known uint64) *wire.Summary {
			m := w.dial()
			m.say(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, SummaryOnly: true, ResourcesHash: known})
			return m.read().(*wire.Summary)
		}
		first := summaryFor(0)
		if first.SameResources || first.Summary.Allocatable.Extended["nvidia.com/gpu"] != 4 {
			t.Fatalf("got %+v, want the resources", first)
		}
		known := wire.HashResources(first.Identity, &first.Summary)
		if same := summaryFor(known); !same.SameResources || same.Summary.Allocatable.CPUMillis != 0 || same.Summary.Nodes != first.Summary.Nodes {
			t.Errorf("got %+v, want the same resources left out", same)
		}
		w.change(&state.Node{Name: "n3", Ready: state.True, Schedulable: true, Allocatable: state.Resources{CPUMillis: 1000}})
		synctest.Wait()
		if other := summaryFor(known); other.SameResources || other.Summary.Allocatable.CPUMillis != first.Summary.Allocatable.CPUMillis+1000 {
			t.Errorf("got %+v, want one node more", other)
		}
	})
}

func TestSummaryDoesNotEndTheMastersSession(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		session := w.open("m1", time.Second, time.Minute)
		m := w.dial()
		m.say(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, SummaryOnly: true})
		if _, ok := m.read().(*wire.Summary); !ok {
			t.Error("no summary")
		}
		_, _ = m.tryRead()
		for range 3 {
			session.mustNext()
		}
	})
}

func TestMasterThatResumesGetsADeltaFromItsBase(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		m := w.open("m1", time.Second, time.Minute)
		held := m.mustNext()
		m.say(&wire.Stop{})
		m.wantEnd(wire.EndStopped)

		w.change(pod("c"))
		w.snapshot.Update(state.Changes{Removes: []state.Key{pod("a").Key()}})
		w.snapshot.SetSection(state.SectionUsage, state.SectionStatus{Live: true})
		synctest.Wait()
		for _, tc := range []struct {
			name  string
			base  wire.Base
			delta bool
		}{
			{"its own", wire.Base{Epoch: epoch, Seq: held.Seq}, true},
			{"another epoch's", wire.Base{Epoch: epoch + 1, Seq: held.Seq}, false},
			{"one of the future", wire.Base{Epoch: epoch, Seq: held.Seq + 100}, false},
		} {
			m = w.dial()
			base := held
			if !tc.delta {
				base = nil
			}
			m.receiver = wire.NewReceiver(m.hello.Epoch, base)
			m.say(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "m1", Period: time.Second, Duration: time.Minute, Base: &tc.base})
			m.granted()
			s := m.mustNext()
			if _, delta := m.heard[0].(*wire.Delta); delta != tc.delta {
				t.Errorf("%s: first message is a %T", tc.name, m.heard[0])
			}
			if want := w.snapshot.Current().State; len(state.Diff(s, want).Upserts)+len(state.Diff(s, want).Removes) != 0 || s.Sections[state.SectionUsage].Error.Reason != "" {
				t.Errorf("%s: what came is not the present state", tc.name)
			}
		}
	})
}

func TestMasterThatResumesGetsUsageAsDifferencesToItsReading(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		read := func(cpu int64) {
			w.snapshot.SetUsage(state.Sample{(&state.Node{Name: "n1"}).Key(): {CPUMillis: cpu, SampledAt: state.Time(cpu)}})
			synctest.Wait()
		}
		read(1)
		m := w.open("m1", time.Second, time.Minute)
		held := m.mustNext()
		m.say(&wire.Stop{})
		m.wantEnd(wire.EndStopped)

		for _, tc := range []struct {
			name string
			base uint64 // of the Usage that comes; 0: absolute
			sent bool
		}{{"the same reading", 0, false}, {"one reading later", 1, true}, {"two readings later", 0, true}} {
			m = w.dial()
			m.receiver = wire.NewReceiver(m.hello.Epoch, held)
			m.say(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "m1", Period: time.Second, Duration: time.Minute, Base: &wire.Base{Epoch: epoch, Seq: held.Seq, Usage: held.Usage.N}})
			m.granted()
			s := m.mustNext()
			var sent *wire.Usage
			for _, h := range m.heard {
				if u, ok := h.(*wire.Usage); ok {
					sent = u
				}
			}
			if (sent != nil) != tc.sent || sent != nil && sent.Base != tc.base {
				t.Errorf("%s: sent was %+v", tc.name, sent)
			}
			if got, want := *s.Usage.Of(0), *w.snapshot.Current().State.Usage.Of(0); got != want {
				t.Errorf("%s: usage is %+v, want %+v", tc.name, got, want)
			}
			read(int64(s.Usage.N) + 1)
		}
	})
}

func TestDeltaThatDoesNotFitAFrameBecomesASnapshot(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ready()
		w.snapshot.SetUsage(state.Sample{(&state.Node{Name: "n1"}).Key(): {CPUMillis: 5, SampledAt: 1}})
		synctest.Wait()
		m := w.open("m1", 5*time.Second, time.Minute)
		m.mustNext()
		large := make([]state.Object, 3000)
		for i := range large {
			p := pod(fmt.Sprint("large-", i))
			p.Message = strings.Repeat(fmt.Sprintf("%04d", i), 500)
			large[i] = p
		}
		w.change(large...)
		s := m.mustNext()
		if _, ok := m.heard[0].(*wire.Snapshot); !ok || s.Len(state.KindPod) != 3002 {
			t.Errorf("a %T with %d pods, want a snapshot with 3002", m.heard[0], s.Len(state.KindPod))
		}
		if used := s.Usage.Of(0); used == nil || used.CPUMillis != 5 {
			t.Errorf("usage is %+v after the snapshot, want what it was", used)
		}
	})
}
