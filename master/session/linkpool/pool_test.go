package linkpool

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/api/memconn"
	"rollcall.dev/rollcall/api/token"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness is a Pool behind an HTTP server in memory.
type harness struct {
	t        *testing.T
	pool     *Pool
	listener *memconn.Listener
	verifier *token.Verifier

	mu sync.Mutex
	// decision is the decision about all agents.
	decision link.Decision
	// changes has the cluster of each call of OnIdle, refusals the code of each call of OnRefused.
	changes  []string
	refusals []link.RefusalCode
}

// run runs f with an empty Pool, in virtual time.
func run(t *testing.T, f func(t *testing.T, h *harness)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		key, err := token.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		h := &harness{t: t, listener: memconn.Listen(64 << 10), verifier: token.NewVerifier("edge-1", key.Public().(ed25519.PublicKey))}
		h.pool = New(Config{
			MasterID: "m-1", Signer: token.NewSigner(key), Log: slog.New(slog.DiscardHandler),
			Admit:     func(context.Context, link.Candidate) link.Decision { return h.decide() },
			Authorize: func(link.Candidate) link.Decision { return h.decide() },
			OnIdle:    func(cluster string) { h.mu.Lock(); defer h.mu.Unlock(); h.changes = append(h.changes, cluster) },
			OnRefused: func(_ string, r *link.Refused) {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.refusals = append(h.refusals, r.Code)
			},
		})
		server := &http.Server{Handler: h.pool}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(h.listener) })
		f(t, h)
		h.pool.Close()
		_ = server.Close()
		serving.Wait()
	})
}

// decide returns the decision about all agents.
func (h *harness) decide() link.Decision {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.decision
}

// refuse makes the decision about all agents a refusal, or an admission if refused is nil.
func (h *harness) refuse(refused *link.Refused) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.decision = link.Decision{Refused: refused}
}

// refused returns the codes of the refused agents.
func (h *harness) refused() []link.RefusalCode {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.refusals)
}

// link opens a link of an agent with a key. The test closes it.
func (h *harness) link(key ed25519.PrivateKey) (*websocket.Conn, error) {
	h.t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return h.listener.Dial(ctx) },
	}}
	ws, _, err := websocket.Dial(h.t.Context(), "ws://hub"+link.Path, &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{link.Subprotocol}})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = ws.CloseNow(); client.CloseIdleConnections() })
	agent := &link.Agent{Cluster: "edge-1", UID: "uid-1", Version: "v1", Key: key, Verifier: h.verifier, Channel: token.Unbound}
	_, err = agent.Handshake(h.t.Context(), link.WebSocket(ws))
	synctest.Wait()
	return ws, err
}

// mustLink opens a link that has to be admitted.
func (h *harness) mustLink() *websocket.Conn {
	h.t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		h.t.Fatal(err)
	}
	ws, err := h.link(key)
	if err != nil {
		h.t.Fatal(err)
	}
	return ws
}

// wantIdle fails the test unless the cluster has an idle link, or none.
func (h *harness) wantIdle(when string, want bool) {
	h.t.Helper()
	synctest.Wait()
	if _, idle := h.pool.Status("edge-1"); idle != want {
		h.t.Errorf("%s: got an idle link: %t, want %t", when, idle, want)
	}
}

func TestTakenAndReturnedLink(t *testing.T) {
	run(t, func(t *testing.T, h *harness) {
		if _, err := h.pool.Take(t.Context(), "edge-1", link.Begin{}); !errors.Is(err, ErrNoLink) {
			t.Errorf("got error %v without a link, want %v", err, ErrNoLink)
		}
		ws := h.mustLink()
		h.wantIdle("after the handshake", true)
		l, err := h.pool.Take(t.Context(), "edge-1", link.Begin{Summary: true})
		if err != nil {
			t.Fatal(err)
		}
		h.wantIdle("while it is taken", false)
		begin, err := link.AwaitBegin(t.Context(), link.WebSocket(ws))
		if err != nil || !begin.Summary {
			t.Errorf("the agent got %+v and error %v, want the begin of a summary", begin, err)
		}
		if err := ws.Write(t.Context(), websocket.MessageBinary, []byte("summary")); err != nil {
			t.Fatal(err)
		}
		if kind, _, err := l.Reader(t.Context()); err != nil || kind != websocket.MessageBinary {
			t.Errorf("the master got kind %v and error %v, want the agent's message", kind, err)
		}
		_ = l.Close()
	})
}

func TestWait(t *testing.T) {
	run(t, func(t *testing.T, h *harness) {
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.pool.Wait(short, "edge-1"); !errors.Is(err, ErrNoLink) {
			t.Errorf("got error %v after a second without a link, want %v", err, ErrNoLink)
		}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.pool.Wait(canceled, "edge-1"); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want %v", err, context.Canceled)
		}
		came := make(chan error, 1)
		go func() { came <- h.pool.Wait(context.Background(), "edge-1") }()
		synctest.Wait()
		h.mustLink()
		if err := <-came; err != nil {
			t.Errorf("got error %v with a link, want none", err)
		}
	})
}

func TestSilentAndTalkativeLinksAreClosed(t *testing.T) {
	run(t, func(t *testing.T, h *harness) {
		silent := h.mustLink()
		reading := silent.CloseRead(context.Background()) // answers the close frame
		<-time.After(link.SilenceTimeout - time.Second)
		h.wantIdle("before the timeout", true)
		<-time.After(2 * time.Second)
		h.wantIdle("without a ping", false)
		<-reading.Done()

		talkative := h.mustLink()
		if err := talkative.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		h.wantIdle("after an unexpected message", false)
	})
}

func TestRefusalsAndWithdrawals(t *testing.T) {
	run(t, func(t *testing.T, h *harness) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range []link.RefusalCode{link.Unavailable, link.NotAdmitted} {
			h.refuse(&link.Refused{Code: code, Message: "the cause"})
			var refused *link.Refused
			if _, err := h.link(key); !errors.As(err, &refused) || refused.Code != code || refused.Message != "" {
				t.Errorf("got error %v, want %s without the cause, as the hub does not know the key", err, code)
			}
		}
		<-time.After(10 * time.Second) // for the close frames, which these agents do not answer
		if want := []link.RefusalCode{link.NotAdmitted}; !slices.Equal(h.refused(), want) {
			t.Errorf("got the refusals %q, want %q", h.refused(), want)
		}
		h.refuse(nil)
		ws := h.mustLink()
		ws.CloseRead(context.Background())
		h.refuse(&link.Refused{Code: link.Unavailable})
		h.pool.Sync("edge-1")
		h.wantIdle("while the master cannot decide", true)
		h.refuse(&link.Refused{Code: link.NotAdmitted})
		h.pool.Sync("edge-1")
		h.wantIdle("after the key was removed", false)
	})
}

// TestContestedLink lets several agents replace the link of one cluster. The newest wins, until it happens too often.
func TestContestedLink(t *testing.T) {
	run(t, func(t *testing.T, h *harness) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for i := range maxReplacements + 1 {
			ws, err := h.link(key)
			if err != nil {
				t.Fatalf("link %d: %v", i+1, err)
			}
			ws.CloseRead(context.Background())
		}
		var refused *link.Refused
		if _, err := h.link(key); !errors.As(err, &refused) || refused.Code != link.DuplicateAgent || refused.Message == "" {
			t.Errorf("got error %v, want DuplicateAgent with the cause", err)
		}
		h.wantIdle("after the refusal", true)
		<-time.After(replacementWindow + time.Second)
		if _, err := h.link(key); err != nil {
			t.Errorf("after %s: got error %v, want the link to be admitted", replacementWindow, err)
		}
	})
}

func TestClosedPoolAdmitsNoAgent(t *testing.T) {
	run(t, func(t *testing.T, h *harness) {
		ws := h.mustLink()
		ws.CloseRead(context.Background())
		h.pool.Close()
		h.wantIdle("after Close", false)
		late := h.mustLink()
		late.CloseRead(context.Background())
		h.wantIdle("after Close", false)
		h.mu.Lock()
		defer h.mu.Unlock()
		if want := []string{"edge-1", "edge-1"}; !slices.Equal(h.changes, want) {
			t.Errorf("OnIdle was called for %q, want %q: a link that came and one that was closed", h.changes, want)
		}
	})
}
