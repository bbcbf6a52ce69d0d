package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// server is a child process that runs serveMain.
type server struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
	address string
	pid     int
}

// startServer starts a server process and waits until it listens.
func startServer(ctx context.Context, flags ...string) (*server, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	s := &server{command: exec.CommandContext(ctx, executable, append([]string{serveCommand}, flags...)...)}
	s.command.Stderr = os.Stderr
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if s.in, err = s.command.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("start a server: %w", err)
	}
	s.out = bufio.NewScanner(out)
	if !s.out.Scan() {
		return nil, errors.Join(errors.New("start a server: it exited before it served"), s.stop())
	}
	s.address, s.pid = s.out.Text(), s.command.Process.Pid
	return s, nil
}

// pair is the master's server and a bare server that sends the same bytes.
type pair struct{ master, bare *server }

// startPair starts both servers. The bare one sends the master's response to path.
func startPair(ctx context.Context, path, encoding string) (p pair, err error) {
	if p.master, err = startServer(ctx); err != nil {
		return p, err
	}
	if p.bare, err = p.master.startBareCopy(ctx, path, encoding); err != nil {
		err = errors.Join(err, p.master.stop())
	}
	return p, err
}

// startBareCopy starts a bare server that sends the same response as this one.
func (s *server) startBareCopy(ctx context.Context, path, encoding string) (*server, error) {
	return startServer(ctx, "-from", "http://"+s.address+path, "-encoding", encoding)
}

// stop kills both servers.
func (p pair) stop() error { return errors.Join(p.master.stop(), p.bare.stop()) }

// send sends a command to the server and waits until it is done.
func (s *server) send(word string) error {
	if _, err := fmt.Fprintln(s.in, word); err != nil {
		return fmt.Errorf("send command %s to a server: %w", word, err)
	}
	if !s.out.Scan() {
		return fmt.Errorf("send command %s to a server: it exited", word)
	}
	return nil
}

// procUsage returns the process's resource usage.
func (s *server) procUsage() (procUsage, error) { return readProcUsage(s.pid) }

// stop kills the process, which closes the connections of its clients.
func (s *server) stop() error {
	_ = s.command.Process.Kill()
	_ = s.in.Close()
	var killed *exec.ExitError
	if err := s.command.Wait(); err != nil && !errors.As(err, &killed) {
		return fmt.Errorf("stop a server: %w", err)
	}
	return nil
}
