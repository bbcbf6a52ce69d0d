package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// pollerUser is a poller's name in the audit log. It may do everything.
const pollerUser, administrators = "poller", "system:masters"

// polled is what a poller was seen to cost.
type polled struct {
	// bytes are from the API server, of one poll.
	bytes int64
	// requests are those of one poll.
	requests int
	// cpu and serverCPU are shares of a core while it polls, its own and the API
	// server's; peak is its memory, serverPeak the API server's.
	cpu, serverCPU   float64
	peak, serverPeak int64
}

// pollFor runs a poller of a cluster for some polls. The first one is not looked at: it
// has the connection's beginning in it.
func (w *world) pollFor(ctx context.Context, c *played, zipped bool, polls int) (p polled, err error) {
	through, err := pollerKubeconfig(c)
	if err != nil {
		return p, err
	}
	defer through.forwarder.close()
	if err := forgetPeak(c.APIServerPID()); err != nil {
		return p, err
	}
	child, err := w.startPoller(ctx, through.kubeconfig, zipped)
	if err != nil {
		return p, err
	}
	defer child.stop()
	if err := child.next(); err != nil {
		return p, err
	}
	before, serverBefore, err := takenByBoth(child.cmd.Process.Pid, c.APIServerPID())
	if err != nil {
		return p, err
	}
	var sizes []int64
	for range polls {
		sofar := through.forwarder.down.Load()
		if err := child.next(); err != nil {
			return p, err
		}
		sizes = append(sizes, through.forwarder.down.Load()-sofar)
	}
	after, serverAfter, err := takenByBoth(child.cmd.Process.Pid, c.APIServerPID())
	if err != nil {
		return p, err
	}
	requests, err := c.AuditFor(pollerUser, before.at)
	if err != nil {
		return p, err
	}
	return polled{
		bytes: median(sizes), requests: len(requests) / polls, cpu: after.share(before), serverCPU: serverAfter.share(serverBefore), peak: after.peak, serverPeak: serverAfter.peak,
	}, nil
}

func takenByBoth(a, b int) (ofA, ofB taken, err error) {
	ofA, errA := takenBy(a)
	ofB, errB := takenBy(b)
	return ofA, ofB, errors.Join(errA, errB)
}

// counted is a kubeconfig that leads through a forwarder.
type counted struct {
	forwarder  *forwarder
	kubeconfig string
}

func pollerKubeconfig(c *played) (counted, error) {
	_, kubeconfig, err := c.User(pollerUser, administrators)
	if err != nil {
		return counted{}, err
	}
	f, err := forward(strings.TrimPrefix(c.Config().Host, "https://"))
	if err != nil {
		return counted{}, err
	}
	path, err := through(f, kubeconfig)
	if err != nil {
		f.close()
	}
	return counted{f, path}, err
}

// pollerProcess is this program as a poller.
type pollerProcess struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func (w *world) startPoller(ctx context.Context, kubeconfig string, zipped bool) (*pollerProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, pollCommand, "-kubeconfig", kubeconfig, "-every", w.sizes.period.String(), fmt.Sprintf("-gzip=%t", zipped))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a poller: %w", err)
	}
	return &pollerProcess{cmd: cmd, lines: bufio.NewScanner(out)}, nil
}

// next waits for the end of a poll.
func (p *pollerProcess) next() error {
	if p.lines.Scan() {
		return nil
	}
	return errors.Join(errors.New("the poller has ended"), p.lines.Err())
}

// stop kills it, if it has not ended.
func (p *pollerProcess) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}
