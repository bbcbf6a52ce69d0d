package memconn

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// conn is one end: it reads one stream and writes another.
type conn struct{ in, out *stream }

func (c *conn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *conn) Write(p []byte) (int, error) { return c.out.write(p) }

func (c *conn) Close() error {
	c.in.edit(func() { c.in.readerGone = true })
	c.out.edit(func() { c.out.writerGone = true })
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return addr{} }
func (c *conn) RemoteAddr() net.Addr { return addr{} }

func (c *conn) SetDeadline(t time.Time) error {
	_, _ = c.SetReadDeadline(t), c.SetWriteDeadline(t)
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.edit(func() { c.in.readDeadline = t })
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.edit(func() { c.out.writeDeadline = t })
	return nil
}

// stream is one direction of a connection.
type stream struct {
	size int

	mu      sync.Mutex
	changed chan struct{} // closed at the next change of anything below
	buffer  []byte

	readerGone, writerGone      bool
	readDeadline, writeDeadline time.Time
}

func newStream(size int) *stream { return &stream{size: size, changed: make(chan struct{})} }

// edit changes the stream and wakes who waits for that.
func (s *stream) edit(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.wake()
}

func (s *stream) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.readerGone:
			return 0, net.ErrClosed
		case passed(s.readDeadline):
			return 0, os.ErrDeadlineExceeded
		case len(s.buffer) > 0:
			n := copy(p, s.buffer)
			s.buffer = s.buffer[n:]
			s.wake()
			return n, nil
		case s.writerGone:
			return 0, io.EOF
		}
		s.wait(s.readDeadline)
	}
}

func (s *stream) write(p []byte) (written int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.writerGone:
			return written, net.ErrClosed
		case s.readerGone:
			return written, io.ErrClosedPipe
		case passed(s.writeDeadline):
			return written, os.ErrDeadlineExceeded
		}
		n := min(len(p), s.size-len(s.buffer))
		if n > 0 {
			s.buffer = append(s.buffer, p[:n]...)
			s.wake()
		}
		p, written = p[n:], written+n
		if len(p) == 0 {
			return written, nil
		}
		s.wait(s.writeDeadline)
	}
}

// wait lets go of the lock until something changed or the deadline has passed.
func (s *stream) wait(deadline time.Time) {
	changed := s.changed
	s.mu.Unlock()
	defer s.mu.Lock()
	if deadline.IsZero() {
		<-changed
		return
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
}

func passed(deadline time.Time) bool { return !deadline.IsZero() && !time.Now().Before(deadline) }
