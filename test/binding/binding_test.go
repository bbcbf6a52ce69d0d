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
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/test/fault"
	"rollcall.dev/rollcall/test/memconn"
)

func TestSessionsAreOpenedAndRenewedBySignatures(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.register(w.listener, w.pin, func(c *session.Cluster) { c.Continuous = true })
		first, err := w.get()
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Minute)
		later, err := w.get()
		if err != nil || later.Session.ID != first.Session.ID || later.Term != first.Term {
			t.Errorf("after eight durations: %+v, %v, want the session %s", later, err, first.Session.ID)
		}
		if o := w.sessions.Status(name); o.Binding != session.BindingTLS || o.LastEndReason != "" {
			t.Errorf("binding %q, last end %q; want TLS and none", o.Binding, o.LastEndReason)
		}
	})
}

// TestAProxyThatPassesTLSThroughIsNoHindrance uses a CONNECT proxy, through which both ends
// share one TLS connection.
func TestAProxyThatPassesTLSThroughIsNoHindrance(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		front := memconn.Listen(buffer)
		var copying sync.WaitGroup
		proxy := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			agent, err := w.listener.Dial(r.Context())
			if r.Method != http.MethodConnect || err != nil {
				t.Errorf("the proxy is asked to %s: %v", r.Method, err)
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
		stop := w.startMaster(&url.URL{Scheme: "http", Host: "proxy:3128"})
		w.register(front, w.pin)
		if _, err := w.get(); err != nil {
			t.Error(err)
		}
		if o := w.sessions.Status(name); o.Binding != session.BindingTLS {
			t.Errorf("binding %q, want TLS", o.Binding)
		}
		stop()
		_ = proxy.Close()
		copying.Wait()
	})
}

// TestAProxyThatEndsTLSIsRefused is a man in the middle with a certificate that the master
// accepts, who passes every message on unchanged.
func TestAProxyThatEndsTLSIsRefused(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		r, stop := w.startRelay()
		defer stop()
		w.register(r.front, r.Pin(), func(c *session.Cluster) { c.IdleRefresh = time.Minute })
		w.wantRefused("--channel-binding=off")
		<-time.After(5 * time.Minute) // summaries are asked for
		r.wantNothingTold(t)
		if o := w.sessions.Status(name); o.Summary != nil || o.UID != "" {
			t.Errorf("the master learned %+v through it", o)
		}
	})
}

// TestBindingOffLetsAProxyThroughAndIsTold uses the agent's flag --channel-binding=off.
func TestBindingOffLetsAProxyThroughAndIsTold(t *testing.T) {
	inWorld(t, func(c *report.Config) { c.Unbound = true }, func(t *testing.T, w *world) {
		r, stop := w.startRelay()
		defer stop()
		w.register(r.front, r.Pin(), func(c *session.Cluster) { c.Continuous = true })
		if v, err := w.get(); err != nil || v.State.Len(state.KindPod) != 1 {
			t.Errorf("got %+v, %v", v, err)
		}
		<-time.After(time.Minute) // renewals too
		if o := w.sessions.Status(name); o.Binding != session.BindingOff || o.Session.Phase != session.Reporting || o.LastEndReason != "" {
			t.Errorf("%+v, want a session of the binding Off", o)
		}
	})
}

// TestARelayedTokenGetsNothing is the attack of a user who edits an endpoint: the master's
// tokens reach a server that uses them at the real agent.
func TestARelayedTokenGetsNothing(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		h, stop := w.startThief(nil)
		defer stop()
		w.register(h.listener, h.pin)
		for range 2 {
			if v, err := w.get(); err == nil {
				t.Fatalf("the thief was believed: %+v", v)
			}
			<-time.After(10 * time.Second)
		}
		h.mu.Lock()
		tokens := h.tokens
		h.mu.Unlock()
		if len(tokens) < 2 {
			t.Fatalf("%d tokens came to the thief, want two", len(tokens))
		}
		for i, m := range []*wire.SubscribeRequest{
			{Protocol: wire.ProtocolMax, Session: "s", Period: time.Second, Duration: time.Hour},
			{Protocol: wire.ProtocolMax, SummaryOnly: true},
		} {
			e := w.dialAgent(tokens[i])
			hello, ok := e.hearAgent().(*wire.Hello)
			if !ok || hello.Nonce == nil {
				t.Fatalf("hello %+v", hello)
			}
			m.MasterID = holderOf(t, tokens[i])
			e.sayMaster(m)
			e.wantUnauthorized(t, "an unsigned Report")
		}
	})
}

// TestARelayedSignatureGetsNothing is the same attack by a server that dials the agent first
// and gives the agent's nonce to the master to sign, unchanged and as an agent with
// --channel-binding=off would.
func TestARelayedSignatureGetsNothing(t *testing.T) {
	for _, unbound := range []bool{false, true} {
		for _, summary := range []bool{false, true} {
			inWorld(t, nil, func(t *testing.T, w *world) {
				first, stopFirst := w.startThief(nil)
				defer stopFirst()
				w.register(first.listener, first.pin)
				_, _ = w.get()
				first.mu.Lock()
				stolen := first.tokens[0]
				first.mu.Unlock()
				<-time.After(20 * time.Second) // nobody asks any more
				e := w.dialAgent(stolen)
				hello := e.hearAgent().(*wire.Hello)
				hello.Unbound = unbound
				h, stop := w.startThief(hello)
				defer stop()
				w.register(h.listener, h.pin, func(c *session.Cluster) {
					if summary {
						c.IdleRefresh = time.Hour
					}
				})
				if !summary {
					_, _ = w.get()
				}
				synctest.Wait()
				h.mu.Lock()
				reports := h.reports
				h.mu.Unlock()
				if len(reports) == 0 || len(reports[0].Signature) != token.SignatureSize || reports[0].SummaryOnly != summary {
					t.Fatalf("the thief got %+v, want a signed Report", reports)
				}
				e.sayMaster(reports[0])
				e.wantUnauthorized(t, "a relayed Report")
			})
		}
	}
}

// TestAnAgentWithOtherKeysEndsTheSession: the master is told why, and what it signs is not
// accepted any more.
func TestAnAgentWithOtherKeysEndsTheSession(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.register(w.listener, w.pin, func(c *session.Cluster) { c.Continuous = true })
		if _, err := w.get(); err != nil {
			t.Fatal(err)
		}
		other, err := token.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		w.verifier.SetKeys(other.Public().(ed25519.PublicKey))
		w.handler.KeysChanged()
		synctest.Wait()
		o := w.sessions.Status(name)
		if o.Reason != session.Unauthorized || o.LastEndReason != "unauthorized" || !strings.Contains(o.Message, "--master-public-key-file") {
			t.Errorf("told %s, %q, ended by %q", o.Reason, o.Message, o.LastEndReason)
		}
		<-time.After(time.Minute)
		w.wantRefused("--signing-key-file")
	})
}

// TestASuspendedClusterIsNotRenewed: the master stops the session, signs nothing more, and
// the agent tells nobody.
func TestASuspendedClusterIsNotRenewed(t *testing.T) {
	inWorld(t, func(c *report.Config) { c.Unbound = true }, func(t *testing.T, w *world) {
		r, stop := w.startRelay()
		defer stop()
		w.register(r.front, r.Pin(), func(c *session.Cluster) { c.Continuous = true })
		if _, err := w.get(); err != nil {
			t.Fatal(err)
		}
		// From now on the relay keeps what the master says from the agent: no Stop comes.
		r.SetPlan(func(p fault.Message) fault.Fault {
			r.mu.Lock()
			defer r.mu.Unlock()
			if p.Direction == fault.ToMaster {
				r.sent[p.Connection] = append(r.sent[p.Connection], p.Size)
				return fault.Fault{}
			}
			return fault.Fault{Kind: fault.Drop}
		})
		w.edit(func(c *session.Cluster) { c.Suspended = true })
		<-time.After(20 * time.Second)
		synctest.Wait()
		r.mu.Lock()
		before := len(r.sent[0])
		r.mu.Unlock()
		<-time.After(time.Minute)
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.sent) != 1 || len(r.sent[0]) != before {
			t.Errorf("the agent goes on: %d messages, then %d, on %d connections", before, len(r.sent[0]), len(r.sent))
		}
	})
}

// TestPlainEndpointsAreToldWhatToSet checks the message for ws:// endpoints of agents that
// require binding.
func TestPlainEndpointsAreToldWhatToSet(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		// Something before the agent speaks TLS with it, and plain ws with the master.
		front := memconn.Listen(buffer)
		r, err := fault.New(fault.Config{Agent: "wss://agent", Listener: front, Dial: w.listener.Dial})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- r.Run(context.Background()) }()
		w.register(front, w.pin, func(c *session.Cluster) { c.Endpoint = "ws://10.20.0.7:7443" })
		w.wantRefused("use wss:// up to the agent itself, or start the agent with --channel-binding=off")
		r.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
