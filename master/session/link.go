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

// link is one connection to an agent. Its reader goroutine takes every frame off it
// as it comes, decoded, until the connection breaks.
type link struct {
	conn *websocket.Conn
	// in and out are the seals of the two directions.
	in, out wire.Checksum
	codec   *wire.Codec
	intake  *intake
	// raw is what the websocket rests on: to close it ends everything at once.
	raw net.Conn
	// channel is the connection's, unless unbindable says why there is none.
	channel    token.Channel
	unbindable error

	// frames are what came, in order; the last one has an err and nothing else.
	frames chan frame
	// left is closed when nobody takes frames any more.
	left  chan struct{}
	leave sync.Once
	// came is how long after began a message last came, whether or not it was taken in.
	began time.Time
	came  atomic.Int64
}

// frame is one message with the time when it came.
type frame struct {
	message wire.AgentMessage
	// data is the message as it came.
	data []byte
	at   time.Time
	err  error
	// done gives back the memory that the message was decoded in; nil: nothing.
	done func()
}

// release must be called once the message was processed.
func (f frame) release() {
	if f.done != nil {
		f.done()
	}
}

func newLink(conn *websocket.Conn, raw net.Conn, codec *wire.Codec, in *intake) *link {
	conn.SetReadLimit(wire.MaxFrame)
	return &link{conn: conn, codec: codec, intake: in, raw: raw, began: time.Now(), frames: make(chan frame), left: make(chan struct{})}
}

// read reads one frame and opens it.
func (l *link) read(ctx context.Context) (data []byte, err error) {
	kind, data, err := l.readAll(ctx)
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		return nil, fmt.Errorf("%w: %w", wire.ErrResync, err)
	case err != nil:
		return nil, err
	case kind != websocket.MessageBinary:
		return nil, fmt.Errorf("%w: a frame of text", wire.ErrResync)
	}
	l.came.Store(int64(time.Since(l.began)))
	return l.in.Verify(data)
}

// readAll reads one websocket message. Of what is large it reads the rest once there is
// room, and not for longer than an agent may take to write it.
func (l *link) readAll(ctx context.Context) (websocket.MessageType, []byte, error) {
	kind, r, err := l.conn.Reader(ctx)
	if err != nil {
		return kind, nil, err
	}
	first, err := io.ReadAll(io.LimitReader(r, freeReading))
	if err != nil || len(first) < freeReading {
		return kind, first, err
	}
	l.came.Store(int64(time.Since(l.began)))
	done, err := l.intake.read(ctx)
	if err != nil {
		return kind, nil, err
	}
	defer done()
	tooSlow := time.AfterFunc(wire.WriteTimeout, func() { _ = l.raw.Close() })
	defer tooSlow.Stop()
	all := bytes.NewBuffer(first)
	_, err = all.ReadFrom(r)
	if err != nil && !tooSlow.Stop() {
		err = fmt.Errorf("a message took longer than %s to come: %w", wire.WriteTimeout, err)
	}
	return kind, all.Bytes(), err
}

// lastCame returns when the last message arrived.
func (l *link) lastCame() time.Time { return l.began.Add(time.Duration(l.came.Load())) }

// only reads a frame with one message, as all are that open a session.
func (l *link) only(ctx context.Context) (first frame) {
	n := 0
	data, err := l.read(ctx)
	for f := range l.messages(ctx, data, err) {
		f.release()
		if n++; n > 1 {
			return frame{at: f.at, err: fmt.Errorf("%w: several messages where one opens a session", wire.ErrResync)}
		}
		first = f
	}
	return first
}

// messages yields what is in a frame that was read, each decoded when the one before
// was taken; or why nothing more is.
func (l *link) messages(ctx context.Context, data []byte, err error) iter.Seq[frame] {
	return func(yield func(frame) bool) {
		at := time.Now()
		var parts [][]byte
		if err == nil {
			if parts, err = wire.DecodeBatch(data); err != nil {
				err = fmt.Errorf("%w: %w", wire.ErrResync, err)
			}
		}
		if err != nil {
			yield(frame{at: at, err: err})
			return
		}
		for _, part := range parts {
			f := frame{at: at, data: part}
			if f.done, f.err = l.intake.decode(ctx, part); f.err == nil {
				if f.message, f.err = l.codec.DecodeAgent(part); f.err != nil {
					f.err = fmt.Errorf("%w: %w", wire.ErrResync, f.err)
				}
			}
			if !yield(f) || f.err != nil {
				return
			}
		}
	}
}

// run reads until the connection breaks. When nobody takes frames any more they are
// thrown away, so that the good-byes can come through.
func (l *link) run() {
	for taken := true; ; {
		data, err := l.read(context.Background())
		if taken {
			taken = l.deliver(data, err)
		}
		if err != nil && !isResync(err) || errors.Is(err, websocket.ErrMessageTooBig) {
			return
		}
	}
}

// deliver hands on what was read; it says no when nobody takes it any more.
func (l *link) deliver(data []byte, err error) bool {
	for f := range l.messages(context.Background(), data, err) {
		select {
		case l.frames <- f:
		case <-l.left:
			f.release()
			return false
		}
	}
	return true
}

// write sends one message.
func (l *link) write(m wire.MasterMessage) error {
	data, err := wire.EncodeMaster(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), wire.WriteTimeout)
	defer cancel()
	if err := l.conn.Write(ctx, websocket.MessageBinary, l.out.Append(data)); err != nil {
		return fmt.Errorf("send %T: %w", m, err)
	}
	return nil
}

// tell sends one message, if it can be sent. A connection that broke shows itself
// to the reader, behind all that came before: an agent's last words are not lost
// because nobody hears ours any more.
func (l *link) tell(m wire.MasterMessage) { _ = l.write(m) }

// close sends the close frame and returns when the connection is closed. No frame is delivered
// afterwards.
func (l *link) close(code websocket.StatusCode, why string) {
	l.leave.Do(func() { close(l.left) })
	force := time.AfterFunc(closeTimeout, func() { _ = l.raw.Close() })
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

// drop ends a link without a word.
func (l *link) drop() { _ = l.conn.CloseNow() }

// maxCloseReason is what fits a close frame, in bytes.
const maxCloseReason = 123
