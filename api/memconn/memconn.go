// Package memconn has in-memory network connections for tests with testing/synctest: they
// block on channels and timers only. Unlike net.Pipe, each direction has a buffer, so two
// ends that write at the same time do not deadlock. A write blocks while the buffer is
// full, as with TCP.
package memconn

import (
	"context"
	"net"
	"sync"
)

// Pipe returns the two ends of a connection with a buffer of size bytes in each direction.
func Pipe(size int) (net.Conn, net.Conn) {
	forward, backward := newStream(size), newStream(size)
	return &conn{in: backward, out: forward}, &conn{in: forward, out: backward}
}

// Listener accepts the connections of Dial. It implements net.Listener.
type Listener struct {
	size   int
	queue  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Listen returns a Listener whose connections have a buffer of size bytes in each direction.
func Listen(size int) *Listener {
	return &Listener{size: size, queue: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial waits until the listener accepts, and returns the client's end. After Close it fails.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	client, server := Pipe(l.size)
	select {
	case l.queue <- server:
		return client, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: addr{}.Network(), Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// DialContext calls Dial. It has the signature of http.Transport.DialContext, and ignores
// network and address.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return l.Dial(ctx)
}

// Accept waits for the next Dial, and returns the server's end.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close stops listening. Established connections stay open.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns a placeholder address.
func (l *Listener) Addr() net.Addr { return addr{} }

// addr is the address of all connections.
type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }
