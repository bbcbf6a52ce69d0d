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

// peer encodes and decodes the messages that are exchanged with one connected master.
type peer struct {
	conn *websocket.Conn
	// in and out are the seals of the two directions.
	in, out wire.Checksum
	codec   *wire.Codec
	sent    prometheus.Counter
	// written is how many bytes of frames were sent.
	written int

	// messages are what the master said. The channel is short: a master that says
	// more than the session takes in waits.
	messages chan wire.MasterMessage
	// over is closed when nobody takes messages any more: what comes then is ignored.
	over chan struct{}
	// gone is closed when nothing more will come, for the reason in lost.
	gone chan struct{}
	lost error
}

func newPeer(conn *websocket.Conn, codec *wire.Codec, sent prometheus.Counter) *peer {
	conn.SetReadLimit(wire.MaxMasterFrame)
	return &peer{
		conn: conn, codec: codec, sent: sent,
		messages: make(chan wire.MasterMessage, 4), over: make(chan struct{}), gone: make(chan struct{}),
	}
}

// listen reads until the connection ends: a websocket must always be read. dismiss
// waits for it.
func (p *peer) listen(ctx context.Context) {
	go func() {
		defer close(p.gone)
		for {
			m, err := p.receive(ctx)
			if err != nil {
				p.lost = err
				return
			}
			select {
			case p.messages <- m:
			case <-p.over:
			}
		}
	}()
}

func (p *peer) receive(ctx context.Context) (wire.MasterMessage, error) {
	kind, frame, err := p.conn.Read(ctx)
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		return nil, &violation{websocket.StatusMessageTooBig, fmt.Sprintf("a frame of more than %d bytes", wire.MaxMasterFrame)}
	case err != nil:
		return nil, fmt.Errorf("read from master: %w", err)
	case kind != websocket.MessageBinary:
		return nil, &violation{websocket.StatusUnsupportedData, "frames are binary"}
	}
	frame, err = p.in.Verify(frame)
	if err != nil {
		return nil, protocolError("%v", err)
	}
	m, err := wire.DecodeMaster(frame)
	if err != nil {
		return nil, protocolError("%v", err)
	}
	return m, nil
}

// send writes one message.
func (p *peer) send(ctx context.Context, m wire.AgentMessage) error {
	frame, err := p.codec.EncodeAgent(m)
	if err != nil {
		return err
	}
	return p.write(ctx, frame)
}

// writeAll writes frames, in order.
func (p *peer) writeAll(ctx context.Context, frames [][]byte) error {
	for _, frame := range frames {
		if err := p.write(ctx, frame); err != nil {
			return err
		}
	}
	return nil
}

// write writes one frame. A master that does not take it in time is lost.
func (p *peer) write(ctx context.Context, frame []byte) error {
	ctx, cancel := context.WithTimeout(ctx, wire.WriteTimeout)
	defer cancel()
	if err := p.conn.Write(ctx, websocket.MessageBinary, p.out.Append(frame)); err != nil {
		return fmt.Errorf("write to master: %w", err)
	}
	p.written += len(frame)
	p.sent.Add(float64(len(frame)))
	return nil
}

// dismiss ends the connection as err says, and waits until it is gone.
func (p *peer) dismiss(ctx context.Context, err error) {
	close(p.over)
	code, reason := websocket.StatusNormalClosure, ""
	var end *ended
	var broken *violation
	var foreign *unsupported
	switch {
	case errors.As(err, &end):
		reason = end.reason.String()
		err = p.send(ctx, &wire.End{Reason: end.reason, Message: end.words})
	case errors.As(err, &broken):
		code, reason, err = broken.code, broken.words, nil
	case errors.As(err, &foreign):
		err = p.send(ctx, &foreign.Unsupported)
	}
	if err != nil {
		_ = p.conn.CloseNow()
	} else {
		_ = p.conn.Close(code, shorten(reason))
	}
	<-p.gone
}

// shorten cuts a text to what a close frame holds, at the boundary of a character.
func shorten(s string) string {
	if len(s) <= maxCloseReason {
		return s
	}
	end := maxCloseReason
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
