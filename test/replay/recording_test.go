package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/wire"
)

// connection is a recorded connection.
type connection struct {
	Messages []message `json:"messages"`
}

// message is a recorded websocket message.
type message struct {
	// At is when the message was received, since the start of the connection.
	At time.Duration `json:"at"`
	// Master is the message if the master sent it, and Agent if the agent did.
	Master []byte `json:"master,omitempty"`
	Agent  []byte `json:"agent,omitempty"`
}

// recording is the content of testdata/VERSION.json.
type recording struct {
	// Version is the version of agent and master.
	Version string `json:"version"`
	// Connections has the connections in the order in which the master opened them.
	Connections []*connection `json:"connections"`
	// Objects has the JSON of the objects that the master showed at the end of the session, by key.
	Objects map[string]json.RawMessage `json:"objects"`
}

// readRecording reads a recording.
func readRecording(t *testing.T, file string) *recording {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := new(recording)
	if err := json.Unmarshal(content, r); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return r
}

// write writes the recording. A recording of a version is never replaced.
func (r *recording) write(t *testing.T) {
	t.Helper()
	content, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", r.Version+".json")
	if _, err := os.Stat(file); err == nil {
		t.Fatalf("%s exists, and the recording of a released version is never replaced", file)
	}
	if err := os.WriteFile(file, append(content, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// recorder relays the websocket messages between a master and an agent, and records them.
type recorder struct {
	// dial opens a websocket to the agent, with the request's Authorization.
	dial func(ctx context.Context, header http.Header) (*websocket.Conn, error)

	mu          sync.Mutex
	connections []*connection
}

// ServeHTTP relays one connection until either end closes it.
func (r *recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	ctx, cancel := context.WithCancel(request.Context())
	defer cancel()
	agent, err := r.dial(ctx, http.Header{"Authorization": request.Header["Authorization"]})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer agent.CloseNow()
	master, err := websocket.Accept(w, request, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		return
	}
	defer master.CloseNow()
	c, start := new(connection), time.Now()
	r.mu.Lock()
	r.connections = append(r.connections, c)
	r.mu.Unlock()
	record := func(m message) {
		r.mu.Lock()
		defer r.mu.Unlock()
		m.At = time.Since(start)
		c.Messages = append(c.Messages, m)
	}
	var relays sync.WaitGroup
	relays.Go(func() { relay(ctx, agent, master, func(frame []byte) { record(message{Master: frame}) }) })
	relays.Go(func() { relay(ctx, master, agent, func(frame []byte) { record(message{Agent: frame}) }) })
	relays.Wait()
}

// relay passes messages on until a connection ends. It also passes on the code and the reason of a close.
func relay(ctx context.Context, to, from *websocket.Conn, record func(frame []byte)) {
	from.SetReadLimit(wire.MaxFrame)
	for {
		kind, frame, err := from.Read(ctx)
		if err != nil {
			var closed websocket.CloseError
			if code := websocket.CloseStatus(err); code > 0 && errors.As(err, &closed) {
				_ = to.Close(code, closed.Reason)
				return
			}
			_ = to.CloseNow()
			return
		}
		record(frame)
		if to.Write(ctx, kind, frame) != nil {
			_ = from.CloseNow()
			return
		}
	}
}

// player plays the recorded agent.
type player struct {
	mu          sync.Mutex
	connections []*connection
	// errs has what was not as recorded.
	errs []error
}

// ServeHTTP plays the next connection: it sends the agent's messages at their times, each after the master's messages
// that precede it.
func (p *player) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	p.mu.Lock()
	if len(p.connections) == 0 {
		p.mu.Unlock()
		http.Error(w, "no more connections are recorded", http.StatusServiceUnavailable)
		return
	}
	c := p.connections[0]
	p.connections = p.connections[1:]
	p.mu.Unlock()
	master, err := websocket.Accept(w, request, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		return
	}
	defer master.CloseNow()
	master.SetReadLimit(wire.MaxFrame)
	start := time.Now()
	// Acknowledgements of the master may come later than in the recording, or be fewer, so they are read beside.
	received := make(chan struct{}, len(c.Messages))
	go func() {
		for {
			if _, _, err := master.Read(request.Context()); err != nil {
				close(received)
				return
			}
			select {
			case received <- struct{}{}:
			default:
			}
		}
	}()
	for i, m := range c.Messages {
		if m.Agent == nil {
			if i < 2 { // the request
				if _, ok := <-received; !ok {
					p.fail(fmt.Errorf("the master closed the connection instead of message %d", i))
					return
				}
			}
			continue
		}
		<-time.After(time.Until(start.Add(m.At)))
		if err := master.Write(request.Context(), websocket.MessageBinary, m.Agent); err != nil {
			p.fail(fmt.Errorf("send message %d: %w", i, err))
			return
		}
	}
	for range received { // until the master closes the connection
	}
}

// fail records an error.
func (p *player) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errs = append(p.errs, err)
}
