package memconn

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// conn is one end of a connection. It reads from one stream and writes to another.
type conn struct{ in, out *stream }

func (c *conn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *conn) Write(p []byte) (int, error) { return c.out.write(p) }

// Close closes both directions at this end.
func (c *conn) Close() error {
	c.in.update(func() { c.in.readerClosed = true })
	c.out.update(func() { c.out.writerClosed = true })
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return addr{} }
func (c *conn) RemoteAddr() net.Addr { return addr{} }

func (c *conn) SetDeadline(t time.Time) error {
	_, _ = c.SetReadDeadline(t), c.SetWriteDeadline(t)
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.update(func() { c.in.readDeadline = t })
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.update(func() { c.out.writeDeadline = t })
	return nil
}

// stream is one direction of a connection.
type stream struct {
	size int

	mu      sync.Mutex
	changed chan struct{} // closed on the next change of the fields below
	buffer  []byte

	readerClosed, writerClosed  bool
	readDeadline, writeDeadline time.Time
}

// newStream returns a stream with a buffer of size bytes.
func newStream(size int) *stream { return &stream{size: size, changed: make(chan struct{})} }

// update changes the stream and wakes waiting readers and writers.
func (s *stream) update(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.wake()
}

// wake wakes waiting readers and writers. The caller must hold s.mu.
func (s *stream) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// read waits for data and reads it. After the writer has closed the stream it returns io.EOF.
func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.readerClosed:
			return 0, net.ErrClosed
		case passed(s.readDeadline):
			return 0, os.ErrDeadlineExceeded
		case len(s.buffer) > 0:
			n := copy(p, s.buffer)
			s.buffer = s.buffer[n:]
			s.wake()
			return n, nil
		case s.writerClosed:
			return 0, io.EOF
		}
		s.wait(s.readDeadline)
	}
}

// write writes p, and waits while the buffer is full.
func (s *stream) write(p []byte) (written int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.writerClosed:
			return written, net.ErrClosed
		case s.readerClosed:
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

// wait unlocks mu until the stream changes or the deadline passes.
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

// passed reports whether a deadline is set and has passed.
func passed(deadline time.Time) bool { return !deadline.IsZero() && !time.Now().Before(deadline) }
