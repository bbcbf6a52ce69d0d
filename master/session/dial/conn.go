package dial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session/admission"
)

// closeTimeout limits how long closing a connection may take.
const closeTimeout = time.Second

// Conn is a connection to an agent. The handshake reads from it first. After Start a goroutine receives and
// decodes all messages until the connection breaks or Close is called.
type Conn struct {
	ws *websocket.Conn
	// inChecksum and outChecksum are the running checksums of both directions.
	inChecksum, outChecksum wire.Checksum
	codec                   *wire.Codec
	memory                  *admission.MessageMemory
	// transport is the TCP connection below TLS, or the agent's link. Closing it ends all reads and writes immediately.
	transport io.Closer
	// nextReader is websocket.Conn.Reader or Link.Reader.
	nextReader func(context.Context) (websocket.MessageType, io.Reader, error)
	// finish is called after a summary. It keeps a link, and closes other connections.
	finish func()
	// channel binds signatures to the TLS connection. If that is impossible, channelErr says why.
	channel    token.Channel
	channelErr error

	// messages has the received messages in order, and the errors of reading and decoding them.
	messages chan Message
	// connected ends when disconnect is called, after the connection was closed. It is the context of reads and writes.
	connected  context.Context
	disconnect context.CancelFunc
	// receiving ends when Close calls stopReceiving. Waiting for memory, decoding and delivery end with it.
	receiving     context.Context
	stopReceiving context.CancelFunc
	reader        sync.WaitGroup
	startOnce     sync.Once
	// lastReceived is the time from openedAt until the last received part of a message, also of one that was not
	// decoded yet.
	openedAt     time.Time
	lastReceived atomic.Int64
}

// Message is a message of the agent, or an error.
type Message struct {
	Message wire.AgentMessage
	// Data is the frame of the message, as it was received.
	Data       []byte
	ReceivedAt time.Time
	// Err is the error that ends the connection. It is an ErrResync if the agent sent an invalid message.
	Err error
	// releaseMemory releases the memory that was acquired for decoding, if it is not nil.
	releaseMemory func()
}

// Release must be called when the message was processed.
func (m Message) Release() {
	if m.releaseMemory != nil {
		m.releaseMemory()
	}
}

// newConn returns a Conn, which must be closed. It outlives ctx, so that a session can be stopped when the
// process shuts down.
func (d *Dialer) newConn(ctx context.Context, ws *websocket.Conn, transport io.Closer) *Conn {
	ws.SetReadLimit(wire.MaxFrame)
	c := &Conn{ws: ws, codec: d.Codec, memory: d.Memory, transport: transport, nextReader: ws.Reader, openedAt: time.Now(), messages: make(chan Message)}
	c.connected, c.disconnect = context.WithCancel(context.WithoutCancel(ctx))
	c.receiving, c.stopReceiving = context.WithCancel(c.connected)
	c.finish = c.closeNow
	return c
}

// Start starts to receive messages.
func (c *Conn) Start() { c.startOnce.Do(func() { c.reader.Go(c.receive) }) }

// Messages returns the channel of received messages. After one that has an error the Conn must be closed.
func (c *Conn) Messages() <-chan Message { return c.messages }

// LastReceivedAt returns when a part of a message was last received.
func (c *Conn) LastReceivedAt() time.Time {
	return c.openedAt.Add(time.Duration(c.lastReceived.Load()))
}

// receive delivers messages until Close is called, and then discards what it reads, so that the close
// handshake can complete. It returns when the connection is broken.
func (c *Conn) receive() {
	for c.receiving.Err() == nil {
		data, err := c.read(c.connected)
		for m := range c.decode(c.receiving, data, err) {
			select {
			case c.messages <- m:
			case <-c.receiving.Done():
				m.Release()
			}
		}
		if err != nil && !errors.Is(err, wire.ErrResync) || errors.Is(err, websocket.ErrMessageTooBig) {
			break
		}
	}
	c.discard()
}

// discard reads until the connection is broken, and keeps nothing.
func (c *Conn) discard() {
	for {
		_, r, err := c.nextReader(c.connected)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			return
		}
	}
}

// readSingle reads a websocket message that must have exactly one frame, as the handshake requires.
func (c *Conn) readSingle(ctx context.Context) (first Message) {
	n := 0
	data, err := c.read(ctx)
	for m := range c.decode(ctx, data, err) {
		m.Release()
		if n++; n > 1 {
			return Message{ReceivedAt: m.ReceivedAt, Err: fmt.Errorf("%w: several messages where the handshake allows one", wire.ErrResync)}
		}
		first = m
	}
	return first
}

// read reads one websocket message and verifies its checksum. The error is an ErrResync if the message is
// invalid.
func (c *Conn) read(ctx context.Context) (data []byte, err error) {
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

// readMessage reads one websocket message. It reads the rest of a large one when the memory of messages allows
// it, and then for wire.WriteTimeout at most.
func (c *Conn) readMessage(ctx context.Context) (websocket.MessageType, []byte, error) {
	kind, r, err := c.nextReader(ctx)
	if err != nil {
		return kind, nil, err
	}
	first, err := io.ReadAll(io.LimitReader(r, admission.FreeReadSize))
	if err != nil || len(first) < admission.FreeReadSize {
		return kind, first, err
	}
	c.lastReceived.Store(int64(time.Since(c.openedAt)))
	release, err := c.acquireRead(ctx)
	if err != nil {
		_, _ = io.Copy(io.Discard, r)
		return kind, nil, err
	}
	defer release()
	tooSlow := time.AfterFunc(wire.WriteTimeout, func() { _ = c.transport.Close() })
	defer tooSlow.Stop()
	all := bytes.NewBuffer(first)
	_, err = all.ReadFrom(r)
	if err != nil && !tooSlow.Stop() {
		err = fmt.Errorf("reading a message took longer than %s: %w", wire.WriteTimeout, err)
	}
	return kind, all.Bytes(), err
}

// acquireRead waits for the memory of a large message, until ctx ends or Close is called.
func (c *Conn) acquireRead(ctx context.Context) (release func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.receiving, cancel)()
	return c.memory.AcquireRead(ctx)
}

// decode yields the messages of the frames in a websocket message, and decodes each one when the one before it was
// processed. It ends with the first error, and when ctx ends.
func (c *Conn) decode(ctx context.Context, data []byte, err error) iter.Seq[Message] {
	return func(yield func(Message) bool) {
		at := time.Now()
		var parts [][]byte
		if err == nil {
			if parts, err = wire.DecodeBatch(data); err != nil {
				err = fmt.Errorf("%w: %w", wire.ErrResync, err)
			}
		}
		if err != nil {
			yield(Message{ReceivedAt: at, Err: err})
			return
		}
		for _, part := range parts {
			m := c.decodePart(ctx, part)
			m.ReceivedAt = at
			if !yield(m) || m.Err != nil {
				return
			}
		}
	}
}

// decodePart decodes one frame when the memory of messages allows it. The error is that of ctx if it ended
// before.
func (c *Conn) decodePart(ctx context.Context, data []byte) Message {
	m := Message{Data: data, Err: ctx.Err()}
	if m.Err == nil {
		m.releaseMemory, m.Err = c.memory.AcquireDecode(ctx, data)
	}
	if m.Err != nil {
		return m
	}
	if m.Message, m.Err = c.codec.DecodeAgent(data); m.Err != nil {
		m.Err = fmt.Errorf("%w: %w", wire.ErrResync, m.Err)
	}
	return m
}

// write sends a message, within wire.WriteTimeout.
func (c *Conn) write(m wire.MasterMessage) error {
	data, err := wire.EncodeMaster(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.connected, wire.WriteTimeout)
	defer cancel()
	if err := c.ws.Write(ctx, websocket.MessageBinary, c.outChecksum.Append(data)); err != nil {
		return fmt.Errorf("send %T: %w", m, err)
	}
	return nil
}

// TryWrite sends a message and ignores the error. If the connection is broken, Messages has the error after
// all messages that were received before, so that an End of the agent is not lost.
func (c *Conn) TryWrite(m wire.MasterMessage) { _ = c.write(m) }

// Close sends the close frame and returns when the connection is closed. No message is delivered afterwards.
func (c *Conn) Close(code websocket.StatusCode, reason string) {
	c.stopReceiving()
	c.startOnce.Do(func() { c.reader.Go(c.discard) })
	force := time.AfterFunc(closeTimeout, func() { _ = c.transport.Close() })
	defer force.Stop()
	_ = c.ws.Close(code, strings.ToValidUTF8(reason[:min(len(reason), maxCloseReason)], ""))
	c.disconnect()
	c.reader.Wait()
}

// closeNow closes the connection without a close frame.
func (c *Conn) closeNow() {
	_ = c.ws.CloseNow()
	c.disconnect()
}

// maxCloseReason is the maximum size of the reason in a close frame, in bytes.
const maxCloseReason = 123
