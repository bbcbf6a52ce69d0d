// Package proc runs child processes for tests, benchmarks and the demo: with a log
// file each, ended with this process whatever way it ends, and on ports of 127.0.0.1
// that no other test takes. Linux only.
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

// Process is one child process. It is in a process group of its own, so that a
// Ctrl-C at the terminal reaches only this process, which then decides the order;
// the kernel kills it when this process dies.
type Process struct {
	Name    string
	LogFile string

	cmd    *exec.Cmd
	ended  chan struct{} // closed when it has ended and was waited for
	result error         // valid once ended is closed
}

// Command says what to run. Its process sees no environment but HOME, PATH and Env.
type Command struct {
	Executable string
	Args       []string
	// LogFile receives what it prints, behind what is there.
	LogFile string
	// Home is its working folder and $HOME.
	Home string
	Env  []string
	// Enter is called on the thread that starts the process, before it does: the process then is in the namespaces which
	// Enter has joined. Whoever made these namespaces sees to it that they end with this process.
	Enter func() error
	// Namespaces are made anew for the process: flags of clone(2), as CLONE_NEWNET.
	Namespaces uintptr
}

// Start starts a process; it does not wait for it to be ready.
func Start(c Command) (*Process, error) {
	name := filepath.Base(c.Executable)
	if err := os.MkdirAll(filepath.Dir(c.LogFile), 0o700); err != nil {
		return nil, fmt.Errorf("make the log folder of %s: %w", name, err)
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
	if c.Enter == nil {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL // in another PID namespace a process takes it that its parent is dead
	}
	p := &Process{Name: name, LogFile: c.LogFile, cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go OnThread(func() (kept bool) {
		err := enterAndStart(c.Enter, cmd)
		started <- err
		if err == nil {
			// The kernel takes the end of this thread for the death of the parent.
			p.result = cmd.Wait()
			close(p.ended)
		}
		return c.Enter == nil
	})
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

func enterAndStart(enter func() error, cmd *exec.Cmd) error {
	if enter != nil {
		if err := enter(); err != nil {
			return fmt.Errorf("enter its namespaces: %w", err)
		}
	}
	return cmd.Start()
}

// OnThread calls f on a thread that runs nothing else meanwhile, so that f may change what belongs to its thread, as
// namespaces do. The thread ends with f unless f returns true, by which it tells that the thread is as it was.
func OnThread(f func() (kept bool)) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The first thread stands for the whole process in /proc, so it keeps its namespaces.
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

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends the process at once and waits until it is gone.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.ended
}

// Stop asks the process to end and waits for it; past the context it is killed. The
// error tells of an exit code that is not 0, or that it had to be killed.
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

// Signal sends a signal; to a process that has ended it does nothing.
func (p *Process) Signal(signal syscall.Signal) { _ = p.cmd.Process.Signal(signal) }

// Freeze halts the process; when it returns, no thread of it runs any more. SIGCONT thaws
// it.
func (p *Process) Freeze() {
	p.Signal(syscall.SIGSTOP)
	_ = unix.Waitid(unix.P_PID, p.PID(), nil, unix.WSTOPPED|unix.WNOWAIT, nil) // one that has ended is not there to wait for
}

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// WaitReady calls probe until it succeeds. It fails early when the process ends, and
// late with the probe's last error.
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

func (p *Process) exitError() error {
	if p.result == nil {
		return errors.New("exit status 0")
	}
	return p.result
}

// Tail is the end of the log, for an error message.
func (p *Process) Tail() string {
	content, err := os.ReadFile(p.LogFile)
	if err != nil {
		return fmt.Sprintf("its log cannot be read: %v", err)
	}
	lines := strings.Split(string(bytes.TrimSpace(content)), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	return fmt.Sprintf("the end of %s:\n%s", p.LogFile, strings.Join(lines, "\n"))
}
