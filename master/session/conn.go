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

// conn is one connection to an agent. Its reader goroutine takes every frame off it
// as it comes, decoded, until the connection breaks.
type conn struct {
	ws *websocket.Conn
	// in and out are the seals of the two directions.
	inChecksum, outChecksum wire.Checksum
	codec                   *wire.Codec
	inflight                *inflightMemory
	// raw is what the websocket rests on: to close it ends everything at once.
	netConn net.Conn
	// channel is the connection's, unless unbindable says why there is none.
	channel    token.Channel
	channelErr error

	// frames are what came, in order; the last one has an err and nothing else.
	messages chan inboundMessage
	// left is closed when nobody takes frames any more.
	closing   chan struct{}
	closeOnce sync.Once
	// came is how long after began a message last came, whether or not it was taken in.
	openedAt     time.Time
	lastReceived atomic.Int64
}

// inboundMessage is one message with the time when it came.
type inboundMessage struct {
	message wire.AgentMessage
	// data is the message as it came.
	data       []byte
	receivedAt time.Time
	err        error
	// done gives back the memory that the message was decoded in; nil: nothing.
	releaseMemory func()
}

// release must be called once the message was processed.
func (m inboundMessage) release() {
	if m.releaseMemory != nil {
		m.releaseMemory()
	}
}

func newConn(ws *websocket.Conn, netConn net.Conn, codec *wire.Codec, inflight *inflightMemory) *conn {
	ws.SetReadLimit(wire.MaxFrame)
	return &conn{ws: ws, codec: codec, inflight: inflight, netConn: netConn, openedAt: time.Now(), messages: make(chan inboundMessage), closing: make(chan struct{})}
}

// read reads one frame and opens it.
func (c *conn) read(ctx context.Context) (data []byte, err error) {
	kind, data, err := c.readMessage(ctx)
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		return nil, fmt.Errorf("%w: %w", wire.ErrResync, err)
	case err != nil:
		return nil, err
	case kind != websocket.MessageBinary:
		return nil, fmt.Errorf("%w: a frame of text", wire.ErrResync)
	}
	c.lastReceived.Store(int64(time.Since(c.openedAt)))
	return c.inChecksum.Verify(data)
}

// readMessage reads one websocket message. Of what is large it reads the rest once there is
// room, and not for longer than an agent may take to write it.
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
		err = fmt.Errorf("a message took longer than %s to come: %w", wire.WriteTimeout, err)
	}
	return kind, all.Bytes(), err
}

// lastReceivedAt returns when the last message arrived.
func (c *conn) lastReceivedAt() time.Time {
	return c.openedAt.Add(time.Duration(c.lastReceived.Load()))
}

// readSingle reads a frame with one message, as all are that open a session.
func (c *conn) readSingle(ctx context.Context) (first inboundMessage) {
	n := 0
	data, err := c.read(ctx)
	for m := range c.decode(ctx, data, err) {
		m.release()
		if n++; n > 1 {
			return inboundMessage{receivedAt: m.receivedAt, err: fmt.Errorf("%w: several messages where one opens a session", wire.ErrResync)}
		}
		first = m
	}
	return first
}

// decode yields what is in a frame that was read, each decoded when the one before
// was taken; or why nothing more is.
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

// readLoop reads until the connection breaks. When nobody takes frames any more they are
// thrown away, so that the good-byes can come through.
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

// deliver hands on what was read; it says no when nobody takes it any more.
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

// write sends one message.
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

// tryWrite sends one message, if it can be sent. A connection that broke shows itself
// to the reader, behind all that came before: an agent's last words are not lost
// because nobody hears ours any more.
func (c *conn) tryWrite(m wire.MasterMessage) { _ = c.write(m) }

// close sends the close frame and returns when the connection is closed. No frame is delivered
// afterwards.
func (c *conn) close(code websocket.StatusCode, reason string) {
	c.closeOnce.Do(func() { close(c.closing) })
	force := time.AfterFunc(closeTimeout, func() { _ = c.netConn.Close() })
	defer force.Stop()
	_ = c.ws.Close(code, strings.ToValidUTF8(reason[:min(len(reason), maxCloseReason)], ""))
}

// closeUnread closes a link whose frames nobody ever took.
func (c *conn) closeUnread(code websocket.StatusCode, reason string) {
	var reading sync.WaitGroup
	reading.Go(c.readLoop)
	c.close(code, reason)
	reading.Wait()
}

// closeNow ends a link without a word.
func (c *conn) closeNow() { _ = c.ws.CloseNow() }

// maxCloseReason is what fits a close frame, in bytes.
const maxCloseReason = 123
