package main

import (
	"io"
	"net"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo starts a server that sends back all bytes that it receives, and returns its address.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return listener.Addr().String()
}

func TestForwarderCountsBothDirections(t *testing.T) {
	f, err := newForwarder(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	for range 2 {
		conn, err := net.Dial("tcp", f.Address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(make([]byte, 100_000)); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if back, err := io.ReadAll(conn); err != nil || len(back) != 100_000 {
			t.Fatalf("got %d bytes, error %v; want 100000", len(back), err)
		}
		conn.Close()
	}
	if got := f.traffic(); got != (traffic{200_000, 200_000}) || f.connections.Load() != 2 {
		t.Errorf("got %+v in %d connections, want 200000 bytes each way in 2", got, f.connections.Load())
	}
}

func TestCutForwarderRefusesConnectionsUntilRestored(t *testing.T) {
	f, err := newForwarder(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	speak := func(conn net.Conn) error {
		if _, err := conn.Write([]byte("x")); err != nil {
			return err
		}
		_, err := conn.Read(make([]byte, 1))
		return err
	}
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", f.Address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	before := dial()
	if err := speak(before); err != nil {
		t.Fatal(err)
	}
	f.cut()
	if err := speak(before); err == nil {
		t.Error("an open connection still works after cut")
	}
	if err := speak(dial()); err == nil {
		t.Error("a new connection works after cut")
	}
	f.restore()
	if err := speak(dial()); err != nil {
		t.Errorf("after restore: %v", err)
	}
}
