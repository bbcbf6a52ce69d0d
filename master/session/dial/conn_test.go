package dial

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/memconn"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session/admission"
)

// dialPeer returns a Conn to a server that runs peer on the other end.
func dialPeer(t *testing.T, memory *admission.MessageMemory, peer func(ctx context.Context, ws *websocket.Conn)) *Conn {
	t.Helper()
	listener := memconn.Listen(1 << 16)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}, CompressionMode: websocket.CompressionDisabled})
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = ws.CloseNow() }()
		peer(r.Context(), ws)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	d := &Dialer{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return listener.Dial(ctx) },
		Codec:       wire.NewCodec(), Memory: memory,
	}
	conn, _, err := d.dialOnce(t.Context(), Target{Cluster: "a", Endpoint: "ws://a:1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestClosedConnWaitsForNoMemory closes a connection while a large message waits for memory that others hold. The
// close handshake completes, and nothing is decoded.
func TestClosedConnWaitsForNoMemory(t *testing.T) {
	for name, size := range map[string]int{"before reading": 2 * admission.FreeReadSize, "before decoding": admission.FreeReadSize / 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory, message := admission.New().Messages, make([]byte, size)
				holdAll(t, memory.AcquireRead)
				holdAll(t, func(ctx context.Context) (func(), error) { return memory.AcquireDecode(ctx, message) })
				closed := make(chan error, 1)
				conn := dialPeer(t, memory, func(ctx context.Context, ws *websocket.Conn) {
					var sum wire.Checksum
					_ = ws.Write(ctx, websocket.MessageBinary, sum.Append(message))
					_, _, err := ws.Read(ctx)
					closed <- err
				})
				conn.Start()
				synctest.Wait()
				start := time.Now()
				conn.Close(websocket.StatusNormalClosure, "done")
				if took := time.Since(start); took != 0 {
					t.Errorf("Close took %s, want 0", took)
				}
				if err := <-closed; websocket.CloseStatus(err) != websocket.StatusNormalClosure {
					t.Errorf("the peer read %v, want the close frame", err)
				}
				select {
				case m := <-conn.Messages():
					t.Errorf("got %T after Close", m.Message)
				default:
				}
			})
		})
	}
}

// holdAll acquires until nothing is left, and releases it at the end of the test.
func holdAll(t *testing.T, acquire func(context.Context) (func(), error)) {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		release, err := acquire(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return
		}
		t.Cleanup(release)
	}
}
