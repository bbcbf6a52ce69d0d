package fault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
	"rollcall.dev/rollcall/api/memconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness is a relay over in-memory connections with a fake agent.
type harness struct {
	t     *testing.T
	relay *Relay
	front *memconn.Listener

	mu          sync.Mutex
	injected    []Injected
	received    [][]byte // messages that the agent received
	closeErrors []error  // errors with which its connections ended
}

// run runs f in a synctest bubble. The agent runs script on each connection, and then reads
// messages until the connection ends. At the end all connections must be closed.
func run(t *testing.T, script func(*websocket.Conn), f func(*harness)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &harness{t: t, front: memconn.Listen(64 << 10)}
		back := memconn.Listen(64 << 10)
		agent := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serveAgent(w, r, script) })}
		go func() { _ = agent.Serve(back) }()
		relay, err := New(Config{Agent: "ws://agent", Listener: s.front, Dial: back.Dial, OnInjected: func(h Injected) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.injected = append(s.injected, h)
		}})
		if err != nil {
			t.Fatal(err)
		}
		s.relay = relay
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- relay.Run(ctx) }()
		f(s)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
		_ = agent.Close()
		synctest.Wait()
		if n := relay.Connections(); n > 0 {
			t.Errorf("got %d open connections at the end, want 0", n)
		}
	})
}

// serveAgent is the handler of the fake agent. Without the right token and path it responds with 401.
func (s *harness) serveAgent(w http.ResponseWriter, r *http.Request, script func(*websocket.Conn)) {
	if r.Header.Get("Authorization") != "Bearer token" || r.URL.Path != "/v1/report" {
		w.Header().Set("Date", "Sat, 01 Jan 2000 00:00:00 GMT")
		w.Header().Set("Retry-After", "7")
		http.Error(w, "unknown master", http.StatusUnauthorized)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"rollcall.v1"}})
	if err != nil {
		s.t.Errorf("accept: %v", err)
		return
	}
	defer conn.CloseNow()
	if script != nil {
		script(conn)
	}
	for {
		_, data, err := conn.Read(context.Background())
		s.mu.Lock()
		if err != nil {
			s.closeErrors = append(s.closeErrors, err)
			s.mu.Unlock()
			return
		}
		s.received = append(s.received, data)
		s.mu.Unlock()
	}
}

// dial opens a connection through the relay.
func (s *harness) dial(authorization string) (*websocket.Conn, *http.Response, error) {
	transport := &http.Transport{DialContext: s.front.DialContext, DisableKeepAlives: true}
	return websocket.Dial(context.Background(), s.relay.Endpoint()+"/v1/report", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{"rollcall.v1"}, HTTPHeader: http.Header{"Authorization": {authorization}},
	})
}

// mustDial opens a connection with the right token.
func (s *harness) mustDial() *websocket.Conn {
	s.t.Helper()
	conn, _, err := s.dial("Bearer token")
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// read returns all messages until the connection ends, and the error that ended it.
func read(conn *websocket.Conn) (all [][]byte, err error) {
	defer conn.CloseNow()
	for {
		_, data, err := conn.Read(context.Background())
		if err != nil {
			return all, err
		}
		all = append(all, data)
	}
}

const numMessages = 6

// sendAndClose sends numbered messages, one each second, and a close frame.
func sendAndClose(conn *websocket.Conn) {
	for i := range numMessages {
		_ = conn.Write(context.Background(), websocket.MessageBinary, fmt.Appendf(nil, "message %d", i))
		<-time.After(time.Second)
	}
	_ = conn.Close(4002, "resync")
}

// asStrings returns the messages as strings.
func asStrings(all [][]byte) (list []string) {
	for _, m := range all {
		list = append(list, string(m))
	}
	return list
}

func TestMessagesAndCloseAreForwarded(t *testing.T) {
	run(t, sendAndClose, func(s *harness) {
		conn := s.mustDial()
		if conn.Subprotocol() != "rollcall.v1" {
			t.Errorf("got subprotocol %q, want rollcall.v1", conn.Subprotocol())
		}
		for _, m := range []string{"", "one", "two"} {
			_ = conn.Write(s.t.Context(), websocket.MessageBinary, []byte(m))
		}
		got, err := read(conn)
		if want := []string{"message 0", "message 1", "message 2", "message 3", "message 4", "message 5"}; !slices.Equal(asStrings(got), want) {
			t.Errorf("got %q, want %q", asStrings(got), want)
		}
		var closed websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != 4002 || closed.Reason != "resync" {
			t.Errorf("got error %v, want close frame 4002 resync", err)
		}
	})
}

func TestCloseOfMasterIsForwarded(t *testing.T) {
	run(t, nil, func(s *harness) {
		conn := s.mustDial()
		for _, m := range []string{"", "one", "two"} {
			_ = conn.Write(s.t.Context(), websocket.MessageText, []byte(m))
		}
		if err := conn.Close(4003, "no"); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got := asStrings(s.received); !slices.Equal(got, []string{"", "one", "two"}) {
			t.Errorf("agent: got %q, want \"\", one and two", got)
		}
		if len(s.closeErrors) != 1 || websocket.CloseStatus(s.closeErrors[0]) != 4003 {
			t.Errorf("agent: got ends %v, want one close frame 4003", s.closeErrors)
		}
	})
}

func TestRefusalIsForwarded(t *testing.T) {
	run(t, nil, func(s *harness) {
		_, response, err := s.dial("Bearer other")
		if err == nil {
			t.Fatal("dial succeeded, want 401")
		}
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != http.StatusUnauthorized || response.Header.Get("Retry-After") != "7" || response.Header.Get("Date") != "Sat, 01 Jan 2000 00:00:00 GMT" || string(body) != "unknown master\n" {
			t.Errorf("got %d %v %q, want the agent's 401 with its headers", response.StatusCode, response.Header, body)
		}
	})
}

func TestUnreachableAgentHasNoResponse(t *testing.T) {
	run(t, nil, func(s *harness) {
		s.relay.config.Dial = func(context.Context) (net.Conn, error) { return nil, errors.New("unreachable") }
		if _, response, err := s.dial("Bearer token"); err == nil || response != nil {
			t.Errorf("got response %v, error %v; want an error only", response, err)
		}
	})
}

func TestFaultsToMaster(t *testing.T) {
	for kind, tc := range map[Kind]struct {
		want    []string
		elapsed time.Duration
	}{
		Drop:       {[]string{"message 0", "message 1", "message 3", "message 4", "message 5"}, 6 * time.Second},
		Duplicate:  {[]string{"message 0", "message 1", "message 2", "message 2", "message 3", "message 4", "message 5"}, 6 * time.Second},
		Reorder:    {[]string{"message 0", "message 1", "message 3", "message 2", "message 4", "message 5"}, 6 * time.Second},
		Delay:      {[]string{"message 0", "message 1", "message 2", "message 3", "message 4", "message 5"}, 12 * time.Second},
		Stall:      {[]string{"message 0", "message 1"}, 12 * time.Second},
		CutMaster:  {[]string{"message 0", "message 1"}, 2 * time.Second},
		CutAgent:   {[]string{"message 0", "message 1"}, 12 * time.Second},
		CutHalfway: {[]string{"message 0", "message 1"}, 2 * time.Second},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			run(t, sendAndClose, func(s *harness) {
				s.relay.SetPlan(Once(ToMaster, 2, Fault{Kind: kind, For: 10 * time.Second}))
				start := time.Now()
				got, err := read(s.mustDial())
				if elapsed := time.Since(start); elapsed != tc.elapsed {
					t.Errorf("got the end after %s, want %s", elapsed, tc.elapsed)
				}
				if !slices.Equal(asStrings(got), tc.want) {
					t.Errorf("got %q, want %q", asStrings(got), tc.want)
				}
				if whole := len(got) >= numMessages-1; whole != (websocket.CloseStatus(err) == 4002) {
					t.Errorf("got error %v after %d messages; want close frame 4002 only after all messages", err, len(got))
				}
				<-time.After(20 * time.Second)
				synctest.Wait()
				if len(s.injected) != 1 || s.injected[0].Fault.Kind != kind || s.injected[0].Message.Number != 2 {
					t.Errorf("got injected faults %v, want %s in message 2", s.injected, kind)
				}
				got, _ = read(s.mustDial())
				if len(got) != numMessages {
					t.Errorf("next connection: got %q, want %d messages", asStrings(got), numMessages)
				}
			})
		})
	}
}

func TestFaultsToAgent(t *testing.T) {
	for kind, want := range map[Kind][]string{
		Drop: {"one", "three"}, Duplicate: {"one", "two", "two", "three"}, Reorder: {"one", "three", "two"}, Truncate: {"one", "", "three"},
		CutHalfway: {"one"}, CutMaster: {"one"}, CutAgent: {"one"},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			run(t, nil, func(s *harness) {
				s.relay.SetPlan(Once(ToAgent, 1, Fault{Kind: kind, Seed: 3}))
				conn := s.mustDial()
				defer conn.CloseNow()
				for _, m := range []string{"one", "two", "three"} {
					_ = conn.Write(s.t.Context(), websocket.MessageBinary, []byte(m))
					synctest.Wait()
				}
				if got := asStrings(s.received); !slices.Equal(got, want) {
					t.Errorf("agent: got %q, want %q", got, want)
				}
			})
		})
	}
}

func TestCutHalfwayForAllFrameSizes(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 70_000)
	for _, size := range []int{2, 125, 126, 65_535, 65_536, 70_000} {
		m := message{websocket.MessageBinary, large[:size]}
		run(t, func(conn *websocket.Conn) {
			conn.SetReadLimit(-1)
			_ = conn.Write(context.Background(), m.kind, m.data)
		}, func(s *harness) {
			s.relay.SetPlan(Once(ToAgent, 0, Fault{Kind: CutHalfway}))
			conn := s.mustDial()
			conn.SetReadLimit(-1)
			if _, got, err := conn.Read(s.t.Context()); err != nil || len(got) != size {
				t.Fatalf("got %d bytes, %v; want %d", len(got), err, size)
			}
			_ = conn.Write(s.t.Context(), m.kind, m.data)
			if _, err := read(conn); websocket.CloseStatus(err) != -1 {
				t.Errorf("master: got %v, want an end without a close frame", err)
			}
			synctest.Wait()
			if len(s.received) > 0 || len(s.closeErrors) != 1 || websocket.CloseStatus(s.closeErrors[0]) != -1 {
				t.Errorf("agent: got %d messages and then %v, want no message and no close frame", len(s.received), s.closeErrors)
			}
		})
	}
}

func TestCutEndsAllConnections(t *testing.T) {
	run(t, nil, func(s *harness) {
		s.relay.SetPlan(Once(ToAgent, 0, Fault{Kind: Stall, For: time.Hour}))
		var all sync.WaitGroup
		for range 3 {
			conn := s.mustDial()
			_ = conn.Write(s.t.Context(), websocket.MessageBinary, []byte("x"))
			all.Go(func() {
				if _, err := read(conn); websocket.CloseStatus(err) != -1 {
					t.Errorf("got %v, want an end without a close frame", err)
				}
			})
		}
		synctest.Wait()
		if n := s.relay.Cut(); n != 3 {
			t.Errorf("Cut: got %d, want 3", n)
		}
		all.Wait()
		synctest.Wait()
		if s.relay.Connections() != 0 || len(s.closeErrors) != 3 {
			t.Errorf("got %d open connections and %d ended at the agent, want 0 and 3", s.relay.Connections(), len(s.closeErrors))
		}
	})
}

func TestCorruptIsDeterministic(t *testing.T) {
	whole := []byte("a complete message")
	for seed := range uint64(200) {
		for _, kind := range []Kind{Flip, Truncate} {
			f := Fault{Kind: kind, Seed: seed}
			got := f.corrupt(bytes.Clone(whole))
			if bytes.Equal(got, whole) || kind == Flip && len(got) != len(whole) {
				t.Errorf("%s with seed %d: got %q, want a change", kind, seed, got)
			}
			if second := f.corrupt(bytes.Clone(whole)); !bytes.Equal(second, got) {
				t.Errorf("%s with seed %d: got %q, then %q", kind, seed, got, second)
			}
		}
	}
	if got := (Fault{Kind: Flip}).corrupt(nil); len(got) > 0 {
		t.Errorf("empty message: got %q, want it unchanged", got)
	}
}

func TestRandomIsDeterministic(t *testing.T) {
	const n = 20_000
	counts := map[Kind]int{}
	plan, same, other := Random(1, 10, Drop, Stall), Random(1, 10, Drop, Stall), Random(2, 10, Drop, Stall)
	differ := 0
	for i := range n {
		m := Message{Connection: i / 100, Number: i % 100, Direction: Direction(i % 2)}
		f := plan(m)
		counts[f.Kind]++
		if same(m) != f {
			t.Fatalf("%+v: got two different faults for one seed", m)
		}
		if other(m) != f {
			differ++
		}
	}
	if broken := n - counts[None]; broken < n/12 || broken > n/8 || counts[Drop] < broken/3 || counts[Stall] < broken/3 || differ < n/10 {
		t.Errorf("got counts %v, want a tenth of %d with both kinds; %d differ with another seed, want at least a tenth", counts, n, differ)
	}
}
