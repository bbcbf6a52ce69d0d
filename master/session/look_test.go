package session

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestALookIsNoDemandAndTellsWhenToLookAgain(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		if _, known := s.sessions.Look("nowhere"); known {
			t.Error("a cluster that nobody registered is known")
		}
		s.cluster("a")
		before, known := s.sessions.Look("a")
		if !known || before.Value != nil {
			t.Fatalf("before the first report: known %t, %v", known, before.Value)
		}
		synctest.Wait()
		want(t, "dials", s.dialsOf("a"), 0)
		v := s.get("a")
		<-before.News
		after, _ := s.sessions.Look("a")
		if after.Value != v || after.Observation.Session.Phase != Reporting {
			t.Errorf("after the first report: %v, %s", after.Value, after.Observation.Session.Phase)
		}
	})
}

func TestWhoLooksHearsOfADialBeforeItHasAnEnd(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		answer := make(chan struct{})
		s.scripted("a", func(*talk) { <-answer })
		before, _ := s.sessions.Look("a")
		release := s.sessions.Watch("a")
		defer release()
		defer close(answer)
		<-before.News
		now, _ := s.sessions.Look("a")
		for now.Observation.Session.Phase == Idle || now.Observation.Session.Phase == "" {
			<-now.News
			now, _ = s.sessions.Look("a")
		}
		want(t, "phase", now.Observation.Session.Phase, Connecting)
	})
}

func TestWantIsDemandAndDoesNotWait(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.cluster("a")
		s.sessions.Want("nowhere")
		begin := time.Now()
		s.sessions.Want("a")
		want(t, "time that it took", time.Since(begin), 0)
		s.pass(time.Second)
		s.wantPhase("a", Reporting)
		if v, ok := s.sessions.Peek("a"); !ok || !v.Fresh(time.Now()) {
			t.Error("no fresh value came")
		}
		s.pass(time.Minute)
		s.wantIdle("a")
	})
}

func TestWantOfASuspendedClusterDialsNobody(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.cluster("a", func(c *Cluster) { c.Suspended = true })
		s.sessions.Want("a")
		s.pass(time.Second)
		want(t, "dials", s.dialsOf("a"), 0)
	})
}
