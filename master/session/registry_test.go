package session

import (
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
)

func TestSuspendingEndsTheSessionAndRefusesReaders(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		s.get("a")
		s.edit("a", func(c *Cluster) { c.Suspended = true })
		o := s.wantReason("a", Suspended)
		want(t, "last end", o.LastEndReason, endSuspended)
		want(t, "ready", o.Ready, state.False)
		want(t, "generation", o.Generation, 2)
		if _, err := s.await("a", time.Second); !errors.Is(err, ErrSuspended) {
			t.Errorf("got %v", err)
		}
		s.wantIdle("a")
		s.edit("a", func(c *Cluster) { c.Suspended = false })
		s.wantReason("a", Succeeded)
		s.get("a")
		s.stop()
		want(t, "stops", a.stopped()[0], stopMessages[endSuspended])
		s.run()
	}, func(s *stage) { s.config.Metrics = nil })
}

func TestSuspendedAtBirthIsNeverCalled(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.cluster("a", func(c *Cluster) { c.Suspended, c.Continuous, c.IdleRefresh = true, true, time.Minute })
		s.pass(time.Hour)
		want(t, "dials", s.dialsOf("a"), 0)
		s.wantIdle("a")
		s.edit("a", func(c *Cluster) { c.Suspended = false })
		s.pass(time.Second)
		s.wantPhase("a", Reporting)
	})
}

func TestRefusedRequestIsNoDemand(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.cluster("a", func(c *Cluster) { c.Suspended = true })
		if _, err := s.await("a", time.Second); !errors.Is(err, ErrSuspended) {
			t.Errorf("got %v", err)
		}
		s.edit("a", func(c *Cluster) { c.Suspended = false })
		s.pass(time.Minute)
		want(t, "dials", s.dialsOf("a"), 0)
	})
}

func TestSuspendingWhileAReaderWaitsTellsIt(t *testing.T) {
	for word, change := range map[string]func(s *stage){
		"suspended": func(s *stage) { s.edit("a", func(c *Cluster) { c.Suspended = true }) },
		"deleted":   func(s *stage) { s.registry.remove("a"); s.sessions.Sync("a") },
	} {
		t.Run(word, func(t *testing.T) {
			act(t, func(t *testing.T, s *stage) {
				a := s.cluster("a")
				a.play(func(k *talk) { k.receive() })
				got := make(chan error, 1)
				go func() {
					_, err := s.await("a", time.Minute)
					got <- err
				}()
				s.pass(time.Second)
				change(s)
				synctest.Wait()
				select {
				case err := <-got:
					if !errors.Is(err, ErrSuspended) && !errors.Is(err, ErrNotFound) {
						t.Errorf("got %v", err)
					}
				default:
					t.Error("the reader still waits")
				}
			})
		})
	}
}

func TestDeletedClusterEndsEverywhere(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		s.get("a")
		s.pass(time.Second)
		if _, err := s.store.Load(t.Context(), "a", time.Minute); err != nil {
			t.Fatalf("before: %v", err)
		}
		s.registry.remove("a")
		s.sessions.Sync("a")
		synctest.Wait()
		if _, err := s.await("a", time.Second); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if _, ok := s.sessions.LastReport("a"); ok {
			t.Error("there is a value yet")
		}
		if _, err := s.store.Load(t.Context(), "a", time.Minute); !errors.Is(err, cache.ErrMiss) {
			t.Errorf("the Store still has it: %v", err)
		}
		s.pass(time.Second)
		_, open, _, _ := a.seen()
		want(t, "connections", open, 0)
		want(t, "words", a.stopped()[0], stopMessages[endDeleted])
		s.register("a")
		s.get("a")
		want(t, "sessions", a.sessions(), 2)
	})
}

func TestClusterThatIsGoneIsUnknownWhereNothingIsHeldEvenBeforeAnybodySaysSo(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.cluster("a")
		s.registry.remove("a")
		if _, err := s.await("a", time.Second); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
}

func TestChangedClusterGetsANewSessionFromWhatIsHeld(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		v := s.get("a")
		s.edit("a", func(c *Cluster) { c.RequestPeriod = 2 * time.Second })
		synctest.Wait()
		want(t, "last end", s.sessions.Status("a").LastEndReason, endChanged)
		want(t, "sessions", a.sessions(), 2)
		want(t, "period", a.report(1).Period, 2*time.Second)
		if b := a.report(1).Base; b == nil || b.Seq != v.State.Seq {
			t.Errorf("base %+v", b)
		}
		s.wantPhase("a", Reporting)
	})
}

func TestWhatASessionDoesNotRestOnDoesNotEndIt(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		s.get("a")
		s.edit("a", func(c *Cluster) { c.IdleRefresh = time.Hour })
		// The reconciler writes down who answered first.
		s.edit("a", func(c *Cluster) { c.ExpectedUID, c.Generation = "uid-a", 1 })
		s.pass(2 * time.Second)
		upgrades, _, _, _ := a.seen()
		want(t, "connections", upgrades, 1)
		s.wantReason("a", Succeeded)
	})
}

func TestAnotherExpectedUIDEndsTheSessionAndItsValue(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.cluster("a")
		s.get("a")
		s.edit("a", func(c *Cluster) { c.ExpectedUID = "uid-other" })
		s.wantUnreachable("a", ClusterUIDMismatch, "uid-other", "uid-a")
		if v, ok := s.sessions.LastReport("a"); ok {
			t.Errorf("what the other cluster said is still there: %+v", v)
		}
	})
}

func TestWhoAnsweredFirstMustAnswerFromThenOn(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		s.get("a")
		s.pass(20 * time.Second)
		a.count(func() { a.identity.ClusterUID = "uid-impostor" })
		u := s.wantUnreachable("a", ClusterUIDMismatch, "uid-impostor", "uid-a")
		if u.Summary == nil || u.ObservedAt.IsZero() {
			t.Errorf("known: %+v", u.LastKnown)
		}
		want(t, "uid", s.sessions.Status("a").UID, "uid-a")
		s.edit("a", func(c *Cluster) { c.ExpectedUID = "uid-impostor" })
		want(t, "uid", s.get("a").UID, "uid-impostor")
	})
}

func TestWhatCannotBeDialedIsToldWithoutADial(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Cluster)
		reason Reason
	}{
		"no URL":              {func(c *Cluster) { c.Endpoint = "::" }, EndpointInvalid},
		"another scheme":      {func(c *Cluster) { c.Endpoint = "https://a:1" }, EndpointInvalid},
		"a path":              {func(c *Cluster) { c.Endpoint = "wss://a:1/x" }, EndpointInvalid},
		"a user":              {func(c *Cluster) { c.Endpoint = "wss://u:p@a:1" }, EndpointInvalid},
		"no host":             {func(c *Cluster) { c.Endpoint = "wss://:1" }, EndpointInvalid},
		"plain ws":            {func(c *Cluster) { c.Endpoint = "ws://a:1" }, EndpointInvalid},
		"a bundle of nothing": {func(c *Cluster) { c.TLS.CABundle = []byte("x") }, TLSInvalid},
		"a pin of nothing":    {func(c *Cluster) { c.TLS.PinnedSHA256 = []string{"abc"} }, TLSInvalid},
		"the registry's":      {func(c *Cluster) { c.Invalid = "endpoint cannot be resolved" }, EndpointInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			act(t, func(t *testing.T, s *stage) {
				s.register("a", func(c *Cluster) {
					c.Endpoint, c.Continuous, c.IdleRefresh = "wss://a:7443", true, time.Minute
					tc.change(c)
				})
				u := s.wantUnreachable("a", tc.reason)
				want(t, "retry after", u.RetryAfter, 0)
				s.pass(10 * time.Minute)
				want(t, "dials", s.dialsOf("a"), 0)
				s.edit("a", func(c *Cluster) { c.Endpoint, c.TLS, c.Invalid = "wss://a:7443", TLS{}, "" })
				s.pass(time.Minute)
				if s.dialsOf("a") == 0 {
					t.Error("it is not dialed although it was put right")
				}
			}, func(s *stage) { s.config.Insecure = false })
		})
	}
}

func TestSuspendingWhileDialingGivesUp(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		a.play(func(k *talk) { k.receive() })
		release := s.sessions.Watch("a")
		s.pass(time.Second)
		s.wantPhase("a", Connecting)
		s.edit("a", func(c *Cluster) { c.Suspended = true })
		s.pass(0)
		s.wantIdle("a")
		_, open, _, _ := a.seen()
		want(t, "connections", open, 0)
		release()
	})
}

func TestSuspendingWhileBackingOffIsIdle(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.register("a")
		s.wantUnreachable("a", DialFailed)
		s.wantPhase("a", Backoff)
		s.edit("a", func(c *Cluster) { c.Suspended = true })
		s.wantIdle("a")
		s.wantReason("a", Suspended)
	})
}

func TestEventsTellOfWhatIsNewOnceAndHoldNobodyUp(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		s.get("a")
		s.get("a")
		for range 20 {
			a.change(3)
			s.pass(time.Second)
			s.get("a")
		}
		heard := 0
		for quiet := false; !quiet; {
			synctest.Wait()
			select {
			case name := <-s.sessions.Updates():
				want(t, "name", name, "a")
				heard++
			default:
				quiet = true
			}
		}
		if heard == 0 || heard > 2 {
			t.Errorf("%d events for all that was new", heard)
		}
		s.pass(2 * time.Second)
		select {
		case <-s.sessions.Updates():
			t.Error("an event although nothing but times changed")
		default:
		}
	})
}

func TestObservationTellsOfTheSession(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		a.play(func(k *talk) {
			if m := k.handshake(); m != nil {
				<-time.After(time.Second)
				k.flushUntilEnd(k.grantTo(m))
			}
		})
		o := s.sessions.Status("a")
		want(t, "before", o, Status{Cluster: "a", Generation: 1, Reason: AwaitingFirstContact, Session: Info{Phase: Idle}})
		go func() { _, _ = s.await("a", 5*time.Second) }()
		s.wantPhase("a", Connecting)
		s.pass(time.Second)
		o = s.wantReason("a", Succeeded)
		want(t, "phase", o.Session.Phase, Reporting)
		want(t, "id", o.Session.ID, a.report(0).Session)
		want(t, "holder", o.Session.Holder, a.report(0).MasterID)
		want(t, "started", o.Session.StartedAt, time.Now())
		want(t, "expires", o.Session.ExpiresAt, time.Now().Add(15*time.Second))
		want(t, "uid", o.UID, "uid-a")
		want(t, "agent", o.AgentVersion, "v0.1.0")
		want(t, "kubernetes", o.KubernetesVersion, "v1.36.3")
		want(t, "nodes", o.Summary.Nodes.Total, a.state().Len(state.KindNode))
		want(t, "ready", o.Ready, state.True)
	})
}

func TestReportSaysWhatTheRegistryAsksFor(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		s.get("a")
		m := *a.report(0)
		if m.Session == "" {
			t.Error("no session id")
		}
		m.Session = ""
		if asked := (wire.SubscribeRequest{Protocol: wire.ProtocolMax, MasterID: "holder", Period: time.Second, Duration: 15 * time.Second}); !reflect.DeepEqual(m, asked) {
			t.Errorf("report %+v, want %+v", m, asked)
		}
	})
}
