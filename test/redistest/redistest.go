// Package redistest runs real Redis servers for tests. They listen on free loopback ports, store
// nothing on disk and are killed at the end of the test.
package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/test/proc"
)

// Server is a redis-server process.
type Server struct {
	// Addr is the host:port on which it listens.
	Addr string

	t       testing.TB
	dir     string
	args    []string
	process *proc.Process // nil while it is not running
}

// Start starts a server that runs until the test ends. args are further arguments of redis-server.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := Prepare(t, args...)
	s.Start()
	return s
}

// Prepare returns a server that is not running; see Server.Start.
func Prepare(t testing.TB, args ...string) *Server {
	t.Helper()
	s := newServer(t)
	_, port, _ := net.SplitHostPort(s.Addr)
	s.args = append([]string{"--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no"}, args...)
	return s
}

func newServer(t testing.TB) *Server {
	s := &Server{t: t, Addr: FreeAddr(t), dir: t.TempDir()}
	t.Cleanup(s.Stop)
	return s
}

// URL returns the URL of the server.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Sentinel starts a sentinel that monitors the server under a name.
func (s *Server) Sentinel(name string) *Server {
	s.t.Helper()
	sentinel := newServer(s.t)
	host, port, _ := net.SplitHostPort(s.Addr)
	_, own, _ := net.SplitHostPort(sentinel.Addr)
	conf := filepath.Join(sentinel.dir, "sentinel.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nport %s\nsentinel monitor %s %s %s 1\n", own, name, host, port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	sentinel.args = []string{conf, "--sentinel"}
	sentinel.Start()
	return sentinel
}

// Stop kills the server, which loses its data.
func (s *Server) Stop() {
	if s.process != nil {
		s.process.Kill()
		s.process = nil
	}
}

// Start starts the server, also after Stop, and waits until it accepts commands.
func (s *Server) Start() {
	s.t.Helper()
	executable, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatalf("these tests need a real redis-server: install it (Debian: apt-get install redis-server): %v", err)
	}
	s.process, err = proc.Start(proc.Command{Executable: executable, Args: s.args, Home: s.dir, LogFile: filepath.Join(s.dir, "redis.log")})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.process.WaitReady(s.t.Context(), s.ping); err != nil {
		s.t.Fatal(err)
	}
}

// ping returns an error unless the server accepts commands.
func (s *Server) ping(context.Context) error {
	reply, err := s.Do("PING")
	if err == nil && reply != "+PONG" && !strings.HasPrefix(reply, "-NOAUTH") {
		err = fmt.Errorf("redis-server replied %q to PING", reply)
	}
	return err
}

// Do sends a command, as one line, and returns the first line of the reply.
func (s *Server) Do(command string) (string, error) {
	conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return "", err
	}
	buffer := make([]byte, 4096)
	n, err := conn.Read(buffer)
	line, _, _ := strings.Cut(string(buffer[:n]), "\r\n")
	return line, err
}

// FreeAddr returns a free loopback address as host:port, reserved for this test until it ends.
func FreeAddr(t testing.TB) string {
	t.Helper()
	var ports proc.Ports
	t.Cleanup(ports.Release)
	port, err := ports.Of("redis-server")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}
