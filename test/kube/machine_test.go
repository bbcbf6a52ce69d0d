package kube

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"rollcall.dev/rollcall/test/proc"
)

func TestMachineEndsWithAllItsProcesses(t *testing.T) {
	NeedRealNode(t)
	cluster, err := newCluster(Options{Name: "machine", Binaries: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	program, m, server := serveOn(t, cluster)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	inside := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&Node{machine: m}).Dial}, Timeout: 5 * time.Second}
	for from, try := range map[string]struct {
		client *http.Client
		url    string
	}{
		"this host":           {client, "http://" + m.address + ":8080/"},
		"inside, at loopback": {inside, "http://127.0.0.1:8080/"},
	} {
		err := server.WaitReady(t.Context(), func(context.Context) error {
			response, err := try.client.Get(try.url)
			if err == nil {
				response.Body.Close()
			}
			return err
		})
		if err != nil {
			t.Errorf("get from a server in the machine, from %s: %v", from, err)
		}
	}
	if conn, err := m.dial(t.Context(), nil, "tcp", "192.0.2.1:80"); err == nil {
		conn.Close()
		t.Error("dial an address outside of the machine: got no error")
	}
	if _, err := m.output("mount", "-t", "tmpfs", "tmpfs", cluster.dir.path); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Errorf("a mount in the machine is visible on the host: %v", err)
	}

	m.init.Kill()
	<-server.Ended()
	cluster.Close()
	if left := cgroupsOf(strings.TrimPrefix(m.cgroup(), "/")); len(left) > 0 {
		t.Errorf("cgroups still exist: %v", left)
	}
	if _, err := net.InterfaceByName(m.device()); err == nil {
		t.Error("the network device still exists")
	}
}

func TestNextMachineCleansUpAfterAKilledOne(t *testing.T) {
	NeedRealNode(t)
	killed, err := reserveMachine()
	if err != nil {
		t.Fatal(err)
	}
	if err := killed.makeCgroups(); err != nil {
		t.Fatal(err)
	}
	pod := filepath.Join(killed.cgroups[0], "kubepods", "pod1")
	if err := os.MkdirAll(pod, 0o755); err != nil {
		t.Fatal(err)
	}
	killed.reserved.Close() // as the kernel does for a process that was killed

	next, err := reserveMachine()
	if err != nil {
		t.Fatal(err)
	}
	defer next.close()
	for _, folder := range killed.cgroups {
		if _, err := os.Stat(folder); err == nil {
			t.Errorf("cgroup %s still exists", folder)
		}
	}
}

func TestNextMachineDoesNotTouchARunningOne(t *testing.T) {
	NeedRealNode(t)
	running, err := reserveMachine()
	if err != nil {
		t.Fatal(err)
	}
	defer running.close()
	if err := running.makeCgroups(); err != nil {
		t.Fatal(err)
	}
	next, err := reserveMachine()
	if err != nil {
		t.Fatal(err)
	}
	defer next.close()
	if next.index == running.index {
		t.Errorf("got index %d for two machines", next.index)
	}
	for _, folder := range running.cgroups {
		if _, err := os.Stat(folder); err != nil {
			t.Errorf("the cgroup of a running machine: %v", err)
		}
	}
}

// TestMachineEndsWithItsProcess kills a process that has a machine, and checks that nothing remains.
func TestMachineEndsWithItsProcess(t *testing.T) {
	NeedRealNode(t)
	if os.Getenv(machineHelper) != "" {
		runMachineHelper(t)
		return
	}
	helper := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	helper.Env = append(os.Environ(), machineHelper+"=1")
	stdout, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	defer helper.Wait()
	defer helper.Process.Kill()
	var address, pid, device string
	if _, err := fmt.Fscanln(stdout, &address, &pid, &device); err != nil {
		t.Fatalf("read the helper's output: %v", err)
	}
	if err := probeHTTP(t.Context(), "http://"+address+":8080/"); err != nil {
		t.Fatal(err)
	}
	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait()

	dir := newTestWorkdir(t) // removes the folder of the killed process
	defer dir.remove()
	m, err := reserveMachine()
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	for what, left := range map[string]func() bool{
		"a process":   func() bool { _, err := os.Stat("/proc/" + pid); return err == nil },
		"the network": func() bool { _, err := net.InterfaceByName(device); return err == nil && device != m.device() },
		"a cgroup":    func() bool { return len(cgroupsOf(cgroupPrefix+"*-"+fmt.Sprint(helper.Process.Pid))) > 0 },
		"a folder": func() bool {
			found, _ := filepath.Glob(filepath.Join(os.TempDir(), workdirPrefix+"killed-*"))
			return len(found) > 0
		},
	} {
		if err := waitFor(t, func() bool { return !left() }); err != nil {
			t.Errorf("the killed process: %s still exists: %v", what, err)
		}
	}
}

// machineHelper is the environment variable that makes a test process start a machine and wait.
const machineHelper = "ROLLCALL_TEST_MACHINE_HELPER"

// serveOn starts a machine as the cluster's node, and a server on port 8080 in it. It
// also returns the path of the server's program.
func serveOn(t *testing.T, cluster *Cluster) (program string, m *machine, server *proc.Process) {
	t.Helper()
	program, err := cluster.buildProgram()
	if err != nil {
		t.Fatal(err)
	}
	m, err = startMachine(t.Context(), program, cluster.dir)
	if err != nil {
		t.Fatal(err)
	}
	cluster.node = &Node{Cluster: cluster, machine: m}
	server, err = cluster.runFile(program, "serve", "8080/tcp")
	if err != nil {
		t.Fatal(err)
	}
	return program, m, server
}

// runMachineHelper starts a machine with a server, prints its address, and waits to be killed.
func runMachineHelper(t *testing.T) {
	cluster, err := newCluster(Options{Name: "killed", Binaries: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	_, m, server := serveOn(t, cluster)
	err = server.WaitReady(t.Context(), func(ctx context.Context) error { return probeHTTP(ctx, "http://"+m.address+":8080/") })
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(m.address, server.PID(), m.device())
	select {}
}

func newTestWorkdir(t *testing.T) *workdir {
	t.Helper()
	dir, err := newWorkdir("", "test")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// waitFor waits up to 10 s for a condition: the kernel cleans up after a killed process asynchronously.
func waitFor(t *testing.T, condition func() bool) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(context.Context) (bool, error) { return condition(), nil })
}

// outcome is a testing.TB that records how a test was ended.
type outcome struct {
	testing.TB
	skipped, failed string
}

func (o *outcome) Helper()                           {}
func (o *outcome) Skipf(format string, args ...any)  { o.skipped = fmt.Sprintf(format, args...) }
func (o *outcome) Fatalf(format string, args ...any) { o.failed = fmt.Sprintf(format, args...) }

func TestMissingRequirementsSkipTestsButFailInCI(t *testing.T) {
	t.Setenv("PATH", "")
	t.Setenv("CI", "")
	var here outcome
	NeedRealNode(&here)
	if here.failed != "" || !strings.Contains(here.skipped, "root") && !strings.Contains(here.skipped, "apt-get install containerd") {
		t.Errorf("got skipped with %q, failed with %q; want skipped, with the reason", here.skipped, here.failed)
	}
	t.Setenv("CI", "true")
	var ci outcome
	NeedRealNode(&ci)
	if ci.skipped != "" || ci.failed != here.skipped {
		t.Errorf("in CI: got skipped with %q, failed with %q; want failed with %q", ci.skipped, ci.failed, here.skipped)
	}
}
