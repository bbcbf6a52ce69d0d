package linkpool

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/api/token"
)

// Link is the connection of one agent.
type Link struct {
	// Channel binds signatures to the TLS connection. If that is impossible, ChannelErr says why.
	Channel    token.Channel
	ChannelErr error

	id        string
	ws        *websocket.Conn
	conn      link.Conn
	candidate link.Candidate
	status    Status

	// ctx ends when the link is closed.
	ctx    context.Context
	cancel context.CancelFunc
	// silence closes the link when it fires, while the link is idle.
	silence atomic.Pointer[time.Timer]
	// first receives what follows Begin, or the error that ended the link.
	first chan message
	taken atomic.Bool
}

// message is a websocket message, or an error.
type message struct {
	kind   websocket.MessageType
	reader io.Reader
	err    error
}

// Conn returns the websocket, on which the agent answers Begin. Reader has its first message.
func (l *Link) Conn() *websocket.Conn { return l.ws }

// Reader returns a reader of the next message, as websocket.Conn.Reader does. The link's first one was waited for
// while it was idle already. Only one goroutine may call it.
func (l *Link) Reader(ctx context.Context) (websocket.MessageType, io.Reader, error) {
	if l.first == nil {
		return l.ws.Reader(ctx)
	}
	select {
	case m := <-l.first:
		l.first = nil
		return m.kind, m.reader, m.err
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
}

// Close closes the connection without a close frame.
func (l *Link) Close() error {
	l.stopWatching()
	l.cancel()
	return l.ws.CloseNow()
}

// reset prepares the link to be idle.
func (l *Link) reset() {
	l.taken.Store(false)
	l.first = make(chan message, 1)
}

// begin takes the link and sends begin.
func (l *Link) begin(ctx context.Context, begin link.Begin) error {
	l.taken.Store(true)
	l.stopWatching()
	return link.SendBegin(ctx, l.conn, begin)
}

// read waits for the first message. A link that was not taken gets none.
func (l *Link) read() {
	first := l.first
	kind, reader, err := l.ws.Reader(l.ctx)
	first <- message{kind, reader, err}
}

// watch calls silent when there was no ping for link.SilenceTimeout.
func (l *Link) watch(silent func()) { l.silence.Store(time.AfterFunc(link.SilenceTimeout, silent)) }

func (l *Link) stopWatching() {
	if timer := l.silence.Load(); timer != nil {
		timer.Stop()
	}
}

// pinged records a ping of the agent.
func (l *Link) pinged() {
	if timer := l.silence.Load(); timer != nil && !l.taken.Load() {
		timer.Reset(link.SilenceTimeout)
	}
}

// closeWith sends a close frame and closes the connection.
func (l *Link) closeWith(code websocket.StatusCode, reason string) {
	l.stopWatching()
	_ = l.ws.Close(code, reason)
	l.cancel()
}
