package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/proc"
	"rollcall.dev/rollcall/test/stack"
)

// allReportingTimeout is the timeout for all clusters to report again.
const allReportingTimeout = 3 * time.Minute

// fleet runs hack/fleet with its own hub and master.
type fleet struct {
	env    *environment
	hub    *kube.Cluster
	master *stack.Master
	// certificates is the folder of the master's certificate.
	certificates string
	agents       *exec.Cmd
	// started describes the running agents.
	started clusters
	redis   *proc.Process
	ports   proc.Ports
}

// newFleet starts the hub.
func newFleet(ctx context.Context, env *environment) (*fleet, error) {
	hub, err := kube.Start(ctx, kube.Options{Name: "fleet-hub", Log: env.log})
	if err != nil {
		return nil, err
	}
	return &fleet{env: env, hub: hub}, nil
}

// clusterPath returns the API's path of simulated cluster i.
func clusterPath(i int) string { return fmt.Sprintf("/api/v1/clusters/fleet-%05d", i) }

// clusters describes the simulated clusters of a fleet.
type clusters struct {
	number, containers int
	tls                bool
}

// fullSize returns the fleet of the configured size.
func (f *fleet) fullSize(tls bool) clusters {
	return clusters{f.env.sizes.fleet, f.env.sizes.fleetContainers, tls}
}

// start stops the running fleet and master, starts a fleet and registers it on the hub.
func (f *fleet) start(ctx context.Context, c clusters) error {
	if err := f.stop(ctx); err != nil {
		return err
	}
	if err := f.run(ctx, c, "--tls="+strconv.FormatBool(c.tls)); err != nil {
		return err
	}
	return f.register()
}

// run starts hack/fleet with further flags, and returns when it serves.
func (f *fleet) run(ctx context.Context, c clusters, flags ...string) error {
	executable := filepath.Join(f.env.dir, "bin", "fleet")
	build := exec.CommandContext(ctx, "go", "build", "-o", executable, "./hack/fleet")
	build.Dir = f.env.root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build hack/fleet: %w\n%s", err, out)
	}
	z := f.env.sizes
	f.agents = exec.CommandContext(ctx, executable, append([]string{
		"--agents", strconv.Itoa(c.number), "--containers", strconv.Itoa(c.containers),
		"--first-port", "0", "--usage", "office", "--usage-period", z.sample.String(),
		"--request-period", z.period.String(), "--cache-ttl", (2 * z.period).String(), "--write-registry", f.registry(),
	}, flags...)...)
	f.agents.Stderr = os.Stderr
	f.agents.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := f.agents.StdoutPipe()
	if err != nil {
		return err
	}
	f.env.log("starting hack/fleet with %d agents %s", c.number, strings.Join(flags, " "))
	if err := f.agents.Start(); err != nil {
		return fmt.Errorf("start hack/fleet: %w", err)
	}
	f.started = c
	if line := bufio.NewScanner(out); !line.Scan() {
		return errors.Join(errors.New("hack/fleet exited before it served"), line.Err())
	}
	return nil
}

// registry returns the file to which hack/fleet writes its ClusterAgents.
func (f *fleet) registry() string { return filepath.Join(f.env.dir, "fleet.yaml") }

// register applies the fleet's ClusterAgents to the hub. They replace those of the previous fleet.
func (f *fleet) register() error {
	if err := f.installHub(); err != nil {
		return err
	}
	f.env.log("registering the fleet")
	_, err := f.hub.Kubectl("apply", "--server-side", "--force-conflicts", "-f", f.registry())
	return err
}

// installHub applies the custom resource definitions to the hub.
func (f *fleet) installHub() error {
	if _, err := f.hub.Kubectl("apply", "--server-side", "-k", filepath.Join(f.env.root, "config/crd")); err != nil {
		return err
	}
	_, err := f.hub.Kubectl("wait", "--for=condition=Established", "crd", "clusteragents.rollcall.dev", "clusterstatuses.rollcall.dev")
	return err
}

// startPlainMaster starts a master that serves plain HTTP and accepts agents without TLS.
func (f *fleet) startPlainMaster(ctx context.Context) (err error) {
	f.master, err = f.env.stack.StartMaster(ctx, f.hub, "--insecure")
	return err
}

// startMaster starts a master that accepts agents without TLS.
func (f *fleet) startMaster(ctx context.Context, flags ...string) (err error) {
	if f.certificates, err = os.MkdirTemp(f.env.dir, "fleet-master-"); err != nil {
		return err
	}
	if _, err := f.env.stack.Run(ctx, "rollcall-agent", "certgen", f.certificates); err != nil {
		return err
	}
	f.master, err = f.env.stack.StartMaster(ctx, f.hub, append([]string{
		"--insecure", "--tls-cert-file", f.certificate("tls.crt"), "--tls-key-file", f.certificate("tls.key"),
	}, flags...)...)
	return err
}

// waitAllReporting waits until all clusters report.
func (f *fleet) waitAllReporting(ctx context.Context) error {
	reporting := 0
	for deadline := time.Now().Add(allReportingTimeout); time.Now().Before(deadline); {
		var err error
		if reporting, err = f.reporting(ctx); err != nil {
			return err
		}
		if reporting == f.started.number {
			return nil
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("after %[3]s %[1]d of %[2]d simulated clusters report", reporting, f.started.number, allReportingTimeout)
}

// reporting returns the number of clusters with a session, from the master's metrics: its list
// of clusters would cost more CPU.
func (f *fleet) reporting(ctx context.Context) (int, error) {
	m, err := f.metrics(ctx)
	return int(m[`rollcall_sessions{phase="Reporting"}`]), err
}

// metrics returns the master's metrics by name with labels, as in `name{label="value"}`.
func (f *fleet) metrics(ctx context.Context) (map[string]float64, error) {
	response, err := f.master.Get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	m := map[string]float64{}
	for line := range strings.Lines(string(response.Body)) {
		name, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		if value, err := strconv.ParseFloat(number, 64); err == nil {
			m[name] = value
		}
	}
	if len(m) == 0 {
		return nil, fmt.Errorf("read the master's metrics: no metrics in the response with status %d", response.Status)
	}
	return m, nil
}

// startRedis starts a Redis without persistence and returns its URL.
func (f *fleet) startRedis(ctx context.Context) (string, error) {
	executable, err := exec.LookPath("redis-server")
	if err != nil {
		return "", fmt.Errorf("find redis-server (Debian: apt-get install redis-server): %w", err)
	}
	port, err := f.ports.Of("redis")
	if err != nil {
		return "", err
	}
	f.redis, err = proc.Start(proc.Command{
		Executable: executable, Args: []string{"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--save", "", "--appendonly", "no"},
		Home: f.env.dir, LogFile: filepath.Join(f.env.dir, "logs", "redis.log"),
	})
	if err != nil {
		return "", err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	return "redis://" + address, f.redis.WaitReady(ctx, func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// stopAgents kills hack/fleet.
func (f *fleet) stopAgents() {
	if f.agents == nil || f.agents.Process == nil {
		return
	}
	_ = f.agents.Process.Kill()
	_ = f.agents.Wait()
	f.agents = nil
}

// stop stops the master and the agents.
func (f *fleet) stop(ctx context.Context) (err error) {
	if f.master != nil {
		err = f.master.Stop(ctx)
		f.master = nil
	}
	f.stopAgents()
	return err
}

// close stops the fleet, the hub and Redis.
func (f *fleet) close(ctx context.Context) error {
	err := f.stop(ctx)
	f.hub.Close()
	if f.redis != nil {
		f.redis.Kill()
	}
	f.ports.Release()
	return err
}
