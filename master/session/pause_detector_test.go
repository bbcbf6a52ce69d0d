package session

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/wire"
)

// freeze has this master not run for so long: it notes nothing meanwhile, and what wakes
// it is the end. It is to be called when an agent's silence would be over at that end.
func (s *stage) freeze(d time.Duration) {
	s.t.Helper()
	p := s.sessions.pauses
	p.mu.Lock()
	p.ticker.Reset(24 * time.Hour)
	p.mu.Unlock()
	<-time.After(d)
	p.mu.Lock()
	p.ticker.Reset(pauseTick)
	p.mu.Unlock()
	synctest.Wait()
}

// slow is a cluster of which a report comes every 5 s.
func slow(c *Cluster) {
	c.RequestPeriod, c.CacheTTL, c.SessionDuration = 5*time.Second, 12*time.Second, 10*time.Minute
}

func TestThisMastersPauseIsNotTheAgentsSilence(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		resume := make(chan struct{})
		a := s.scripted("a", func(k *talk) {
			k.grantTo(k.handshake())
			k.flush()
			<-resume // what it sends meanwhile is not read
			k.flush()
			for k.receive() != nil {
			}
		}, slow)
		s.get("a")
		s.freeze(15 * time.Second)
		s.wantPhase("a", Reporting)
		o := s.wantReason("a", Succeeded)
		want(t, "last end", o.LastEndReason, "")
		close(resume)
		synctest.Wait()
		s.get("a")
		want(t, "sessions", a.sessions(), 1)
		if !strings.Contains(s.logged.String(), "was paused") {
			t.Errorf("logged: %s", s.logged)
		}
	})
}

func TestAnAgentThatIsSilentAfterAPauseIsLeft(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		end := make(chan struct{})
		s.scripted("a", func(k *talk) {
			k.grantTo(k.handshake())
			k.flush()
			<-end
		}, slow)
		s.get("a")
		s.freeze(15 * time.Second)
		s.wantPhase("a", Reporting)
		s.pass(wire.SilenceTimeout(5*time.Second) - time.Second)
		o := s.wantReason("a", DialFailed)
		want(t, "last end", o.LastEndReason, endSilent)
		if want := "no message from the agent for 15s"; o.Message != want {
			t.Errorf("told: %s; want: %s", o.Message, want)
		}
		close(end)
	})
}

func TestASessionThatBrokeInAPauseBeginsAnewAndIsNotTheAgentsFault(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a", slow)
		thaw := make(chan struct{})
		a.play(func(k *talk) {
			k.grantTo(k.handshake())
			k.flush()
			<-thaw
			a.play(nil)
			_ = k.conn.Close(wire.CloseSilent, "no Ack for 15s")
		})
		s.get("a")
		s.freeze(14 * time.Second)
		close(thaw)
		s.pass(time.Millisecond)
		o := s.wantReason("a", Succeeded)
		want(t, "ready", o.Ready.String(), "True")
		want(t, "message", o.Message, "")
		want(t, "last end", o.LastEndReason, endPaused)
		s.get("a")
		want(t, "sessions", a.sessions(), 2)
		if a.report(1).Base == nil {
			t.Error("the second session has no base")
		}
	})
}

func TestWhatBreaksAfterASessionThatAPauseBrokeIsTheAgentsFault(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a", slow)
		thaw := make(chan struct{})
		a.play(func(k *talk) {
			k.grantTo(k.handshake())
			k.flush()
			<-thaw
			_ = k.conn.Close(wire.CloseSilent, "no Ack for 15s")
		})
		s.get("a")
		s.freeze(14 * time.Second)
		close(thaw)
		s.pass(time.Millisecond)
		s.wantPhase("a", Backoff)
		want(t, "sessions", a.sessions(), 2)
	})
}

func TestACallThatAPauseMadeTooLongIsMadeAgain(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a", slow)
		a.play(func(k *talk) {
			a.play(nil)
			<-time.After(12 * time.Second) // its Hello waits to be read
			_ = k.conn.Close(websocket.StatusNormalClosure, "")
		})
		release := s.sessions.Watch("a")
		defer release()
		s.pass(100 * time.Millisecond)
		s.freeze(dialTimeout)
		s.pass(3 * time.Second)
		o := s.wantReason("a", Succeeded)
		want(t, "dials", s.dialsOf("a"), 2)
		want(t, "last end", o.LastEndReason, "")
	})
}
