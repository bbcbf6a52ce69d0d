package session

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestCurrentCreatesNoDemandAndSignalsChanges(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		if _, err := m.sessions.Current("nowhere"); !errors.Is(err, ErrNotFound) {
			t.Errorf("an unregistered cluster: got error %v, want ErrNotFound", err)
		}
		m.addCluster("a")
		before, err := m.sessions.Current("a")
		if err != nil || before.Report != nil {
			t.Fatalf("before the first report: got report %v and error %v, want neither", before.Report, err)
		}
		synctest.Wait()
		wantEqual(t, "dials", m.dials("a"), 0)
		r := m.get("a")
		<-before.Changed
		after, _ := m.sessions.Current("a")
		if after.Report != r || after.Status.Session.Phase != Reporting {
			t.Errorf("after the first report: got %v in phase %s", after.Report, after.Status.Session.Phase)
		}
	})
}

func TestCurrentSignalsTheStartOfADial(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		answer := make(chan struct{})
		m.addClusterWithHandler("a", func(*agentConn) { <-answer })
		before, _ := m.sessions.Current("a")
		release := m.watch(t.Context(), "a")
		defer release()
		defer close(answer)
		<-before.Changed
		now, _ := m.sessions.Current("a")
		for now.Status.Session.Phase == Idle || now.Status.Session.Phase == "" {
			<-now.Changed
			now, _ = m.sessions.Current("a")
		}
		wantEqual(t, "phase", now.Status.Session.Phase, Connecting)
	})
}

func TestRegisterDemandDialsWithoutWaiting(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a")
		if err := m.sessions.RegisterDemand(t.Context(), "nowhere"); !errors.Is(err, ErrNotFound) {
			t.Errorf("an unregistered cluster: got error %v, want ErrNotFound", err)
		}
		begin := time.Now()
		m.sessions.RegisterDemand(t.Context(), "a")
		wantEqual(t, "waited", time.Since(begin), 0)
		m.advance(time.Second)
		m.wantPhase("a", Reporting)
		if r, ok := m.sessions.LastReport("a"); !ok || !r.Fresh(time.Now()) {
			t.Error("got no fresh report")
		}
		m.advance(time.Minute)
		m.wantIdle("a")
	})
}

func TestRegisterDemandDoesNotDialASuspendedCluster(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a", func(c *Cluster) { c.Suspended = true })
		m.sessions.RegisterDemand(t.Context(), "a")
		m.advance(time.Second)
		wantEqual(t, "dials", m.dials("a"), 0)
	})
}
