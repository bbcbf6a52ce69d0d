package memconn

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestBothEndsCanWriteBeforeReading(t *testing.T) {
	a, b := Pipe(16)
	for _, end := range []net.Conn{a, b} {
		if _, err := end.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
	for _, end := range []net.Conn{a, b} {
		got := make([]byte, 5)
		if _, err := io.ReadFull(end, got); err != nil || string(got) != "hello" {
			t.Fatalf("got %q, %v; want hello", got, err)
		}
	}
}

func TestWriteBlocksWhileBufferIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(4)
		sent := []byte("more than four bytes")
		var written bool
		go func() {
			_, _ = a.Write(sent)
			written = true
			_ = a.Close()
		}()
		synctest.Wait()
		if written {
			t.Fatal("Write returned before the buffer was read")
		}
		got, err := io.ReadAll(b)
		if err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("got %q, %v; want %q", got, err, sent)
		}
	})
}

func TestDeadlinesUnblockReadAndWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := Pipe(1)
		start := time.Now()
		_ = a.SetDeadline(start.Add(time.Minute))
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: got %v, want os.ErrDeadlineExceeded", err)
		}
		if n, err := a.Write([]byte("ab")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: got %d, %v; want 0, os.ErrDeadlineExceeded", n, err)
		}
		if waited := time.Since(start); waited != time.Minute {
			t.Errorf("waited %s, want a minute", waited)
		}
		_ = a.SetDeadline(time.Time{})
		go func() { _ = a.SetReadDeadline(time.Unix(1, 0)) }()
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read with a deadline set meanwhile: got %v, want os.ErrDeadlineExceeded", err)
		}
	})
}

func TestCloseAffectsBothEnds(t *testing.T) {
	a, b := Pipe(8)
	_, _ = a.Write([]byte("last"))
	_ = a.Close()
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("own read: got %v, want net.ErrClosed", err)
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("own write: got %v, want net.ErrClosed", err)
	}
	if got, err := io.ReadAll(b); err != nil || string(got) != "last" {
		t.Errorf("read at the other end: got %q, %v; want \"last\"", got, err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write at the other end: got %v, want io.ErrClosedPipe", err)
	}
}

func TestListenerConnectsUntilClosed(t *testing.T) {
	l := Listen(8)
	accepted := make(chan net.Conn)
	go func() {
		c, _ := l.Accept()
		accepted <- c
	}()
	c, err := l.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write([]byte("hi"))
	got := make([]byte, 2)
	if _, err := io.ReadFull(<-accepted, got); err != nil || string(got) != "hi" {
		t.Errorf("got %q, %v; want hi", got, err)
	}
	_ = l.Close()
	if _, err := l.DialContext(context.Background(), "tcp", "ignored"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dial after close: got %v, want net.ErrClosed", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close: got %v, want net.ErrClosed", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Listen(1).Dial(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("dial without accept: got %v, want context.Canceled", err)
	}
}
