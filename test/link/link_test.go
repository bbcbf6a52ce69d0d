package link_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/agent/dial"
	"rollcall.dev/rollcall/master/session"
)

// TestSessionsBeginOnTheAgentsLink reads a cluster whose agent dials the master, until several sessions have ended.
func TestSessionsBeginOnTheAgentsLink(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		key := newKey(t)
		env.register(key, func(c *session.Cluster) { c.Continuous = true })
		a := env.startAgent(key)
		r := env.mustGet()
		if n := r.Summary.Pods.Total; n != 1 || r.UID != "uid-1" {
			t.Errorf("got %d pods of %s, want 1 of uid-1", n, r.UID)
		}
		for range 20 {
			<-time.After(3 * time.Second)
			if age := time.Since(env.mustGet().ReceivedAt); age > 5*time.Second {
				t.Errorf("the report is %s old", age)
			}
		}
		if s := env.sessions.Status(name); s.Binding != "TLS" || s.LastEndReason != "" || !env.linked() {
			t.Errorf("got binding %q, last end %q, linked %t; want TLS, no end and a link", s.Binding, s.LastEndReason, env.linked())
		}
		a.stop()
	})
}

// TestIdleLinkReportsNothing shows that an agent sends nothing but pings until it is asked, and that its link stays.
func TestIdleLinkReportsNothing(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		key := newKey(t)
		env.register(key)
		a := env.startAgent(key)
		since := env.sessions.Status(name).Link.Since
		<-time.After(time.Hour)
		synctest.Wait()
		if s := env.sessions.Status(name); !s.Link.Since.Equal(since) || s.Session.Phase != session.Idle || s.Session.ID != "" {
			t.Errorf("after an hour: got %+v, want the same link and no session", s)
		}
		env.mustGet()
		a.stop()
	})
}

// TestSummariesKeepTheLink requests summaries of an idle cluster. The agent dials once.
func TestSummariesKeepTheLink(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		key := newKey(t)
		env.register(key, func(c *session.Cluster) { c.IdleRefresh = time.Minute })
		dials := 0
		a := env.startAgent(key, func(c *dial.Config) {
			inner := c.DialContext
			c.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				dials++
				return inner(ctx, network, address)
			}
		})
		synctest.Wait()
		if s := env.sessions.Status(name); s.Summary == nil || s.Reason != session.Succeeded {
			t.Errorf("after linking: got %+v, want a summary at once", s)
		}
		<-time.After(10*time.Minute + 5*time.Second)
		synctest.Wait()
		if age := time.Since(env.sessions.Status(name).ReceivedAt); age > time.Minute+time.Second {
			t.Errorf("the summary is %s old, want at most a minute", age)
		}
		if dials != 1 {
			t.Errorf("the agent dialed %d times, want once", dials)
		}
		env.mustGet()
		synctest.Wait()
		if dials != 2 {
			t.Errorf("the agent dialed %d times when a session began, want twice", dials)
		}
		a.stop()
	})
}

// TestAgentLinksWhenReadersWait starts the agent after a reader has begun to wait, and when the cluster is in back-off.
func TestAgentLinksWhenReadersWait(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		key := newKey(t)
		env.register(key)
		env.wantNotLinked()
		got := make(chan error, 1)
		go func() {
			<-time.After(time.Minute) // back-off ends
			_, err := env.get()
			got <- err
		}()
		<-time.After(time.Minute + 5*time.Second)
		a := env.startAgent(key)
		if err := <-got; err != nil {
			t.Errorf("a waiting reader got %v, want a report", err)
		}
		a.stop()
	})
}

// TestMasterRestart stops the master during a session, and starts another.
func TestMasterRestart(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		key := newKey(t)
		env.register(key)
		a := env.startAgent(key)
		env.mustGet()
		env.restart()
		start := time.Now()
		env.mustGet()
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("the agent was back after %s, want 10 s at most", took)
		}
		a.stop()
	})
}

// TestSilentNetwork cuts the connection without closing it. Both sides notice, and the agent links again.
func TestSilentNetwork(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		key := newKey(t)
		env.register(key)
		cut := &blackhole{}
		a := env.startAgent(key, cut.apply(env))
		if !env.linked() {
			t.Fatal("the agent is not linked")
		}
		cut.set(true)
		<-time.After(2 * time.Minute)
		synctest.Wait()
		if env.linked() {
			t.Error("the master has a link two minutes after the network was cut")
		}
		cut.set(false)
		<-time.After(30 * time.Second)
		synctest.Wait()
		env.mustGet()
		a.stop()
	})
}

// TestRevocationCutsTheLink removes the pin and the cluster.
func TestRevocationCutsTheLink(t *testing.T) {
	for what, revoke := range map[string]func(*environment){
		"the pin is removed":          func(env *environment) { env.register(newKey(env.t)) },
		"the ClusterAgent is deleted": func(env *environment) { env.remove(name) },
		"the master dials again": func(env *environment) {
			env.edit(func(c *session.Cluster) { c.Reverse, c.Endpoint = false, "wss://a:1" })
		},
	} {
		t.Run(what, func(t *testing.T) {
			run(t, func(t *testing.T, env *environment) {
				key := newKey(t)
				env.register(key)
				a := env.startAgent(key)
				env.mustGet()
				revoke(env)
				<-time.After(time.Second)
				synctest.Wait()
				if env.linked() {
					t.Error("there is a link a second later")
				}
				if s := env.sessions.Status(name); s.Session.Phase == session.Reporting {
					t.Error("the session goes on")
				}
				a.stop()
			})
		})
	}
}

// TestSuspendedClusterKeepsItsLink suspends a cluster, and resumes it. The agent need not link again.
func TestSuspendedClusterKeepsItsLink(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		key := newKey(t)
		env.register(key)
		a := env.startAgent(key)
		env.edit(func(c *session.Cluster) { c.Suspended = true })
		synctest.Wait()
		if _, err := env.get(); err == nil {
			t.Error("a suspended cluster was served")
		}
		env.edit(func(c *session.Cluster) { c.Suspended = false })
		start := time.Now()
		env.mustGet()
		if took := time.Since(start); took > time.Second {
			t.Errorf("the first answer took %s, want the link to be there", took)
		}
		a.stop()
	})
}

// TestTwoAgentsWithOneKey starts two agents with the same key. They must not replace each other's link all the time.
func TestTwoAgentsWithOneKey(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		key := newKey(t)
		env.register(key)
		a, b := env.startAgent(key), env.startAgent(key)
		<-time.After(3 * time.Minute)
		synctest.Wait()
		if got := env.refused.last(); !strings.Contains(got, "DuplicateAgent") || !strings.Contains(got, "another agent has the same key") {
			t.Errorf("got refusal %q, want DuplicateAgent", got)
		}
		env.mustGet()
		a.stop()
		b.stop()
	})
}

// maxIdleBytes is how many bytes of TLS records an idle link may take in a minute, in both directions.
const maxIdleBytes = 1000

// TestIdleLinkTraffic measures the TLS records of an idle link, with a summary every five minutes.
func TestIdleLinkTraffic(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		key := newKey(t)
		env.register(key, func(c *session.Cluster) { c.IdleRefresh = 5 * time.Minute })
		var bytes atomic.Int64
		a := env.startAgent(key, func(c *dial.Config) {
			inner := c.DialContext
			c.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := inner(ctx, network, address)
				return countingConn{conn, &bytes}, err
			}
		})
		<-time.After(time.Minute)
		before := bytes.Load()
		const minutes = 60
		<-time.After(minutes * time.Minute)
		perMinute := (bytes.Load() - before) / minutes
		t.Logf("an idle link takes %d bytes a minute; connecting took %d", perMinute, before)
		if perMinute > maxIdleBytes {
			t.Errorf("got %d bytes a minute, want at most %d", perMinute, maxIdleBytes)
		}
		a.stop()
	})
}

// countingConn counts the bytes of both directions.
type countingConn struct {
	net.Conn
	bytes *atomic.Int64
}

func (c countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

func (c countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.bytes.Add(int64(n))
	return n, err
}

// TestLinksWhileTheRegistryCannotBeRead checks that an agent is told to try again, and not that it is unknown, and that
// admitted agents keep their links.
func TestLinksWhileTheRegistryCannotBeRead(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		key, cause := newKey(t), errors.New("the ClusterAgents have not been read yet")
		env.register(key)
		env.registry.Fail(cause)
		a := env.startAgent(key)
		<-time.After(time.Minute)
		if got := a.log.String(); !strings.Contains(got, "Unavailable: the master cannot decide now") || strings.Contains(got, "NotAdmitted") {
			t.Errorf("the agent logged %s, want Unavailable", got)
		}
		if last := env.refused.last(); last != "" || env.linked() {
			t.Errorf("got the refusal %q, linked %t; want neither", last, env.linked())
		}
		env.registry.Fail(nil)
		<-time.After(11 * time.Second) // the longest time between two attempts
		synctest.Wait()
		since := env.sessions.Status(name).Link.Since
		if since.IsZero() {
			t.Fatal("the agent has no link, although the registry can be read again")
		}
		env.registry.Fail(cause)
		if err := env.sessions.Sync(name); !errors.Is(err, cause) {
			t.Errorf("Sync: got error %v, want %v", err, cause)
		}
		<-time.After(time.Minute)
		env.mustGet()
		if !env.linked() {
			t.Error("the link was closed")
		}
		a.stop()
	})
}
