package link_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/agent/dial"
	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/master/session"
)

// enroll makes the master enroll the first agent with the join key, as a ClusterAgent's status does.
func (env *environment) enroll(joinKey string) {
	used := ""
	env.onEnroll = func(_ context.Context, c link.Candidate) *link.Refused {
		switch {
		case c.JoinKey != joinKey:
			return &link.Refused{Code: link.NotAdmitted, Message: "not the join token of spec.join"}
		case used == c.Key:
			return &link.Refused{Code: link.NotAdmitted, Message: "the key was removed since"}
		case used != "":
			return &link.Refused{Code: link.NotAdmitted, Message: "was used by another agent: " + used}
		}
		used = c.Key
		env.edit(func(cluster *session.Cluster) { cluster.TLS.PinnedSHA256 = []string{c.Key} })
		return nil
	}
}

// joining makes an agent dial with a join key.
func joining(key ed25519.PrivateKey) func(*dial.Config) {
	return func(c *dial.Config) {
		inner := c.Target
		c.Target = func() (dial.Target, error) {
			target, err := inner()
			target.JoinKey = key
			return target, err
		}
	}
}

func newJoinKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestAgentJoins lets an agent with a join token join, and a second one with the same token. The first one's key is then
// removed.
func TestAgentJoins(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		join := newJoinKey(t)
		env.enroll(fingerprint(t, join))
		env.set(session.Cluster{Name: name, Reverse: true, RequestPeriod: time.Second, SessionDuration: 15 * time.Second, CacheTTL: 5 * time.Second})
		first := newKey(t)
		a := env.startAgent(first, joining(join))
		env.mustGet()
		second := env.startAgent(newKey(t), joining(join))
		<-time.After(time.Second)
		synctest.Wait()
		if got := env.refused.last(); !strings.Contains(got, "was used by another agent: "+fingerprint(t, first)) {
			t.Errorf("a second agent: got refusal %q", got)
		}
		second.stop()
		env.mustGet()
		env.edit(func(c *session.Cluster) { c.TLS.PinnedSHA256 = nil })
		<-time.After(time.Second)
		synctest.Wait()
		if env.linked() || env.sessions.Status(name).Session.Phase == session.Reporting {
			t.Error("there is a link or session a second after the key was removed")
		}
		a.stop()
	})
}

// TestJoinTokenForAnotherName lets an agent use the join token of another ClusterAgent. The refusal names both, and is
// about the ClusterAgent with the token, since there is none of the claimed name.
func TestJoinTokenForAnotherName(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		join := newJoinKey(t)
		env.set(session.Cluster{Name: "edge-2", Reverse: true})
		env.joinKeys = map[string]string{fingerprint(t, join): "edge-2"}
		env.enroll(fingerprint(t, join))
		a := env.startAgent(newKey(t), joining(join))
		<-time.After(time.Second)
		synctest.Wait()
		if got := env.refused.last(); !strings.HasPrefix(got, "edge-2: ") || !strings.Contains(got, "has the join token of edge-2, but claims to be edge-1") {
			t.Errorf("got refusal %q, want both names", got)
		}
		a.stop()
		if !strings.Contains(a.log.String(), "has the join token of edge-2") {
			t.Errorf("the agent, which has proved the token, logs %q; want the cause", a.log)
		}
	})
}

// TestFurtherKeyKeepsTheSession adds a key to those that are accepted. The session goes on.
func TestFurtherKeyKeepsTheSession(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		key := newKey(t)
		env.register(key)
		a := env.startAgent(key)
		env.mustGet()
		before := env.sessions.Status(name).Session.ID
		env.edit(func(c *session.Cluster) {
			c.TLS.PinnedSHA256 = []string{fingerprint(t, key), strings.Repeat("b", 64)}
		})
		<-time.After(time.Second)
		synctest.Wait()
		if after := env.sessions.Status(name).Session.ID; after != before || !env.linked() {
			t.Errorf("got session %s, linked %t; want session %s and a link", after, env.linked(), before)
		}
		a.stop()
	})
}
