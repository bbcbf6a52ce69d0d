package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// closeTimeout limits how long closing a connection may take.
const closeTimeout = time.Second

// conn is a connection to an agent. Before a session is granted the handshake reads from it. Then readLoop
// receives and decodes all messages until the connection breaks.
type conn struct {
	ws *websocket.Conn
	// inChecksum and outChecksum are the running checksums of both directions.
	inChecksum, outChecksum wire.Checksum
	codec                   *wire.Codec
	inflight                *inflightMemory
	// netConn is the TCP connection below TLS. Closing it ends all reads and writes immediately.
	netConn net.Conn
	// channel binds signatures to the TLS connection. If that is impossible, channelErr says why.
	channel    token.Channel
	channelErr error

	// messages has the received messages in order, and the errors of reading and decoding them.
	messages chan inboundMessage
	// closing is closed when messages are no longer received from the channel.
	closing   chan struct{}
	closeOnce sync.Once
	// lastReceived is the time from openedAt to the last received part of a message, also of one that was not
	// decoded yet.
	openedAt     time.Time
	lastReceived atomic.Int64
}

// inboundMessage is a message of the agent, or an error.
type inboundMessage struct {
	message wire.AgentMessage
	// data is the encoded message.
	data       []byte
	receivedAt time.Time
	err        error
	// releaseMemory releases the memory that was acquired for decoding, if it is not nil.
	releaseMemory func()
}

// release must be called when the message was processed.
func (m inboundMessage) release() {
	if m.releaseMemory != nil {
		m.releaseMemory()
	}
}

func newConn(ws *websocket.Conn, netConn net.Conn, codec *wire.Codec, inflight *inflightMemory) *conn {
	ws.SetReadLimit(wire.MaxFrame)
	return &conn{ws: ws, codec: codec, inflight: inflight, netConn: netConn, openedAt: time.Now(), messages: make(chan inboundMessage), closing: make(chan struct{})}
}

// read reads one websocket message and verifies its checksum. The error is an ErrResync if the message is
// invalid.
func (c *conn) read(ctx context.Context) (data []byte, err error) {
	kind, data, err := c.readMessage(ctx)
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		return nil, fmt.Errorf("%w: %w", wire.ErrResync, err)
	case err != nil:
		return nil, err
	case kind != websocket.MessageBinary:
		return nil, fmt.Errorf("%w: a text message", wire.ErrResync)
	}
	c.lastReceived.Store(int64(time.Since(c.openedAt)))
	return c.inChecksum.Verify(data)
}

// readMessage reads one websocket message. It reads the rest of a large one when inflightMemory allows it,
// and then for wire.WriteTimeout at most.
func (c *conn) readMessage(ctx context.Context) (websocket.MessageType, []byte, error) {
	kind, r, err := c.ws.Reader(ctx)
	if err != nil {
		return kind, nil, err
	}
	first, err := io.ReadAll(io.LimitReader(r, freeReadSize))
	if err != nil || len(first) < freeReadSize {
		return kind, first, err
	}
	c.lastReceived.Store(int64(time.Since(c.openedAt)))
	release, err := c.inflight.acquireRead(ctx)
	if err != nil {
		return kind, nil, err
	}
	defer release()
	tooSlow := time.AfterFunc(wire.WriteTimeout, func() { _ = c.netConn.Close() })
	defer tooSlow.Stop()
	all := bytes.NewBuffer(first)
	_, err = all.ReadFrom(r)
	if err != nil && !tooSlow.Stop() {
		err = fmt.Errorf("reading a message took longer than %s: %w", wire.WriteTimeout, err)
	}
	return kind, all.Bytes(), err
}

// lastReceivedAt returns when a part of a message was last received.
func (c *conn) lastReceivedAt() time.Time {
	return c.openedAt.Add(time.Duration(c.lastReceived.Load()))
}

// readSingle reads a websocket message that has exactly one message, as required in the handshake.
func (c *conn) readSingle(ctx context.Context) (first inboundMessage) {
	n := 0
	data, err := c.read(ctx)
	for m := range c.decode(ctx, data, err) {
		m.release()
		if n++; n > 1 {
			return inboundMessage{receivedAt: m.receivedAt, err: fmt.Errorf("%w: several messages where the handshake allows one", wire.ErrResync)}
		}
		first = m
	}
	return first
}

// decode yields the messages in a websocket message, and decodes each one when the one before it was
// processed. It ends with the first error.
func (c *conn) decode(ctx context.Context, data []byte, err error) iter.Seq[inboundMessage] {
	return func(yield func(inboundMessage) bool) {
		at := time.Now()
		var parts [][]byte
		if err == nil {
			if parts, err = wire.DecodeBatch(data); err != nil {
				err = fmt.Errorf("%w: %w", wire.ErrResync, err)
			}
		}
		if err != nil {
			yield(inboundMessage{receivedAt: at, err: err})
			return
		}
		for _, part := range parts {
			m := inboundMessage{receivedAt: at, data: part}
			if m.releaseMemory, m.err = c.inflight.acquireDecode(ctx, part); m.err == nil {
				if m.message, m.err = c.codec.DecodeAgent(part); m.err != nil {
					m.err = fmt.Errorf("%w: %w", wire.ErrResync, m.err)
				}
			}
			if !yield(m) || m.err != nil {
				return
			}
		}
	}
}

// readLoop reads until the connection breaks. While the connection is being closed it discards what it reads,
// so that the close handshake can complete.
func (c *conn) readLoop() {
	for delivering := true; ; {
		data, err := c.read(context.Background())
		if delivering {
			delivering = c.deliver(data, err)
		}
		if err != nil && !requiresResync(err) || errors.Is(err, websocket.ErrMessageTooBig) {
			return
		}
	}
}

// deliver sends the messages in data, or err, to the messages channel. It returns false when the connection
// is being closed.
func (c *conn) deliver(data []byte, err error) bool {
	for m := range c.decode(context.Background(), data, err) {
		select {
		case c.messages <- m:
		case <-c.closing:
			m.release()
			return false
		}
	}
	return true
}

// write sends a message, within wire.WriteTimeout.
func (c *conn) write(m wire.MasterMessage) error {
	data, err := wire.EncodeMaster(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), wire.WriteTimeout)
	defer cancel()
	if err := c.ws.Write(ctx, websocket.MessageBinary, c.outChecksum.Append(data)); err != nil {
		return fmt.Errorf("send %T: %w", m, err)
	}
	return nil
}

// tryWrite sends a message and ignores the error. If the connection is broken, readLoop reports it after all
// messages that were received before, so that an End of the agent is not lost.
func (c *conn) tryWrite(m wire.MasterMessage) { _ = c.write(m) }

// close sends the close frame and returns when the connection is closed. No message is delivered afterwards.
func (c *conn) close(code websocket.StatusCode, reason string) {
	c.closeOnce.Do(func() { close(c.closing) })
	force := time.AfterFunc(closeTimeout, func() { _ = c.netConn.Close() })
	defer force.Stop()
	_ = c.ws.Close(code, strings.ToValidUTF8(reason[:min(len(reason), maxCloseReason)], ""))
}

// closeUnread closes a connection for which readLoop was not started.
func (c *conn) closeUnread(code websocket.StatusCode, reason string) {
	var reading sync.WaitGroup
	reading.Go(c.readLoop)
	c.close(code, reason)
	reading.Wait()
}

// closeNow closes the connection without a close frame.
func (c *conn) closeNow() { _ = c.ws.CloseNow() }

// maxCloseReason is the maximum size of the reason in a close frame, in bytes.
const maxCloseReason = 123
