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

// reset closes a connection by RST, so that it leaves no state in the kernel.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// conn is a connection that is counted until it is closed.
type conn struct {
	net.Conn
	count     addressCount
	fromProxy bool
	closed    sync.Once
	// element is in Limiter.unauthenticated; nil if the connection is authenticated or a proxy's. It
	// is guarded by Limiter.mu.
	element *list.Element
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

// release stops counting the connection, which is closed.
func (c *conn) release() {
	c.closed.Do(func() {
		l := c.count.limiter
		l.mu.Lock()
		defer l.mu.Unlock()
		l.open--
		c.releaseCountLocked()
	})
}

// authenticated stops counting the connection as unauthenticated.
func (c *conn) authenticated() {
	c.count.limiter.mu.Lock()
	defer c.count.limiter.mu.Unlock()
	c.releaseCountLocked()
}

// releaseCountLocked stops counting the connection as unauthenticated. Limiter.mu must be held.
func (c *conn) releaseCountLocked() {
	c.count.releaseLocked()
	if c.element != nil {
		c.count.limiter.unauthenticated.Remove(c.element)
		c.element = nil
	}
}
