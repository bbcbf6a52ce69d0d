package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// forwarder forwards TCP connections on loopback, counts their bytes, and can cut them.
type forwarder struct {
	// Address is the listen address.
	Address string

	target   string
	listener net.Listener
	work     sync.WaitGroup
	// up counts the bytes to the target, down those from it. A byte is counted before it is forwarded.
	up, down atomic.Int64
	// connections is the number of accepted connections.
	connections atomic.Int64

	mu      sync.Mutex
	refuses bool
	conns   map[net.Conn]struct{}
}

// newForwarder starts a forwarder to an address. The caller closes it.
func newForwarder(target string) (*forwarder, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen to forward to %s: %w", target, err)
	}
	f := &forwarder{Address: listener.Addr().String(), target: target, listener: listener, conns: map[net.Conn]struct{}{}}
	f.work.Go(f.accept)
	return f, nil
}

// accept serves connections until the listener is closed.
func (f *forwarder) accept() {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.connections.Add(1)
		f.work.Go(func() { f.serve(client) })
	}
}

// serve forwards one connection until both directions have ended.
func (f *forwarder) serve(client net.Conn) {
	defer client.Close()
	if !f.track(client) {
		return
	}
	defer f.untrack(client)
	server, err := net.Dial("tcp", f.target)
	if err != nil {
		return
	}
	defer server.Close()
	var upwards sync.WaitGroup
	upwards.Go(func() { copyCounted(server, client, &f.up) })
	copyCounted(client, server, &f.down)
	client.Close() // ends the other direction too
	upwards.Wait()
}

// copyCounted copies until either end fails, and forwards a regular end of the stream with CloseWrite.
func copyCounted(to, from net.Conn, count *atomic.Int64) {
	_, err := io.Copy(countingConn{to, count}, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		err = half.CloseWrite()
	}
	if err != nil {
		to.Close()
	}
}

// countingConn is a connection that counts the bytes written to it.
type countingConn struct {
	net.Conn
	count *atomic.Int64
}

// Write implements net.Conn.
func (c countingConn) Write(p []byte) (int, error) {
	c.count.Add(int64(len(p)))
	return c.Conn.Write(p)
}

// track registers a connection for cut. It returns false if the forwarder is cut.
func (f *forwarder) track(client net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.refuses {
		f.conns[client] = struct{}{}
	}
	return !f.refuses
}

// untrack removes a connection from those that cut closes.
func (f *forwarder) untrack(client net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, client)
}

// waitIdle waits until no connection is open.
func (f *forwarder) waitIdle(ctx context.Context) error {
	open := func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.conns)
	}
	for deadline := time.Now().Add(5 * time.Second); open() > 0; {
		if time.Now().After(deadline) {
			return errors.New("a connection is still open 5s after one end closed it")
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// cut closes all connections, and refuses new ones until restore is called.
func (f *forwarder) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuses = true
	for c := range f.conns {
		c.Close()
	}
}

// restore accepts new connections again after cut.
func (f *forwarder) restore() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuses = false
}

// traffic holds the bytes of both directions.
type traffic struct{ up, down int64 }

// traffic returns the bytes forwarded so far.
func (f *forwarder) traffic() traffic { return traffic{up: f.up.Load(), down: f.down.Load()} }

// close closes the listener and all connections, and waits for their goroutines.
func (f *forwarder) close() {
	f.listener.Close()
	f.cut()
	f.work.Wait()
}
