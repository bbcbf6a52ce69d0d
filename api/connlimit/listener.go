package connlimit

import (
	"container/list"
	"net"
	"sync"
)

// listener closes what is over a limit as soon as it is accepted.
type listener struct {
	net.Listener
	limiter *Limiter
}

// Listener returns a listener whose connections are those of inner that the Limiter lets
// through.
func (l *Limiter) Listener(inner net.Listener) net.Listener { return &listener{inner, l} }

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		admitted, evicted := l.limiter.admit(c)
		if evicted != nil {
			reset(evicted.Conn)
			evicted.release()
		}
		if admitted != nil {
			return admitted, nil
		}
		reset(c)
	}
}

// reset closes a connection so that nothing of it is left in the kernel either.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// conn is a connection that is counted until it is closed.
type conn struct {
	net.Conn
	slot    slot
	proxied bool
	closed  sync.Once
	place   *list.Element // in Limiter.unauthenticated, under Limiter.mu; nil: it is known
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.release()
	return err
}

// CloseWrite is for net/http, which says by it that an answer is complete.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (c *conn) release() {
	c.closed.Do(func() {
		l := c.slot.limiter
		l.mu.Lock()
		defer l.mu.Unlock()
		l.open--
		c.leaveLocked()
	})
}

// authenticated removes the connection from the unauthenticated ones.
func (c *conn) authenticated() {
	c.slot.limiter.mu.Lock()
	defer c.slot.limiter.mu.Unlock()
	c.leaveLocked()
}

func (c *conn) leaveLocked() {
	c.slot.leaveLocked()
	if c.place != nil {
		c.slot.limiter.unauthenticated.Remove(c.place)
		c.place = nil
	}
}
