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
	// Address is where it listens.
	Address string

	target   string
	listener net.Listener
	work     sync.WaitGroup
	// up goes to the target, down comes from it. A byte counts before it is passed on.
	up, down atomic.Int64
	// connections is how many were accepted.
	connections atomic.Int64

	mu    sync.Mutex
	isCut bool
	conns map[net.Conn]struct{}
}

// forward starts a forwarder to an address.
func forward(target string) (*forwarder, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen to forward to %s: %w", target, err)
	}
	f := &forwarder{Address: listener.Addr().String(), target: target, listener: listener, conns: map[net.Conn]struct{}{}}
	f.work.Go(f.accept)
	return f, nil
}

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

func (f *forwarder) serve(client net.Conn) {
	defer client.Close()
	if !f.hold(client) {
		return
	}
	defer f.release(client)
	server, err := net.Dial("tcp", f.target)
	if err != nil {
		return
	}
	defer server.Close()
	var upwards sync.WaitGroup
	upwards.Go(func() { pass(server, client, &f.up) })
	pass(client, server, &f.down)
	client.Close() // ends the other direction too
	upwards.Wait()
}

// pass copies until either end breaks, and passes an orderly end on.
func pass(to, from net.Conn, count *atomic.Int64) {
	_, err := io.Copy(counting{to, count}, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		err = half.CloseWrite()
	}
	if err != nil {
		to.Close()
	}
}

// counting counts what is written to a connection.
type counting struct {
	net.Conn
	count *atomic.Int64
}

func (c counting) Write(p []byte) (int, error) {
	c.count.Add(int64(len(p)))
	return c.Conn.Write(p)
}

func (f *forwarder) hold(client net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.isCut {
		f.conns[client] = struct{}{}
	}
	return !f.isCut
}

func (f *forwarder) release(client net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, client)
}

// awaitEnd waits until nothing is forwarded any more.
func (f *forwarder) awaitEnd(ctx context.Context) error {
	open := func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.conns)
	}
	for deadline := time.Now().Add(5 * time.Second); open() > 0; {
		if time.Now().After(deadline) {
			return errors.New("a connection that one end has closed does not end")
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// cut breaks every connection, and new ones until mend.
func (f *forwarder) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.isCut = true
	for c := range f.conns {
		c.Close()
	}
}

func (f *forwarder) mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.isCut = false
}

// traffic is bytes in both directions.
type traffic struct{ up, down int64 }

func (f *forwarder) traffic() traffic { return traffic{up: f.up.Load(), down: f.down.Load()} }

// close ends everything.
func (f *forwarder) close() {
	f.listener.Close()
	f.cut()
	f.work.Wait()
}
