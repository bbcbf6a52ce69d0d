package session

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestALookIsNoDemandAndTellsWhenToLookAgain(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		if _, known := s.sessions.Current("nowhere"); known {
			t.Error("a cluster that nobody registered is known")
		}
		s.cluster("a")
		before, known := s.sessions.Current("a")
		if !known || before.Report != nil {
			t.Fatalf("before the first report: known %t, %v", known, before.Report)
		}
		synctest.Wait()
		want(t, "dials", s.dialsOf("a"), 0)
		v := s.get("a")
		<-before.Changed
		after, _ := s.sessions.Current("a")
		if after.Report != v || after.Status.Session.Phase != Reporting {
			t.Errorf("after the first report: %v, %s", after.Report, after.Status.Session.Phase)
		}
	})
}

func TestWhoLooksHearsOfADialBeforeItHasAnEnd(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		answer := make(chan struct{})
		s.scripted("a", func(*talk) { <-answer })
		before, _ := s.sessions.Current("a")
		release := s.sessions.Watch("a")
		defer release()
		defer close(answer)
		<-before.Changed
		now, _ := s.sessions.Current("a")
		for now.Status.Session.Phase == Idle || now.Status.Session.Phase == "" {
			<-now.Changed
			now, _ = s.sessions.Current("a")
		}
		want(t, "phase", now.Status.Session.Phase, Connecting)
	})
}

func TestWantIsDemandAndDoesNotWait(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.cluster("a")
		s.sessions.RegisterDemand("nowhere")
		begin := time.Now()
		s.sessions.RegisterDemand("a")
		want(t, "time that it took", time.Since(begin), 0)
		s.pass(time.Second)
		s.wantPhase("a", Reporting)
		if v, ok := s.sessions.LastReport("a"); !ok || !v.Fresh(time.Now()) {
			t.Error("no fresh value came")
		}
		s.pass(time.Minute)
		s.wantIdle("a")
	})
}

func TestWantOfASuspendedClusterDialsNobody(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.cluster("a", func(c *Cluster) { c.Suspended = true })
		s.sessions.RegisterDemand("a")
		s.pass(time.Second)
		want(t, "dials", s.dialsOf("a"), 0)
	})
}
