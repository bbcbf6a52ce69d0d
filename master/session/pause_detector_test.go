package session

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/session/dial"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/wire"
)

// pauseProcess simulates that this process does not run for d: the detector's timer does not fire. It is
// called when the agent's timeout ends with the pause.
func (m *testMaster) pauseProcess(d time.Duration) {
	m.t.Helper()
	p := m.sessions.pauses
	p.mu.Lock()
	p.ticker.Reset(24 * time.Hour)
	p.mu.Unlock()
	<-time.After(d)
	p.mu.Lock()
	p.ticker.Reset(pauseTick)
	p.mu.Unlock()
	synctest.Wait()
}

// slowReports sets a period of 5 s.
func slowReports(c *Cluster) {
	c.RequestPeriod, c.CacheTTL, c.SessionDuration = 5*time.Second, 12*time.Second, 10*time.Minute
}

func TestPauseOfTheMasterIsNotSilenceOfTheAgent(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		resume := make(chan struct{})
		a := m.addClusterWithHandler("a", func(c *agentConn) {
			c.grantTo(c.handshake())
			c.flush()
			<-resume // what it would send during the pause is not read
			c.flush()
			for c.receive() != nil {
			}
		}, slowReports)
		m.get("a")
		m.pauseProcess(15 * time.Second)
		m.wantPhase("a", Reporting)
		status := m.wantReason("a", Succeeded)
		wantEqual(t, "last end reason", status.LastEndReason, "")
		close(resume)
		synctest.Wait()
		m.get("a")
		wantEqual(t, "sessions", a.sessionCount(), 1)
		if !strings.Contains(m.logs.String(), "was paused") {
			t.Errorf("log is %q, want it to mention the pause", m.logs)
		}
	})
}

func TestAgentThatIsSilentAfterAPauseIsAborted(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		end := make(chan struct{})
		m.addClusterWithHandler("a", func(c *agentConn) {
			c.grantTo(c.handshake())
			c.flush()
			<-end
		}, slowReports)
		m.get("a")
		m.pauseProcess(15 * time.Second)
		m.wantPhase("a", Reporting)
		m.advance(wire.SilenceTimeout(5*time.Second) - time.Second)
		status := m.wantReason("a", dial.DialFailed)
		wantEqual(t, "last end reason", status.LastEndReason, endSilent)
		if want := "no message from the agent for 15s"; status.Message != want {
			t.Errorf("message is %q, want %q", status.Message, want)
		}
		close(end)
	})
}

func TestConnectionThatBreaksDuringAPauseIsNoFailure(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", slowReports)
		resume := make(chan struct{})
		a.setHandler(func(c *agentConn) {
			c.grantTo(c.handshake())
			c.flush()
			<-resume
			a.setHandler(nil)
			_ = c.Close(wire.CloseSilent, "no Ack for 15s")
		})
		m.get("a")
		m.pauseProcess(14 * time.Second)
		close(resume)
		m.advance(time.Millisecond)
		status := m.wantReason("a", Succeeded)
		wantEqual(t, "ready", status.Ready.String(), "True")
		wantEqual(t, "message", status.Message, "")
		wantEqual(t, "last end reason", status.LastEndReason, endPaused)
		m.get("a")
		wantEqual(t, "sessions", a.sessionCount(), 2)
		if a.request(1).Base == nil {
			t.Error("the second session has no base")
		}
	})
}

func TestConnectionThatBreaksAfterAPauseIsAFailure(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", slowReports)
		resume := make(chan struct{})
		a.setHandler(func(c *agentConn) {
			c.grantTo(c.handshake())
			c.flush()
			<-resume
			_ = c.Close(wire.CloseSilent, "no Ack for 15s")
		})
		m.get("a")
		m.pauseProcess(14 * time.Second)
		close(resume)
		m.advance(time.Millisecond)
		m.wantPhase("a", Backoff)
		wantEqual(t, "sessions", a.sessionCount(), 2)
	})
}

func TestDialThatTimesOutDuringAPauseIsRepeated(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", slowReports)
		a.setHandler(func(c *agentConn) {
			a.setHandler(nil)
			<-time.After(12 * time.Second) // its Hello comes after the timeout
			_ = c.Close(websocket.StatusNormalClosure, "")
		})
		release := m.watch(t.Context(), "a")
		defer release()
		m.advance(100 * time.Millisecond)
		m.pauseProcess(dial.Timeout)
		m.advance(3 * time.Second)
		status := m.wantReason("a", Succeeded)
		wantEqual(t, "dials", m.dials("a"), 2)
		wantEqual(t, "last end reason", status.LastEndReason, "")
	})
}
