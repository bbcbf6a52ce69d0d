// Package proc runs child processes for tests, benchmarks and the demo. Each has a log file,
// is killed when this process ends in any way, and can use ports of 127.0.0.1 that no other
// test uses. Linux only.
package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	readyTimeout  = time.Minute
	probeInterval = 50 * time.Millisecond
	tailLines     = 25
)

// Process is a child process. It has a process group of its own, so that Ctrl-C at the
// terminal reaches only this process, which then ends its children in order. The kernel
// kills it when this process dies.
type Process struct {
	Name    string
	LogFile string

	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process has ended and was waited for
	result error         // valid once ended is closed
}

// Command describes a process. Its environment is only HOME, PATH and Env.
type Command struct {
	Executable string
	Args       []string
	// LogFile is appended with the output of the process.
	LogFile string
	// Home is the working directory and $HOME.
	Home string
	Env  []string
	// JoinNamespaces, if it is not nil, is called on the thread that starts the process, so that the process runs in the
	// namespaces that it joins. The caller must make sure that these namespaces end with this process.
	JoinNamespaces func() error
	// Namespaces are new namespaces for the process: flags of clone(2) such as CLONE_NEWNET.
	Namespaces uintptr
}

// Start starts a process. It does not wait until it is ready.
func Start(c Command) (*Process, error) {
	name := filepath.Base(c.Executable)
	if err := os.MkdirAll(filepath.Dir(c.LogFile), 0o700); err != nil {
		return nil, fmt.Errorf("create the log directory of %s: %w", name, err)
	}
	log, err := os.OpenFile(c.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	defer log.Close()

	cmd := exec.Command(c.Executable, c.Args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.Home, log, log
	cmd.Env = append([]string{"HOME=" + c.Home, "PATH=" + os.Getenv("PATH")}, c.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Cloneflags: c.Namespaces}
	if c.JoinNamespaces == nil {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL // in another PID namespace the process would find its parent dead
	}
	p := &Process{Name: name, LogFile: c.LogFile, cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go OnThread(func() (unchanged bool) {
		err := joinAndStart(c.JoinNamespaces, cmd)
		started <- err
		if err == nil {
			// Pdeathsig is sent when this thread ends, so it has to wait.
			p.result = cmd.Wait()
			close(p.ended)
		}
		return c.JoinNamespaces == nil
	})
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// joinAndStart calls join, if it is not nil, and starts the command.
func joinAndStart(join func() error, cmd *exec.Cmd) error {
	if join != nil {
		if err := join(); err != nil {
			return fmt.Errorf("enter its namespaces: %w", err)
		}
	}
	return cmd.Start()
}

// OnThread calls f on an OS thread that runs nothing else, so that f may change the state of the thread, such as its
// namespaces. The thread ends with f, unless f returns true to report that it has left the thread unchanged.
func OnThread(f func() (unchanged bool)) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// /proc shows the namespaces of the first thread as those of the process, so it must keep them.
			OnThread(f)
			runtime.UnlockOSThread()
			return
		}
		if f() {
			runtime.UnlockOSThread()
		}
	}()
	<-ended
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill sends SIGKILL, and waits until the process has ended.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.ended
}

// Stop sends SIGTERM, and waits until the process has ended. When ctx ends first, it kills
// the process and returns an error. A nonzero exit code is an error too.
func (p *Process) Stop(ctx context.Context) error {
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("stop %s: it did not end in time; %s", p.Name, p.Tail())
	}
	if p.result != nil {
		return fmt.Errorf("stop %s: %w; %s", p.Name, p.result, p.Tail())
	}
	return nil
}

// Signal sends a signal. It does nothing if the process has ended.
func (p *Process) Signal(signal syscall.Signal) { _ = p.cmd.Process.Signal(signal) }

// Freeze sends SIGSTOP, and returns once all threads of the process have stopped. SIGCONT
// continues it.
func (p *Process) Freeze() {
	p.Signal(syscall.SIGSTOP)
	_ = unix.Waitid(unix.P_PID, p.PID(), nil, unix.WSTOPPED|unix.WNOWAIT, nil) // fails if the process has ended
}

// Ended returns a channel that is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// WaitReady calls probe until it returns nil. It returns an error if the process ends, or
// after a minute or at the end of ctx, with the last error of probe.
func (p *Process) WaitReady(ctx context.Context, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended (%w); %s", p.Name, p.exitError(), p.Tail())
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (last try: %w); %s", p.Name, context.Cause(ctx), err, p.Tail())
		case <-ticker.C:
		}
	}
}

// exitError returns the error of a process that has ended; exit status 0 counts as an error.
func (p *Process) exitError() error {
	if p.result == nil {
		return errors.New("exit status 0")
	}
	return p.result
}

// Tail returns the last 25 lines of the log, for an error message.
func (p *Process) Tail() string {
	content, err := os.ReadFile(p.LogFile)
	if err != nil {
		return fmt.Sprintf("read its log: %v", err)
	}
	lines := strings.Split(string(bytes.TrimSpace(content)), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	return fmt.Sprintf("the end of %s:\n%s", p.LogFile, strings.Join(lines, "\n"))
}
