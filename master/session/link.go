package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/wire"
)

// farewell is how long a connection that is closed may take to say good-bye.
const farewell = time.Second

// link is one connection to an agent. Its reader goroutine takes every frame off it
// as it comes, decoded, until the connection breaks.
type link struct {
	conn *websocket.Conn
	// in and out are the seals of the two directions.
	in, out wire.Seal
	codec   *wire.Codec
	// raw is what the websocket rests on: to close it ends everything at once.
	raw net.Conn

	// frames are what came, in order; the last one has an err and nothing else.
	frames chan frame
	// left is closed when nobody takes frames any more.
	left  chan struct{}
	leave sync.Once
}

// frame is one message with the time when it came.
type frame struct {
	message wire.AgentMessage
	at      time.Time
	size    int
	err     error
}

func newLink(conn *websocket.Conn, raw net.Conn, codec *wire.Codec) *link {
	conn.SetReadLimit(wire.MaxFrame)
	return &link{conn: conn, codec: codec, raw: raw, frames: make(chan frame), left: make(chan struct{})}
}

// read reads one frame.
func (l *link) read(ctx context.Context) frame {
	kind, data, err := l.conn.Read(ctx)
	f := frame{at: time.Now(), size: len(data)}
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		f.err = fmt.Errorf("%w: %w", wire.ErrResync, err)
	case err != nil:
		f.err = err
	case kind != websocket.MessageBinary:
		f.err = fmt.Errorf("%w: a frame of text", wire.ErrResync)
	default:
		if data, f.err = l.in.Open(data); f.err == nil {
			f.message, f.err = l.codec.DecodeAgent(data)
		}
		if f.err != nil {
			f.err = fmt.Errorf("%w: %w", wire.ErrResync, f.err)
		}
	}
	return f
}

// run reads until the connection breaks. When nobody takes frames any more they are
// thrown away, so that the good-byes can come through.
func (l *link) run() {
	for taken := true; ; {
		f := l.read(context.Background())
		if taken {
			select {
			case l.frames <- f:
			case <-l.left:
				taken = false
			}
		}
		if f.message == nil && !isResync(f.err) || errors.Is(f.err, websocket.ErrMessageTooBig) {
			return
		}
	}
}

// write sends one message.
func (l *link) write(m wire.MasterMessage) error {
	data, err := wire.EncodeMaster(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), wire.WriteTimeout)
	defer cancel()
	if err := l.conn.Write(ctx, websocket.MessageBinary, l.out.Close(data)); err != nil {
		return fmt.Errorf("send %T: %w", m, err)
	}
	return nil
}

// tell sends one message, if it can be sent. A connection that broke shows itself
// to the reader, behind all that came before: an agent's last words are not lost
// because nobody hears ours any more.
func (l *link) tell(m wire.MasterMessage) { _ = l.write(m) }

// close says why and closes; it returns when the connection is gone. No frame is
// delivered any more.
func (l *link) close(code websocket.StatusCode, why string) {
	l.leave.Do(func() { close(l.left) })
	force := time.AfterFunc(farewell, func() { _ = l.raw.Close() })
	defer force.Stop()
	_ = l.conn.Close(code, strings.ToValidUTF8(why[:min(len(why), maxCloseReason)], ""))
}

// dismiss closes a link whose frames nobody ever took.
func (l *link) dismiss(code websocket.StatusCode, why string) {
	var reading sync.WaitGroup
	reading.Go(l.run)
	l.close(code, why)
	reading.Wait()
}

// maxCloseReason is what fits a close frame, in bytes.
const maxCloseReason = 123
