package binding_test

import (
	"context"
	"crypto/ed25519"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/agent/report"
	"rollcall.dev/rollcall/api/memconn"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
	"rollcall.dev/rollcall/test/fault"
)

func TestSessionsAreOpenedAndRenewedWithSignatures(t *testing.T) {
	runEnvironment(t, nil, func(t *testing.T, env *environment) {
		env.register(env.listener, env.pin, func(c *session.Cluster) { c.Continuous = true })
		first, err := env.get()
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Minute)
		later, err := env.get()
		if err != nil || later.Session.ID != first.Session.ID || later.Term != first.Term {
			t.Errorf("after eight durations: got %+v, %v; want the session %s", later, err, first.Session.ID)
		}
		if o := env.sessions.Status(name); o.Binding != dial.BindingTLS || o.LastEndReason != "" {
			t.Errorf("got binding %q, last end %q; want TLS and none", o.Binding, o.LastEndReason)
		}
	})
}

// TestTLSPassthroughProxyIsAccepted uses a CONNECT proxy, through which both ends
// share one TLS connection.
func TestTLSPassthroughProxyIsAccepted(t *testing.T) {
	runEnvironment(t, nil, func(t *testing.T, env *environment) {
		front := memconn.Listen(buffer)
		var copying sync.WaitGroup
		proxy := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			agent, err := env.listener.Dial(r.Context())
			if r.Method != http.MethodConnect || err != nil {
				t.Errorf("proxy: got method %s, error %v; want CONNECT", r.Method, err)
				return
			}
			master, _, err := http.NewResponseController(rw).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = master.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
			pass := func(to, from net.Conn) { _, _ = io.Copy(to, from); _ = to.Close() }
			copying.Go(func() { pass(agent, master) })
			copying.Go(func() { pass(master, agent) })
		})}
		copying.Go(func() { _ = proxy.Serve(front) })
		stop := env.startMaster(&url.URL{Scheme: "http", Host: "proxy:3128"})
		env.register(front, env.pin)
		if _, err := env.get(); err != nil {
			t.Error(err)
		}
		if o := env.sessions.Status(name); o.Binding != dial.BindingTLS {
			t.Errorf("got binding %q, want TLS", o.Binding)
		}
		stop()
		_ = proxy.Close()
		copying.Wait()
	})
}

// TestAProxyThatEndsTLSIsRefused uses a man in the middle with a certificate that the master
// accepts. It forwards every message unchanged.
func TestAProxyThatEndsTLSIsRefused(t *testing.T) {
	runEnvironment(t, nil, func(t *testing.T, env *environment) {
		r, stop := env.startRelay()
		defer stop()
		env.register(r.front, r.Pin(), func(c *session.Cluster) { c.IdleRefresh = time.Minute })
		env.wantRefused("--channel-binding=off")
		<-time.After(5 * time.Minute) // summaries are requested, too
		r.wantNoReport(t)
		if o := env.sessions.Status(name); o.Summary != nil || o.UID != "" {
			t.Errorf("through the proxy the master received %+v, want nothing", o)
		}
	})
}

// TestBindingOffAcceptsAProxyAndIsReported uses the agent's flag --channel-binding=off.
func TestBindingOffAcceptsAProxyAndIsReported(t *testing.T) {
	runEnvironment(t, func(c *report.Config) { c.Unbound = true }, func(t *testing.T, env *environment) {
		r, stop := env.startRelay()
		defer stop()
		env.register(r.front, r.Pin(), func(c *session.Cluster) { c.Continuous = true })
		if v, err := env.get(); err != nil || v.Summary.Pods.Total != 1 {
			t.Errorf("got %+v, %v; want a report with one pod", v, err)
		}
		<-time.After(time.Minute) // the session is renewed, too
		if o := env.sessions.Status(name); o.Binding != dial.BindingOff || o.Session.Phase != session.Reporting || o.LastEndReason != "" {
			t.Errorf("got %+v, want a reporting session with binding Off", o)
		}
	})
}

// TestARelayedTokenGetsNothing simulates a user who edits an endpoint: the master sends its
// tokens to a server, which uses them to connect to the real agent.
func TestARelayedTokenGetsNothing(t *testing.T) {
	runEnvironment(t, nil, func(t *testing.T, env *environment) {
		h, stop := env.startAttacker(nil)
		defer stop()
		env.register(h.listener, h.pin)
		for range 2 {
			if v, err := env.get(); err == nil {
				t.Fatalf("the master accepted a report of the attacker: %+v", v)
			}
			<-time.After(10 * time.Second)
		}
		h.mu.Lock()
		tokens := h.tokens
		h.mu.Unlock()
		if len(tokens) < 2 {
			t.Fatalf("the attacker got %d tokens, want 2", len(tokens))
		}
		for i, m := range []*wire.SubscribeRequest{
			{Protocol: wire.ProtocolMax, Session: "s", Period: time.Second, Duration: time.Hour},
			{Protocol: wire.ProtocolMax, SummaryOnly: true},
		} {
			e := env.dialAgent(tokens[i])
			if e.Hello.Nonce == nil {
				t.Fatalf("got hello %+v, want one with a nonce", e.Hello)
			}
			m.MasterID = subjectOf(t, tokens[i])
			wantUnauthorized(t, "an unsigned SubscribeRequest", e, m)
		}
	})
}

// TestARelayedSignatureGetsNothing simulates a server that dials the agent first
// and has the master sign the agent's nonce: once unchanged, once in the same way as an agent with
// --channel-binding=off.
func TestARelayedSignatureGetsNothing(t *testing.T) {
	for _, unbound := range []bool{false, true} {
		for _, summary := range []bool{false, true} {
			runEnvironment(t, nil, func(t *testing.T, env *environment) {
				first, stopFirst := env.startAttacker(nil)
				defer stopFirst()
				env.register(first.listener, first.pin)
				_, _ = env.get()
				first.mu.Lock()
				stolen := first.tokens[0]
				first.mu.Unlock()
				<-time.After(20 * time.Second) // until the demand has ended
				e := env.dialAgent(stolen)
				e.Hello.Unbound = unbound
				h, stop := env.startAttacker(e.Hello)
				defer stop()
				env.register(h.listener, h.pin, func(c *session.Cluster) {
					if summary {
						c.IdleRefresh = time.Hour
					}
				})
				if !summary {
					_, _ = env.get()
				}
				synctest.Wait()
				h.mu.Lock()
				reports := h.requests
				h.mu.Unlock()
				if len(reports) == 0 || len(reports[0].Signature) != token.SignatureSize || reports[0].SummaryOnly != summary {
					t.Fatalf("the attacker got %+v, want a signed SubscribeRequest", reports)
				}
				wantUnauthorized(t, "a relayed SubscribeRequest", e, reports[0])
			})
		}
	}
}

// TestAnAgentWithOtherKeysEndsTheSession checks that the master gets the reason, and that the agent no longer accepts
// its signatures.
func TestAnAgentWithOtherKeysEndsTheSession(t *testing.T) {
	runEnvironment(t, nil, func(t *testing.T, env *environment) {
		env.register(env.listener, env.pin, func(c *session.Cluster) { c.Continuous = true })
		if _, err := env.get(); err != nil {
			t.Fatal(err)
		}
		other, err := token.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		env.verifier.SetKeys(other.Public().(ed25519.PublicKey))
		env.handler.KeysChanged()
		synctest.Wait()
		o := env.sessions.Status(name)
		if o.Reason != dial.Unauthorized || o.LastEndReason != "unauthorized" || !strings.Contains(o.Message, "--master-public-key-file") {
			t.Errorf("got %s, %q, ended by %q; want unauthorized with the flag in the message", o.Reason, o.Message, o.LastEndReason)
		}
		<-time.After(time.Minute)
		env.wantRefused("--signing-key-file")
	})
}

// TestASuspendedClusterIsNotRenewed checks that the master stops the session and signs no further request, so that
// the agent stops reporting even if it does not receive the Stop.
func TestASuspendedClusterIsNotRenewed(t *testing.T) {
	runEnvironment(t, func(c *report.Config) { c.Unbound = true }, func(t *testing.T, env *environment) {
		r, stop := env.startRelay()
		defer stop()
		env.register(r.front, r.Pin(), func(c *session.Cluster) { c.Continuous = true })
		if _, err := env.get(); err != nil {
			t.Fatal(err)
		}
		// From now on the relay drops the master's messages, including Stop.
		r.SetPlan(func(p fault.Message) fault.Fault {
			r.mu.Lock()
			defer r.mu.Unlock()
			if p.Direction == fault.ToMaster {
				r.sent[p.Connection] = append(r.sent[p.Connection], p.Size)
				return fault.Fault{}
			}
			return fault.Fault{Kind: fault.Drop}
		})
		env.edit(func(c *session.Cluster) { c.Suspended = true })
		<-time.After(20 * time.Second)
		synctest.Wait()
		r.mu.Lock()
		before := len(r.sent[0])
		r.mu.Unlock()
		<-time.After(time.Minute)
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.sent) != 1 || len(r.sent[0]) != before {
			t.Errorf("the agent continues to report: %d messages, then %d, on %d connections", before, len(r.sent[0]), len(r.sent))
		}
	})
}

// TestPlainEndpointMessageNamesTheRemedy checks the message for ws:// endpoints of agents that
// require binding.
func TestPlainEndpointMessageNamesTheRemedy(t *testing.T) {
	runEnvironment(t, nil, func(t *testing.T, env *environment) {
		// The relay uses TLS with the agent, and plain ws with the master.
		front := memconn.Listen(buffer)
		r, err := fault.New(fault.Config{Agent: "wss://agent", Listener: front, Dial: env.listener.Dial})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- r.Run(context.Background()) }()
		env.register(front, env.pin, func(c *session.Cluster) { c.Endpoint = "ws://10.20.0.7:7443" })
		env.wantRefused("use wss:// up to the agent itself, or start the agent with --channel-binding=off")
		r.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
