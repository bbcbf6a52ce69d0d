package dial

import (
	"context"
	"sync"

	"github.com/coder/websocket"

	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/api/wire"
)

// Conn wraps a websocket to a master. One goroutine reads it, and separates the text messages of the link from the
// binary ones of a session or summary. If the context of a Read ends, the connection stays open, unlike that of a
// websocket.Conn.
type Conn struct {
	ws           *websocket.Conn
	text, binary chan []byte
	// Reading closes ended when it has failed, after it has set err.
	ended chan struct{}
	err   error
	// Close and CloseNow close closed first, so that received messages no longer wait for a reader.
	closed    chan struct{}
	closeOnce sync.Once
}

// newConn returns a Conn, which must be closed.
func newConn(ws *websocket.Conn) *Conn {
	ws.SetReadLimit(max(link.MaxMessage, wire.MaxMasterFrame))
	c := &Conn{ws: ws, text: make(chan []byte), binary: make(chan []byte), ended: make(chan struct{}), closed: make(chan struct{})}
	go c.read()
	return c
}

// read reads until the connection is closed.
func (c *Conn) read() {
	defer close(c.ended)
	for {
		kind, message, err := c.ws.Read(context.Background())
		if err != nil {
			c.err = err
			return
		}
		to := c.binary
		if kind == websocket.MessageText {
			to = c.text
		}
		select {
		case to <- message:
		case <-c.closed: // a websocket must be read until it is closed
		}
	}
}

// receive returns the next message from a channel.
func (c *Conn) receive(ctx context.Context, from <-chan []byte) ([]byte, error) {
	select {
	case m := <-from:
		return m, nil
	case <-c.ended:
		return nil, c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Read returns the next binary message.
func (c *Conn) Read(ctx context.Context) (websocket.MessageType, []byte, error) {
	m, err := c.receive(ctx, c.binary)
	return websocket.MessageBinary, m, err
}

// Write writes a message.
func (c *Conn) Write(ctx context.Context, kind websocket.MessageType, message []byte) error {
	return c.ws.Write(ctx, kind, message)
}

// SetReadLimit does nothing: the limit is the larger one of the link's and the protocol's messages.
func (c *Conn) SetReadLimit(int64) {}

// Close sends a close frame and closes the connection.
func (c *Conn) Close(code websocket.StatusCode, reason string) error {
	c.closeOnce.Do(func() { close(c.closed) })
	err := c.ws.Close(code, reason)
	<-c.ended
	return err
}

// CloseNow closes the connection without a close frame.
func (c *Conn) CloseNow() error {
	c.closeOnce.Do(func() { close(c.closed) })
	err := c.ws.CloseNow()
	<-c.ended
	return err
}

// textConn implements link.Conn with the text messages of a Conn.
type textConn struct{ *Conn }

func (c textConn) Read(ctx context.Context) ([]byte, error) { return c.receive(ctx, c.text) }

func (c textConn) Write(ctx context.Context, message []byte) error {
	return c.ws.Write(ctx, websocket.MessageText, message)
}
