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

// server is a process of serveCommand.
type server struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
	address string
	pid     int
}

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
		return nil, errors.Join(errors.New("a server has ended before it served"), s.end())
	}
	s.address, s.pid = s.out.Text(), s.command.Process.Pid
	return s, nil
}

// pair is the master's server and a bare server that sends the same bytes.
type pair struct{ ours, bare *server }

func startPair(ctx context.Context, path, encoding string) (p pair, err error) {
	if p.ours, err = startServer(ctx); err != nil {
		return p, err
	}
	if p.bare, err = p.ours.imitate(ctx, path, encoding); err != nil {
		err = errors.Join(err, p.ours.end())
	}
	return p, err
}

// imitate starts a bare server that sends the same response as this one.
func (s *server) imitate(ctx context.Context, path, encoding string) (*server, error) {
	return startServer(ctx, "-from", "http://"+s.address+path, "-encoding", encoding)
}

func (p pair) end() error { return errors.Join(p.ours.end(), p.bare.end()) }

// say sends a command to the server and waits until it is done.
func (s *server) say(word string) error {
	if _, err := fmt.Fprintln(s.in, word); err != nil {
		return fmt.Errorf("tell a server to %s: %w", word, err)
	}
	if !s.out.Scan() {
		return fmt.Errorf("tell a server to %s: it has ended", word)
	}
	return nil
}

func (s *server) taken() (taken, error) { return takenBy(s.pid) }

// end lets the server end, which drops whoever is still there.
func (s *server) end() error {
	_ = s.command.Process.Kill()
	_ = s.in.Close()
	var killed *exec.ExitError
	if err := s.command.Wait(); err != nil && !errors.As(err, &killed) {
		return fmt.Errorf("end a server: %w", err)
	}
	return nil
}
