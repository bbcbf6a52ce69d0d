package session

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/session/dial"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
)

func TestSuspensionEndsTheSessionAndFailsRequests(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		m.get("a")
		m.edit("a", func(c *Cluster) { c.Suspended = true })
		status := m.wantReason("a", Suspended)
		wantEqual(t, "last end reason", status.LastEndReason, endSuspended)
		wantEqual(t, "ready", status.Ready, state.False)
		wantEqual(t, "generation", status.Generation, 2)
		if _, err := m.await("a", time.Second); !errors.Is(err, ErrSuspended) {
			t.Errorf("got %v, want ErrSuspended", err)
		}
		m.wantIdle("a")
		m.edit("a", func(c *Cluster) { c.Suspended = false })
		m.wantReason("a", Succeeded)
		m.get("a")
		m.stop()
		wantEqual(t, "stops", a.stops()[0], stopMessages[endSuspended])
		m.start()
	}, func(m *testMaster) { m.config.Metrics = nil })
}

func TestClusterCreatedSuspendedIsNotDialed(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a", func(c *Cluster) { c.Suspended, c.Continuous, c.IdleRefresh = true, true, time.Minute })
		m.advance(time.Hour)
		wantEqual(t, "dials", m.dials("a"), 0)
		m.wantIdle("a")
		m.edit("a", func(c *Cluster) { c.Suspended = false })
		m.advance(time.Second)
		m.wantPhase("a", Reporting)
	})
}

func TestRequestForASuspendedClusterCreatesNoDemand(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a", func(c *Cluster) { c.Suspended = true })
		if _, err := m.await("a", time.Second); !errors.Is(err, ErrSuspended) {
			t.Errorf("got %v, want ErrSuspended", err)
		}
		m.edit("a", func(c *Cluster) { c.Suspended = false })
		m.advance(time.Minute)
		wantEqual(t, "dials", m.dials("a"), 0)
	})
}

func TestSuspensionOrDeletionFailsWaitingRequests(t *testing.T) {
	for name, change := range map[string]func(m *testMaster){
		"suspended": func(m *testMaster) { m.edit("a", func(c *Cluster) { c.Suspended = true }) },
		"deleted":   func(m *testMaster) { m.registry.remove("a"); m.sessions.Sync("a") },
	} {
		t.Run(name, func(t *testing.T) {
			withMaster(t, func(t *testing.T, m *testMaster) {
				a := m.addCluster("a")
				a.setHandler(func(c *agentConn) { c.receive() })
				got := make(chan error, 1)
				go func() {
					_, err := m.await("a", time.Minute)
					got <- err
				}()
				m.advance(time.Second)
				change(m)
				synctest.Wait()
				select {
				case err := <-got:
					if !errors.Is(err, ErrSuspended) && !errors.Is(err, ErrNotFound) {
						t.Errorf("got %v, want ErrNotFound", err)
					}
				default:
					t.Error("the request still waits")
				}
			})
		})
	}
}

func TestDeletionRemovesEverythingOfACluster(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		m.get("a")
		m.advance(time.Second)
		if _, err := m.store.Load(t.Context(), "a", time.Minute); err != nil {
			t.Fatalf("load before the deletion: %v", err)
		}
		m.registry.remove("a")
		m.sessions.Sync("a")
		synctest.Wait()
		if _, err := m.await("a", time.Second); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
		if _, ok := m.sessions.LastReport("a"); ok {
			t.Error("got a report of a deleted cluster")
		}
		if _, err := m.store.Load(t.Context(), "a", time.Minute); !errors.Is(err, cache.ErrMiss) {
			t.Errorf("load after the deletion: got %v, want ErrMiss", err)
		}
		m.advance(time.Second)
		_, open, _, _ := a.counts()
		wantEqual(t, "connections", open, 0)
		wantEqual(t, "message", a.stops()[0], stopMessages[endDeleted])
		m.register("a")
		m.get("a")
		wantEqual(t, "sessions", a.sessionCount(), 2)
	})
}

func TestDeletedClusterWithoutAReportIsNotFoundBeforeSync(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a")
		m.registry.remove("a")
		if _, err := m.await("a", time.Second); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	})
}

func TestChangedClusterGetsANewSessionWithABase(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		r := m.get("a")
		m.edit("a", func(c *Cluster) { c.RequestPeriod = 2 * time.Second })
		synctest.Wait()
		wantEqual(t, "last end reason", m.sessions.Status("a").LastEndReason, endChanged)
		wantEqual(t, "sessions", a.sessionCount(), 2)
		wantEqual(t, "period", a.request(1).Period, 2*time.Second)
		if b := a.request(1).Base; b == nil || b.Seq != r.Seq {
			t.Errorf("base is %+v, want the last report", b)
		}
		m.wantPhase("a", Reporting)
	})
}

func TestIrrelevantChangesDoNotEndTheSession(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		m.get("a")
		m.edit("a", func(c *Cluster) { c.IdleRefresh = time.Hour })
		// The reconciler records the UID of the first agent that answered.
		m.edit("a", func(c *Cluster) { c.ExpectedUID, c.Generation = "uid-a", 1 })
		m.advance(2 * time.Second)
		upgrades, _, _, _ := a.counts()
		wantEqual(t, "connections", upgrades, 1)
		m.wantReason("a", Succeeded)
	})
}

func TestAnotherExpectedUIDEndsTheSessionAndDropsTheReport(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a")
		m.get("a")
		m.edit("a", func(c *Cluster) { c.ExpectedUID = "uid-other" })
		m.wantUnreachable("a", dial.ClusterUIDMismatch, "uid-other", "uid-a")
		if r, ok := m.sessions.LastReport("a"); ok {
			t.Errorf("the other cluster's report was not dropped: %+v", r)
		}
	})
}

func TestFirstUIDIsRequiredFromThenOn(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		m.get("a")
		m.advance(20 * time.Second)
		a.update(func() { a.identity.ClusterUID = "uid-impostor" })
		u := m.wantUnreachable("a", dial.ClusterUIDMismatch, "uid-impostor", "uid-a")
		if u.Summary == nil || u.ObservedAt.IsZero() {
			t.Errorf("last known is %+v, want a summary with a time", u.LastKnown)
		}
		wantEqual(t, "uid", m.sessions.Status("a").UID, "uid-a")
		m.edit("a", func(c *Cluster) { c.ExpectedUID = "uid-impostor" })
		wantEqual(t, "uid", m.get("a").UID, "uid-impostor")
	})
}

func TestInvalidClusterIsUnreachableWithoutADial(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Cluster)
		reason Reason
	}{
		"no URL":                         {func(c *Cluster) { c.Endpoint = "::" }, dial.EndpointInvalid},
		"another scheme":                 {func(c *Cluster) { c.Endpoint = "https://a:1" }, dial.EndpointInvalid},
		"a path":                         {func(c *Cluster) { c.Endpoint = "wss://a:1/x" }, dial.EndpointInvalid},
		"a user":                         {func(c *Cluster) { c.Endpoint = "wss://u:p@a:1" }, dial.EndpointInvalid},
		"no host":                        {func(c *Cluster) { c.Endpoint = "wss://:1" }, dial.EndpointInvalid},
		"plain ws":                       {func(c *Cluster) { c.Endpoint = "ws://a:1" }, dial.EndpointInvalid},
		"a bundle without a certificate": {func(c *Cluster) { c.TLS.CABundle = []byte("x") }, dial.TLSInvalid},
		"a pin that is too short":        {func(c *Cluster) { c.TLS.PinnedSHA256 = []string{"abc"} }, dial.TLSInvalid},
		"an invalid entry":               {func(c *Cluster) { c.Invalid = "endpoint cannot be resolved" }, dial.EndpointInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			withMaster(t, func(t *testing.T, m *testMaster) {
				m.register("a", func(c *Cluster) {
					c.Endpoint, c.Continuous, c.IdleRefresh = "wss://a:7443", true, time.Minute
					tc.change(c)
				})
				u := m.wantUnreachable("a", tc.reason)
				wantEqual(t, "retry after", u.RetryAfter, 0)
				m.advance(10 * time.Minute)
				wantEqual(t, "dials", m.dials("a"), 0)
				m.edit("a", func(c *Cluster) { c.Endpoint, c.TLS, c.Invalid = "wss://a:7443", dial.TLS{}, "" })
				m.advance(time.Minute)
				if m.dials("a") == 0 {
					t.Error("the corrected cluster was not dialed")
				}
			}, func(m *testMaster) { m.config.Insecure = false })
		})
	}
}

func TestSuspensionCancelsADial(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		a.setHandler(func(c *agentConn) { c.receive() })
		release := m.watch(t.Context(), "a")
		m.advance(time.Second)
		m.wantPhase("a", Connecting)
		m.edit("a", func(c *Cluster) { c.Suspended = true })
		m.advance(0)
		m.wantIdle("a")
		_, open, _, _ := a.counts()
		wantEqual(t, "connections", open, 0)
		release()
	})
}

func TestSuspensionEndsBackoff(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.register("a")
		m.wantUnreachable("a", dial.DialFailed)
		m.wantPhase("a", Backoff)
		m.edit("a", func(c *Cluster) { c.Suspended = true })
		m.wantIdle("a")
		m.wantReason("a", Suspended)
	})
}

func TestUpdatesAreDeduplicatedAndDoNotBlock(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		m.get("a")
		m.get("a")
		for range 20 {
			a.change(3)
			m.advance(time.Second)
			m.get("a")
		}
		updates := 0
		for empty := false; !empty; {
			synctest.Wait()
			select {
			case name := <-m.sessions.Updates():
				wantEqual(t, "name", name, "a")
				updates++
			default:
				empty = true
			}
		}
		if updates == 0 || updates > 2 {
			t.Errorf("got %d updates, want 1 or 2", updates)
		}
		m.advance(2 * time.Second)
		select {
		case <-m.sessions.Updates():
			t.Error("got an update although only times changed")
		default:
		}
	})
}

func TestStatusDescribesTheSession(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		a.setHandler(func(c *agentConn) {
			if req := c.handshake(); req != nil {
				<-time.After(time.Second)
				c.serveSession(c.grantTo(req))
			}
		})
		status := m.sessions.Status("a")
		wantEqual(t, "before", status, Status{Cluster: "a", Generation: 1, Reason: AwaitingFirstContact, Session: Info{Phase: Idle}})
		go func() { _, _ = m.await("a", 5*time.Second) }()
		m.wantPhase("a", Connecting)
		m.advance(time.Second)
		status = m.wantReason("a", Succeeded)
		wantEqual(t, "phase", status.Session.Phase, Reporting)
		wantEqual(t, "id", status.Session.ID, a.request(0).Session)
		wantEqual(t, "holder", status.Session.Holder, a.request(0).MasterID)
		wantEqual(t, "started", status.Session.StartedAt, time.Now())
		wantEqual(t, "expires", status.Session.ExpiresAt, time.Now().Add(15*time.Second))
		wantEqual(t, "uid", status.UID, "uid-a")
		wantEqual(t, "agent", status.AgentVersion, "v0.1.0")
		wantEqual(t, "kubernetes", status.KubernetesVersion, "v1.36.3")
		wantEqual(t, "nodes", status.Summary.Nodes.Total, a.state().Len(state.KindNode))
		wantEqual(t, "ready", status.Ready, state.True)
	})
}

func TestSubscribeRequestHasTheSettingsOfTheCluster(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		m.get("a")
		request := *a.request(0)
		if request.Session == "" {
			t.Error("the request has no session ID")
		}
		request.Session = ""
		want := wire.SubscribeRequest{
			Protocol: wire.ProtocolMax, MasterID: "holder", Period: time.Second, Duration: 15 * time.Second, Owner: true, Term: uint64(a.requestedAt(0).UnixMilli()),
		}
		if !reflect.DeepEqual(request, want) {
			t.Errorf("request is %+v, want %+v", request, want)
		}
	})
}

func TestVersionsThatAreNotSupportedTogetherAreReported(t *testing.T) {
	for masterVersion, want := range map[string]string{"v0.1.0": "", "v0.4.0": "upgrade the agent", "v0.0.9": "upgrade the master"} {
		withMaster(t, func(t *testing.T, m *testMaster) {
			m.sessions.config.Version = masterVersion
			m.addCluster("a")
			m.get("a")
			status := m.sessions.Status("a")
			if status.Reason != Succeeded || status.Message != "" != (want != "") || !strings.Contains(status.Message, want) {
				t.Errorf("master %s: got %s %q, want %q", masterVersion, status.Reason, status.Message, want)
			}
		})
	}
}
