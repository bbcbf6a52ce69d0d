// Package redistest runs real Redis servers for tests: on free ports of the
// loopback interface, without a trace on disk, ended with the test.
package redistest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is one redis-server.
type Server struct {
	// Addr is where it listens, host:port.
	Addr string

	t    testing.TB
	args []string
	cmd  *exec.Cmd
	out  *bytes.Buffer
}

// Start runs a server until the test ends. Further arguments are redis-server's.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := Prepare(t, args...)
	s.Start()
	return s
}

// Prepare is a server that does not run yet.
func Prepare(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, Addr: FreeAddr(t)}
	_, port, _ := net.SplitHostPort(s.Addr)
	s.args = append([]string{"--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", t.TempDir(), "--daemonize", "no"}, args...)
	t.Cleanup(s.Stop)
	return s
}

// URL is what reaches the server.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Start runs the server and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	s.run(append([]string{}, s.args...)...)
}

// Sentinel runs a sentinel that watches the server under a name.
func (s *Server) Sentinel(name string) *Server {
	s.t.Helper()
	sentinel := &Server{t: s.t, Addr: FreeAddr(s.t)}
	host, port, _ := net.SplitHostPort(s.Addr)
	_, own, _ := net.SplitHostPort(sentinel.Addr)
	conf := filepath.Join(s.t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nport %s\nsentinel monitor %s %s %s 1\n", own, name, host, port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(sentinel.Stop)
	sentinel.run(conf, "--sentinel")
	return sentinel
}

// Stop kills the server; what it held is lost.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

func (s *Server) run(args ...string) {
	s.t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatalf("these tests need a real redis-server: install it (Debian: apt-get install redis-server): %v", err)
	}
	s.out = &bytes.Buffer{}
	s.cmd = exec.Command(binary, args...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("start redis-server: %v", err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for !s.answers() {
		if time.Now().After(deadline) {
			s.Stop()
			s.t.Fatalf("redis-server %s does not answer:\n%s", strings.Join(args, " "), s.out)
		}
	}
}

// answers says whether the server takes commands; it waits a little if not.
func (s *Server) answers() bool {
	reply, err := s.Do("PING")
	if err == nil && (reply == "+PONG" || strings.HasPrefix(reply, "-NOAUTH")) {
		return true
	}
	<-time.After(5 * time.Millisecond)
	return false
}

// Do sends one command as a line and gives the first line of the answer.
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

// FreeAddr is an address of the loopback interface on which nothing listens.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
