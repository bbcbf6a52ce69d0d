package report

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"rollcall.dev/rollcall/api/wire"
)

// maxCloseReason limits the length, in bytes, of the reason in a websocket close frame.
const maxCloseReason = 123

// Conn is the connection to a master: a websocket.Conn, or a link on which sessions and summaries take turns.
type Conn interface {
	Read(ctx context.Context) (websocket.MessageType, []byte, error)
	Write(ctx context.Context, kind websocket.MessageType, message []byte) error
	Close(code websocket.StatusCode, reason string) error
	CloseNow() error
	SetReadLimit(bytes int64)
}

// peer exchanges messages with one connected master.
type peer struct {
	ws Conn
	// in and out compute the checksums of received and sent frames.
	in, out wire.Checksum
	codec   *wire.Codec
	sent    prometheus.Counter
	// written is the total size of the frames that were sent, in bytes.
	written int

	// messages has the received messages. Its capacity is small: if the session does not receive them, reading from
	// the connection stops, and the master blocks when it writes.
	messages chan wire.MasterMessage
	// discard is closed when received messages are to be ignored.
	discard chan struct{}
	// closed is closed when reading from the connection failed. readErr is the reason, and may be read afterwards.
	closed  chan struct{}
	readErr error
}

func newPeer(ws Conn, codec *wire.Codec, sent prometheus.Counter) *peer {
	ws.SetReadLimit(wire.MaxMasterFrame)
	return &peer{
		ws: ws, codec: codec, sent: sent,
		messages: make(chan wire.MasterMessage, 4), discard: make(chan struct{}), closed: make(chan struct{}),
	}
}

// startReading starts a goroutine that reads messages until the connection ends. A websocket must always be read,
// because reading also handles control frames. close waits for the goroutine.
func (p *peer) startReading(ctx context.Context) {
	go func() {
		defer close(p.closed)
		for {
			m, err := p.read(ctx)
			if err != nil {
				p.readErr = err
				return
			}
			select {
			case p.messages <- m:
			case <-p.discard:
			}
		}
	}()
}

// read reads, verifies and decodes one message.
func (p *peer) read(ctx context.Context) (wire.MasterMessage, error) {
	kind, frame, err := p.ws.Read(ctx)
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		return nil, &violationError{websocket.StatusMessageTooBig, fmt.Sprintf("the frame is larger than %d bytes", wire.MaxMasterFrame)}
	case err != nil:
		return nil, fmt.Errorf("read from the master: %w", err)
	case kind != websocket.MessageBinary:
		return nil, &violationError{websocket.StatusUnsupportedData, "got a text frame, want a binary frame"}
	}
	frame, err = p.in.Verify(frame)
	if err != nil {
		return nil, protocolViolation("verify a frame: %v", err)
	}
	m, err := wire.DecodeMaster(frame)
	if err != nil {
		return nil, protocolViolation("decode a frame: %v", err)
	}
	return m, nil
}

// send encodes and writes one message.
func (p *peer) send(ctx context.Context, m wire.AgentMessage) error {
	frame, err := p.codec.EncodeAgent(m)
	if err != nil {
		return err
	}
	return p.write(ctx, frame)
}

// writeAll writes frames in order.
func (p *peer) writeAll(ctx context.Context, frames [][]byte) error {
	for _, frame := range frames {
		if err := p.write(ctx, frame); err != nil {
			return err
		}
	}
	return nil
}

// write writes one frame. If that takes longer than wire.WriteTimeout, the connection is closed.
func (p *peer) write(ctx context.Context, frame []byte) error {
	ctx, cancel := context.WithTimeout(ctx, wire.WriteTimeout)
	defer cancel()
	if err := p.ws.Write(ctx, websocket.MessageBinary, p.out.Append(frame)); err != nil {
		return fmt.Errorf("write to the master: %w", err)
	}
	p.written += len(frame)
	p.sent.Add(float64(len(frame)))
	return nil
}

// release stops reading and leaves the connection open. stop cancels the context of startReading.
func (p *peer) release(stop context.CancelFunc) {
	close(p.discard)
	stop()
	<-p.closed
}

// close closes the connection in the way that err requires (see errors.go), and waits until it is closed.
func (p *peer) close(ctx context.Context, err error) {
	close(p.discard)
	code, reason := websocket.StatusNormalClosure, ""
	var end *endError
	var violation *violationError
	var unsupported *unsupportedError
	switch {
	case errors.As(err, &end):
		reason = end.reason.String()
		err = p.send(ctx, &wire.End{Reason: end.reason, Message: end.message})
	case errors.As(err, &violation):
		code, reason, err = violation.code, violation.message, nil
	case errors.As(err, &unsupported):
		err = p.send(ctx, &unsupported.Unsupported)
	}
	if err != nil {
		_ = p.ws.CloseNow()
	} else {
		_ = p.ws.Close(code, truncateReason(reason))
	}
	<-p.closed
}

// truncateReason truncates s to maxCloseReason bytes, at the boundary of a character.
func truncateReason(s string) string {
	if len(s) <= maxCloseReason {
		return s
	}
	end := maxCloseReason
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
