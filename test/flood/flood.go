// Package flood has processes that open many connections to a server and leave them open,
// for tests of what is left for others then. They are the test's own executable, started
// again, so its TestMain has to call Main. They connect from and to loopback addresses
// only. Linux only.
package flood

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// variable names the Attack that a process is to make.
const variable = "ROLLCALL_TEST_FLOOD"

// timeout bounds each step of one connection, and attackTimeout a whole attack.
const (
	timeout       = 10 * time.Second
	attackTimeout = 5 * time.Minute
	// workers is how many connections a process opens at the same time.
	workers = 64
)

// Attack is what one process does.
type Attack struct {
	// Address is attacked, from Sources in turn. All are loopback addresses.
	Address string
	Sources []string
	// Connections is how many are opened, and left open as far as the server leaves them.
	Connections int
	// TLS has each connection make its handshake; Send is sent on it then.
	TLS  bool
	Send string
	// Answered has each connection wait for the first bytes of an answer.
	Answered bool
}

// Made is what came of an Attack.
type Made struct {
	// Opened connections got through to the end of what an Attack does with each; Refused
	// were closed before.
	Opened, Refused int
}

// Main makes the Attack that this process was started for, and ends it; in any other
// process it returns at once.
func Main() {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return
	}
	if err := attack(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func attack(text string) error {
	var a Attack
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return fmt.Errorf("read %s: %w", variable, err)
	}
	if err := a.onLoopback(); err != nil {
		return err
	}
	made, open := a.make()
	if err := json.NewEncoder(os.Stdout).Encode(made); err != nil {
		return err
	}
	// They stay open until the test ends.
	_, _ = io.Copy(io.Discard, os.Stdin)
	for _, c := range open {
		_ = c.Close()
	}
	return nil
}

// onLoopback says whether an Attack leaves this machine.
func (a *Attack) onLoopback() error {
	target, err := netip.ParseAddrPort(a.Address)
	if err != nil || !target.Addr().IsLoopback() {
		return fmt.Errorf("%q is no loopback address and port", a.Address)
	}
	for _, source := range a.Sources {
		if s, err := netip.ParseAddr(source); err != nil || !s.IsLoopback() {
			return fmt.Errorf("%q is no loopback address", source)
		}
	}
	return nil
}

func (a *Attack) make() (made Made, open []net.Conn) {
	var next, opened atomic.Int64
	conns := make([]net.Conn, a.Connections)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(a.Connections); i = next.Add(1) - 1 {
				c, err := a.open(a.Sources[i%int64(len(a.Sources))])
				if err == nil {
					opened.Add(1)
				}
				conns[i] = c
			}
		})
	}
	all.Wait()
	for _, c := range conns {
		if c != nil {
			open = append(open, c)
		}
	}
	n := int(opened.Load())
	return Made{Opened: n, Refused: a.Connections - n}, open
}

// open opens one connection. One that fails after it was connected is returned with the
// error: it may be open still.
func (a *Attack) open(source string) (net.Conn, error) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: timeout}
	c, err := dialer.DialContext(context.Background(), "tcp", a.Address)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return c, err
	}
	speaks := c
	if a.TLS {
		secured := tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		if err := secured.HandshakeContext(context.Background()); err != nil {
			return c, err
		}
		speaks = secured
	}
	if _, err := io.WriteString(speaks, a.Send); err != nil {
		return c, err
	}
	if a.Answered {
		if _, err := speaks.Read(make([]byte, 512)); err != nil {
			return c, err
		}
	}
	return speaks, nil
}

// Attackers are processes that hold connections until the test ends.
type Attackers struct {
	t       testing.TB
	results []chan result
}

type result struct {
	made Made
	err  error
}

// Start starts a process for each Attack, all at the same time.
func Start(t testing.TB, attacks ...Attack) *Attackers {
	t.Helper()
	all := &Attackers{t: t}
	for _, a := range attacks {
		all.results = append(all.results, start(t, a))
	}
	return all
}

func start(t testing.TB, a Attack) chan result {
	t.Helper()
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{variable + "=" + string(text)}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan result, 1)
	var reading sync.WaitGroup
	reading.Go(func() {
		var r result
		line, err := bufio.NewReader(out).ReadBytes('\n')
		if r.err = err; err == nil {
			r.err = json.Unmarshal(line, &r.made)
		}
		done <- r
	})
	t.Cleanup(func() {
		_ = in.Close()
		reading.Wait()
		if err := cmd.Wait(); err != nil {
			t.Errorf("an attacker: %v", err)
		}
	})
	return done
}

// Wait waits until all connections were tried, and returns what came of them.
func (a *Attackers) Wait() Made {
	a.t.Helper()
	var all Made
	over := time.After(attackTimeout)
	for _, r := range a.results {
		select {
		case got := <-r:
			if got.err != nil {
				a.t.Fatalf("an attacker: %v", got.err)
			}
			all.Opened += got.made.Opened
			all.Refused += got.made.Refused
		case <-over:
			a.t.Fatalf("the attackers were not done within %s", attackTimeout)
		}
	}
	return all
}

// Sources returns n addresses of 127.0.0.0/8, of which the first is 127.0.first.1.
func Sources(first, n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("127.0.%d.%d", first, 1+i))
	}
	return all
}

// HTTP opens connections to a server of HTTP over TLS at an address, a third of them in
// each of three ways: without a handshake, with a body that never comes, and idle after
// one answer. It checks that they take no more memory of this process than most, in bytes.
// Each third comes from as many addresses as hosts says; see Sources. They are
// left open until the test ends.
func HTTP(t testing.TB, address string, first, hosts, connections int, most int64) {
	t.Helper()
	before := Memory()
	var attacks []Attack
	for i, send := range []string{"", "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"} {
		attacks = append(attacks, Attack{Address: address, Sources: Sources(first+i, hosts), Connections: connections / 3, TLS: i > 0, Send: send})
	}
	made := Start(t, attacks...).Wait()
	taken := Memory() - before
	t.Logf("%+v, %d MiB taken", made, taken>>20)
	if made.Opened == 0 {
		t.Errorf("%+v: there was no attack", made)
	}
	if taken > most {
		t.Errorf("%d MiB taken, want %d at most", taken>>20, most>>20)
	}
}

// Memory returns how much memory this process has of the system by way of Go: what is
// resident, but for the program itself and what a race detector takes besides.
func Memory() int64 {
	runtime.GC()
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return int64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}
