// Package flood starts processes that open many connections to a server and keep them open, for tests of memory and of
// connection limits. The processes run the test's own executable, so its TestMain has to call Main. They connect from
// and to loopback addresses only. The package works on Linux only.
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

// attackVariable is the environment variable with the Attack of a process, as JSON.
const attackVariable = "ROLLCALL_TEST_FLOOD"

const (
	// timeout is the timeout of each step of one connection.
	timeout = 10 * time.Second
	// attackTimeout is the timeout of a whole attack.
	attackTimeout = 5 * time.Minute
	// workers is the number of connections that a process opens at the same time.
	workers = 64
)

// Attack describes the connections of one process.
type Attack struct {
	// Address is the target, Sources the source addresses, used in turn. All are loopback addresses.
	Address string
	Sources []string
	// Connections is the number of connections. They stay open unless the server closes them.
	Connections int
	// TLS makes each connection start with a handshake. Send is then sent on it.
	TLS  bool
	Send string
	// AwaitResponse makes each connection wait for the first bytes of a response.
	AwaitResponse bool
}

// Result is the result of an Attack.
type Result struct {
	// Opened counts the connections on which all steps succeeded, Refused the others.
	Opened, Refused int
}

// Main runs the Attack of this process and exits. In a process without an Attack it returns immediately.
func Main() {
	text, ok := os.LookupEnv(attackVariable)
	if !ok {
		return
	}
	if err := attack(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// attack runs an Attack, prints its result, and keeps the connections open until standard input is closed.
func attack(text string) error {
	var a Attack
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return fmt.Errorf("read %s: %w", attackVariable, err)
	}
	if err := a.checkLoopback(); err != nil {
		return err
	}
	result, open := a.run()
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		return err
	}
	// Keep the connections open until the test ends.
	_, _ = io.Copy(io.Discard, os.Stdin)
	for _, c := range open {
		_ = c.Close()
	}
	return nil
}

// checkLoopback returns an error if the Attack would use the network.
func (a *Attack) checkLoopback() error {
	target, err := netip.ParseAddrPort(a.Address)
	if err != nil || !target.Addr().IsLoopback() {
		return fmt.Errorf("%q is not a loopback address with a port", a.Address)
	}
	for _, source := range a.Sources {
		if s, err := netip.ParseAddr(source); err != nil || !s.IsLoopback() {
			return fmt.Errorf("%q is not a loopback address", source)
		}
	}
	return nil
}

// run opens all connections and returns those that may still be open.
func (a *Attack) run() (result Result, open []net.Conn) {
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
	return Result{Opened: n, Refused: a.Connections - n}, open
}

// open opens one connection. A connection that fails after it was established is returned with the
// error, since it may still be open.
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
	if a.AwaitResponse {
		if _, err := speaks.Read(make([]byte, 512)); err != nil {
			return c, err
		}
	}
	return speaks, nil
}

// Attackers are processes that keep connections open until the test ends.
type Attackers struct {
	t       testing.TB
	results []chan result
}

// result is the result of one process.
type result struct {
	result Result
	err    error
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

// start starts a process for one Attack.
func start(t testing.TB, a Attack) chan result {
	t.Helper()
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{attackVariable + "=" + string(text)}
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
			r.err = json.Unmarshal(line, &r.result)
		}
		done <- r
	})
	t.Cleanup(func() {
		_ = in.Close()
		reading.Wait()
		if err := cmd.Wait(); err != nil {
			t.Errorf("attacker: %v", err)
		}
	})
	return done
}

// Wait waits until all connections have been tried, and returns the sum of the results.
func (a *Attackers) Wait() Result {
	a.t.Helper()
	var all Result
	deadline := time.After(attackTimeout)
	for _, r := range a.results {
		select {
		case got := <-r:
			if got.err != nil {
				a.t.Fatalf("attacker: %v", got.err)
			}
			all.Opened += got.result.Opened
			all.Refused += got.result.Refused
		case <-deadline:
			a.t.Fatalf("the attackers did not finish within %s", attackTimeout)
		}
	}
	return all
}

// Sources returns n addresses of 127.0.0.0/8, starting with 127.0.first.1.
func Sources(first, n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("127.0.%d.%d", first, 1+i))
	}
	return all
}

// HTTP opens connections to a server of HTTP over TLS. A third of them are without a handshake, a third send a request
// without its body, and a third are idle after one response. Each third uses as many source addresses as hosts says;
// see Sources. They stay open until the test ends. HTTP fails the test if they increase the memory of this process by
// more than maxGrowth bytes.
func HTTP(t testing.TB, address string, first, hosts, connections int, maxGrowth int64) {
	t.Helper()
	before := Memory()
	var attacks []Attack
	for i, send := range []string{"", "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"} {
		attacks = append(attacks, Attack{Address: address, Sources: Sources(first+i, hosts), Connections: connections / 3, TLS: i > 0, Send: send})
	}
	result := Start(t, attacks...).Wait()
	growth := Memory() - before
	t.Logf("%+v, memory grew by %d MiB", result, growth>>20)
	if result.Opened == 0 {
		t.Errorf("got %+v, want some open connections", result)
	}
	if growth > maxGrowth {
		t.Errorf("memory grew by %d MiB, want at most %d", growth>>20, maxGrowth>>20)
	}
}

// Memory returns the memory in bytes that Go's runtime has from the system. It does not count the
// program itself and the memory of the race detector.
func Memory() int64 {
	runtime.GC()
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return int64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}
