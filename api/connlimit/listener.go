package connlimit

import (
	"container/list"
	"net"
	"sync"
)

// listener closes connections over a limit as soon as they are accepted.
type listener struct {
	net.Listener
	limiter *Limiter
}

// Listener returns a listener that accepts the connections of inner that are within the limits.
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

// reset closes a connection without leaving state in the kernel.
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
	element *list.Element // in Limiter.unauthenticated, under Limiter.mu; nil: it is known
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.release()
	return err
}

// CloseWrite closes the writing side; net/http calls it after a response.
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
		c.releaseSlotLocked()
	})
}

// authenticated stops counting the connection as unauthenticated.
func (c *conn) authenticated() {
	c.slot.limiter.mu.Lock()
	defer c.slot.limiter.mu.Unlock()
	c.releaseSlotLocked()
}

func (c *conn) releaseSlotLocked() {
	c.slot.releaseLocked()
	if c.element != nil {
		c.slot.limiter.unauthenticated.Remove(c.element)
		c.element = nil
	}
}
