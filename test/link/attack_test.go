package link_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/agent/dial"
	"rollcall.dev/rollcall/api/memconn"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/test/fault"
)

// TestRefusedAgents has the mistakes and attacks that end in a refusal. Each case says what the hub and the agent
// learn.
func TestRefusedAgents(t *testing.T) {
	for what, tc := range map[string]struct {
		// register registers clusters. key is that of the agent.
		register func(env *environment, key crypto.Signer)
		// change may change the agent.
		change     func(*dial.Config)
		hub, agent string
	}{
		"a stolen name with another key": {
			register: func(env *environment, _ crypto.Signer) { env.register(newKey(env.t)) },
			hub:      "edge-1: NotAdmitted: the agent's key is not accepted: its SHA-256 is", agent: "NotAdmitted: the hub has no ClusterAgent with this name that accepts",
		},
		"no such ClusterAgent": {
			register: func(*environment, crypto.Signer) {},
			hub:      "edge-1: NotAdmitted: there is no ClusterAgent named edge-1", agent: "NotAdmitted: the hub has no ClusterAgent with this name that accepts",
		},
		"a wrong name": {
			register: func(env *environment, key crypto.Signer) {
				env.register(newKey(env.t))
				env.register(key, func(c *session.Cluster) { c.Name = "prod-eu" })
			},
			hub: "this agent belongs to prod-eu, but claims to be edge-1: start it with --cluster-name prod-eu", agent: "this agent belongs to prod-eu",
		},
		"the master dials the agent": {
			register: func(env *environment, key crypto.Signer) {
				env.register(key, func(c *session.Cluster) { c.Reverse, c.Endpoint = false, "wss://a:1" })
			},
			hub: "the master dials the agent of edge-1 itself: set spec.connection: Reverse", agent: "set spec.connection: Reverse",
		},
		"another cluster": {
			register: func(env *environment, key crypto.Signer) {
				env.register(key, func(c *session.Cluster) { c.ExpectedUID = "uid-2" })
			},
			hub: "the agent is in the cluster with the UID uid-1, expected uid-2", agent: "set spec.clusterUID to accept it",
		},
		"an unbound agent": {
			register: func(env *environment, key crypto.Signer) { env.register(key) },
			change:   func(c *dial.Config) { c.Unbound = true },
			hub:      "BindingMismatch: the agent runs with --channel-binding=off", agent: "--channel-binding=off",
		},
		"a bound agent behind a proxy": {
			register: func(env *environment, key crypto.Signer) {
				env.register(key, func(c *session.Cluster) { c.LinkUnbound = true })
			},
			hub: "BindingMismatch: spec.link.channelBinding is None", agent: "set spec.link.channelBinding: Required",
		},
	} {
		t.Run(what, func(t *testing.T) {
			run(t, func(t *testing.T, env *environment) {
				key := newKey(t)
				tc.register(env, key)
				var changes []func(*dial.Config)
				if tc.change != nil {
					changes = append(changes, tc.change)
				}
				a := env.startAgent(key, changes...)
				<-time.After(time.Second)
				synctest.Wait()
				a.stop()
				if got := env.refused.last(); !strings.Contains(got, tc.hub) {
					t.Errorf("the hub's cause: got %q, want %q", got, tc.hub)
				}
				if !strings.Contains(a.log.String(), tc.agent) {
					t.Errorf("the agent's log: got %s, want %q", a.log, tc.agent)
				}
				if env.linked() {
					t.Error("the cluster has a link")
				}
			})
		})
	}
}

// TestImpostorDoesNotAffectTheCluster has an agent with a stolen name beside the real one.
func TestImpostorDoesNotAffectTheCluster(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		key := newKey(t)
		env.register(key)
		a := env.startAgent(key)
		env.mustGet()
		before := env.sessions.Status(name)
		impostor := env.startAgent(newKey(t))
		<-time.After(time.Minute)
		synctest.Wait()
		impostor.stop()
		after := env.sessions.Status(name)
		if after.Ready != before.Ready || after.Link != before.Link {
			t.Errorf("got %+v, want it as before: %+v", after, before)
		}
		a.stop()
	})
}

// TestFalseMasterGetsNothing lets the agent dial a server whose certificate it accepts, but which does not have the
// hub's signing key.
func TestFalseMasterGetsNothing(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		key := newKey(t)
		env.register(key)
		_, other, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		hub := env.signer
		env.stopMaster()
		env.signer = token.NewSigner(other)
		env.startMaster()
		a := env.startAgent(key)
		<-time.After(time.Second)
		synctest.Wait()
		a.stop()
		if !strings.Contains(a.log.String(), "the peer did not prove that it is a master of this agent's hub") {
			t.Errorf("the agent's log: got %s", a.log)
		}
		if got := env.refused.last(); !strings.Contains(got, "MasterNotProved: the agent did not accept the master's proof") {
			t.Errorf("the false master's cause: got %q", got)
		}
		env.signer = hub
	})
}

// startRelay starts a relay in front of the master, with a certificate that the agent accepts. It returns how an agent
// dials through it, and stop.
func (env *environment) startRelay() (relay *fault.Relay, through func(*dial.Config), stop func()) {
	env.t.Helper()
	front := memconn.Listen(buffer)
	relay, err := fault.New(fault.Config{Agent: "wss://hub", Listener: front, TLS: true, Dial: env.listener.Dial, OnInjected: func(fault.Injected) {}})
	if err != nil {
		env.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- relay.Run(context.Background()) }()
	through = func(c *dial.Config) {
		target, err := c.Target()
		c.Target = func() (dial.Target, error) {
			target.Trust = tlsfiles.Trust{PinnedSHA256: []string{relay.Pin()}}
			return target, err
		}
		c.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return front.Dial(ctx) }
	}
	return relay, through, func() {
		relay.Close()
		if err := <-ended; err != nil {
			env.t.Error(err)
		}
	}
}

// TestRelayedHandshakeFails puts a relay between agent and master that forwards all messages unchanged.
func TestRelayedHandshakeFails(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		key := newKey(t)
		env.register(key)
		_, through, stop := env.startRelay()
		a := env.startAgent(key, through)
		<-time.After(time.Second)
		synctest.Wait()
		a.stop()
		stop()
		if !strings.Contains(a.log.String(), "relayed") && !strings.Contains(a.log.String(), "altered the handshake") {
			t.Errorf("the agent's log: got %s, want that the master did not prove itself", a.log)
		}
		if env.linked() {
			t.Error("the cluster has a link")
		}
	})
}

// TestAlteredHandshakeIsExplained puts a proxy that terminates TLS between agent and master, which both allow, and
// which alters the agent's name.
func TestAlteredHandshakeIsExplained(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		key := newKey(t)
		env.register(key, func(c *session.Cluster) { c.LinkUnbound = true })
		env.register(newKey(t), func(c *session.Cluster) { c.Name, c.LinkUnbound = "edge-2", true })
		relay, through, stop := env.startRelay()
		relay.SetPlan(func(m fault.Message) fault.Fault {
			if m.Direction != fault.ToAgent || m.Number > 0 {
				return fault.Fault{}
			}
			return fault.Fault{Kind: fault.Flip, Old: "edge-1", New: "edge-2"}
		})
		a := env.startAgent(key, through, func(c *dial.Config) { c.Unbound = true })
		<-time.After(time.Second)
		synctest.Wait()
		if want := "something between agent and master altered the handshake"; !strings.Contains(a.log.String(), want) {
			t.Errorf("the agent's log: got %s, want %q", a.log, want)
		}
		if got, want := env.refused.last(), "edge-2: MasterNotProved: the agent did not accept the master's proof"; !strings.Contains(got, want) || !strings.Contains(got, "altered the handshake") {
			t.Errorf("the hub's cause: got %q, want %q", got, want)
		}
		if env.linked() {
			t.Error("the cluster has a link")
		}
		relay.SetPlan(nil)
		<-time.After(5*time.Minute + time.Second) // the longest time between two attempts
		synctest.Wait()
		if !env.linked() {
			t.Error("the agent has no link, although the proxy alters nothing any more")
		}
		a.stop()
		stop()
	})
}
