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
	"rollcall.dev/rollcall/test/memconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness is a relay over in-memory connections with a fake agent.
type harness struct {
	t     *testing.T
	relay *Relay
	front *memconn.Listener

	mu       sync.Mutex
	injected []Injected
	received [][]byte // messages that the agent received
	ends     []error  // how its connections ended
}

// run runs f in a synctest bubble. The agent runs script on each connection, and then reads
// messages until the connection ends.
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
			t.Errorf("%d connections are left open", n)
		}
	})
}

func (s *harness) serveAgent(w http.ResponseWriter, r *http.Request, script func(*websocket.Conn)) {
	if r.Header.Get("Authorization") != "Bearer token" || r.URL.Path != "/v1/report" {
		w.Header().Set("Date", "Sat, 01 Jan 2000 00:00:00 GMT")
		w.Header().Set("Retry-After", "7")
		http.Error(w, "who are you", http.StatusUnauthorized)
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
			s.ends = append(s.ends, err)
			s.mu.Unlock()
			return
		}
		s.received = append(s.received, data)
		s.mu.Unlock()
	}
}

func (s *harness) dial(authorization string) (*websocket.Conn, *http.Response, error) {
	transport := &http.Transport{DialContext: s.front.DialContext, DisableKeepAlives: true}
	return websocket.Dial(context.Background(), s.relay.Endpoint()+"/v1/report", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{"rollcall.v1"}, HTTPHeader: http.Header{"Authorization": {authorization}},
	})
}

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
			t.Errorf("subprotocol %q", conn.Subprotocol())
		}
		for _, m := range []string{"", "one", "two"} {
			_ = conn.Write(s.t.Context(), websocket.MessageBinary, []byte(m))
		}
		got, err := read(conn)
		if want := []string{"message 0", "message 1", "message 2", "message 3", "message 4", "message 5"}; !slices.Equal(asStrings(got), want) {
			t.Errorf("got %q", asStrings(got))
		}
		var closed websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != 4002 || closed.Reason != "resync" {
			t.Errorf("ended with %v, want 4002 resync", err)
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
			t.Errorf("the agent received %q", got)
		}
		if len(s.ends) != 1 || websocket.CloseStatus(s.ends[0]) != 4003 {
			t.Errorf("it ended with %v", s.ends)
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
		if response.StatusCode != http.StatusUnauthorized || response.Header.Get("Retry-After") != "7" || response.Header.Get("Date") != "Sat, 01 Jan 2000 00:00:00 GMT" || string(body) != "who are you\n" {
			t.Errorf("%d %v %q", response.StatusCode, response.Header, body)
		}
	})
}

func TestUnreachableAgentHasNoResponse(t *testing.T) {
	run(t, nil, func(s *harness) {
		s.relay.config.Dial = func(context.Context) (net.Conn, error) { return nil, errors.New("away") }
		if _, response, err := s.dial("Bearer token"); err == nil || response != nil {
			t.Errorf("got %v, %v", response, err)
		}
	})
}

func TestFaultsToMaster(t *testing.T) {
	for kind, tc := range map[Kind]struct {
		want []string
		took time.Duration
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
				if took := time.Since(start); took != tc.took {
					t.Errorf("it took %s, want %s", took, tc.took)
				}
				if !slices.Equal(asStrings(got), tc.want) {
					t.Errorf("got %q, want %q", asStrings(got), tc.want)
				}
				if whole := len(got) >= numMessages-1; whole != (websocket.CloseStatus(err) == 4002) {
					t.Errorf("ended with %v", err)
				}
				<-time.After(20 * time.Second)
				synctest.Wait()
				if len(s.injected) != 1 || s.injected[0].Fault.Kind != kind || s.injected[0].Message.Number != 2 {
					t.Errorf("injected faults are %v", s.injected)
				}
				got, _ = read(s.mustDial())
				if len(got) != numMessages {
					t.Errorf("the next connection received %q", asStrings(got))
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
					t.Errorf("the agent received %q, want %q", got, want)
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
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			_ = conn.Write(s.t.Context(), m.kind, m.data)
			if _, err := read(conn); websocket.CloseStatus(err) != -1 {
				t.Errorf("the master's connection ended with %v, want no close frame", err)
			}
			synctest.Wait()
			if len(s.received) > 0 || len(s.ends) != 1 || websocket.CloseStatus(s.ends[0]) != -1 {
				t.Errorf("the agent received %d messages and then %v, want no message and no close frame", len(s.received), s.ends)
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
					t.Errorf("ended with %v", err)
				}
			})
		}
		synctest.Wait()
		if n := s.relay.Cut(); n != 3 {
			t.Errorf("Cut returned %d, want 3", n)
		}
		all.Wait()
		synctest.Wait()
		if s.relay.Connections() != 0 || len(s.ends) != 3 {
			t.Errorf("%d connections are open and %d of the agent's have ended, want 0 and 3", s.relay.Connections(), len(s.ends))
		}
	})
}

func TestCorruptIsDeterministic(t *testing.T) {
	whole := []byte("a message that is whole")
	for seed := range uint64(200) {
		for _, kind := range []Kind{Flip, Truncate} {
			f := Fault{Kind: kind, Seed: seed}
			got := f.corrupt(bytes.Clone(whole))
			if bytes.Equal(got, whole) || kind == Flip && len(got) != len(whole) {
				t.Errorf("%s with seed %d returned %q", kind, seed, got)
			}
			if second := f.corrupt(bytes.Clone(whole)); !bytes.Equal(second, got) {
				t.Errorf("%s with seed %d returned %q and %q", kind, seed, got, second)
			}
		}
	}
	if got := (Fault{Kind: Flip}).corrupt(nil); len(got) > 0 {
		t.Errorf("an empty message became %q", got)
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
			t.Fatalf("two faults for %+v", m)
		}
		if other(m) != f {
			differ++
		}
	}
	if broken := n - counts[None]; broken < n/12 || broken > n/8 || counts[Drop] < broken/3 || counts[Stall] < broken/3 || differ < n/10 {
		t.Errorf("%v; %d differ with another seed", counts, differ)
	}
}
