// Package memconn has network connections in memory, for tests in virtual time
// (testing/synctest): all waiting is on channels and timers. Unlike net.Pipe each
// direction has a buffer, so two ends that write at the same time do not deadlock,
// and an end that does not read stops the other when the buffer is full, as TCP does.
package memconn

import (
	"context"
	"net"
	"sync"
)

// Pipe is the two ends of one connection that buffers size bytes each way.
func Pipe(size int) (net.Conn, net.Conn) {
	there, back := newStream(size), newStream(size)
	return &conn{in: back, out: there}, &conn{in: there, out: back}
}

// Listener takes connections that Dial makes. It is a net.Listener.
type Listener struct {
	size   int
	queue  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Listen is a listener whose connections buffer size bytes each way.
func Listen(size int) *Listener {
	return &Listener{size: size, queue: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial connects to the listener, as soon as it accepts. After Close it is refused.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	here, there := Pipe(l.size)
	select {
	case l.queue <- there:
		return here, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: addr{}.Network(), Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// DialContext is Dial as an http.Transport wants it; network and address are not
// looked at.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return l.Dial(ctx)
}

// Accept waits for the next Dial.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close refuses further dials; connections stay.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is the address of everything in memory.
func (l *Listener) Addr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }
