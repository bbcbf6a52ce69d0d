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

// pollerUser is a poller's name in the audit log, and administrators its group, which may do everything.
const pollerUser, administrators = "poller", "system:masters"

// pollerFigures is what a poller costs.
type pollerFigures struct {
	// bytes is the number of bytes from the API server in one poll.
	bytes int64
	// requests is the number of requests in one poll.
	requests int
	// cpu and serverCPU are the shares of a core that the poller and the API server use; peak and serverPeak
	// are their peak memory in bytes.
	cpu, serverCPU   float64
	peak, serverPeak int64
}

// measurePoller runs a poller for some polls and measures it. The first poll is not counted, since it
// includes opening the connection.
func (env *environment) measurePoller(ctx context.Context, c *kwokCluster, zipped bool, polls int) (p pollerFigures, err error) {
	forwarded, err := pollerKubeconfig(c)
	if err != nil {
		return p, err
	}
	defer forwarded.forwarder.close()
	if err := resetPeak(c.APIServerPID()); err != nil {
		return p, err
	}
	child, err := env.startPoller(ctx, forwarded.kubeconfig, zipped)
	if err != nil {
		return p, err
	}
	defer child.stop()
	if err := child.waitPoll(); err != nil {
		return p, err
	}
	before, serverBefore, err := readBothProcUsages(child.cmd.Process.Pid, c.APIServerPID())
	if err != nil {
		return p, err
	}
	var sizes []int64
	for range polls {
		bytesBefore := forwarded.forwarder.down.Load()
		if err := child.waitPoll(); err != nil {
			return p, err
		}
		sizes = append(sizes, forwarded.forwarder.down.Load()-bytesBefore)
	}
	after, serverAfter, err := readBothProcUsages(child.cmd.Process.Pid, c.APIServerPID())
	if err != nil {
		return p, err
	}
	requests, err := c.AuditFor(pollerUser, before.at)
	if err != nil {
		return p, err
	}
	return pollerFigures{
		bytes: median(sizes), requests: len(requests) / polls, cpu: after.cpuShare(before), serverCPU: serverAfter.cpuShare(serverBefore), peak: after.peak, serverPeak: serverAfter.peak,
	}, nil
}

// readBothProcUsages reads the resource usage of two processes.
func readBothProcUsages(a, b int) (ofA, ofB procUsage, err error) {
	ofA, errA := readProcUsage(a)
	ofB, errB := readProcUsage(b)
	return ofA, ofB, errors.Join(errA, errB)
}

// forwardedKubeconfig is a kubeconfig that connects forwarded a forwarder.
type forwardedKubeconfig struct {
	forwarder  *forwarder
	kubeconfig string
}

// pollerKubeconfig creates the poller's user and returns its kubeconfig. The caller closes the forwarder.
func pollerKubeconfig(c *kwokCluster) (forwardedKubeconfig, error) {
	_, kubeconfig, err := c.User(pollerUser, administrators)
	if err != nil {
		return forwardedKubeconfig{}, err
	}
	f, err := newForwarder(strings.TrimPrefix(c.Config().Host, "https://"))
	if err != nil {
		return forwardedKubeconfig{}, err
	}
	path, err := writeForwardedKubeconfig(f, kubeconfig)
	if err != nil {
		f.close()
	}
	return forwardedKubeconfig{f, path}, err
}

// pollerProcess is a child process that runs pollMain.
type pollerProcess struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

// startPoller starts a poller process.
func (env *environment) startPoller(ctx context.Context, kubeconfig string, zipped bool) (*pollerProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, pollCommand, "-kubeconfig", kubeconfig, "-every", env.sizes.period.String(), fmt.Sprintf("-gzip=%t", zipped))
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

// waitPoll waits until a poll is done.
func (p *pollerProcess) waitPoll() error {
	if p.lines.Scan() {
		return nil
	}
	return errors.Join(errors.New("wait for a poll: the poller exited"), p.lines.Err())
}

// stop kills the process and waits for it.
func (p *pollerProcess) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}
