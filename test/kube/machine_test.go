package kube

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMachineEndsWithAllThatIsInIt(t *testing.T) {
	NeedRealNode(t)
	cluster, err := newCluster(Options{Name: "machine", Binaries: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	program, err := cluster.buildProgram()
	if err != nil {
		t.Fatal(err)
	}
	m, err := startMachine(t.Context(), program, cluster.dir)
	if err != nil {
		t.Fatal(err)
	}
	cluster.node = &Node{Cluster: cluster, machine: m}
	server, err := cluster.runFile(program, "serve", "8080/tcp")
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	inside := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: m.dial}, Timeout: 5 * time.Second}
	for who, try := range map[string]struct {
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
			t.Errorf("a server in the machine, asked from %s: %v", who, err)
		}
	}
	if conn, err := m.dial(t.Context(), "tcp", "192.0.2.1:80"); err == nil {
		conn.Close()
		t.Error("the machine reaches an address outside")
	}
	if _, err := m.output("mount", "-t", "tmpfs", "tmpfs", cluster.dir.path); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Errorf("a mount in the machine is seen outside: %v", err)
	}

	m.init.Kill()
	<-server.Ended()
	cluster.Close()
	if left := cgroupsOf(strings.TrimPrefix(m.cgroup(), "/")); len(left) > 0 {
		t.Errorf("cgroups are left: %v", left)
	}
	if _, err := net.InterfaceByName(m.device()); err == nil {
		t.Error("the network device is left")
	}
}

func TestTheNextMachineRemovesWhatAKilledOneLeft(t *testing.T) {
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
			t.Errorf("cgroup %s is left", folder)
		}
	}
}

func TestARunningMachineIsLeftAlone(t *testing.T) {
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
		t.Errorf("two machines have index %d", next.index)
	}
	for _, folder := range running.cgroups {
		if _, err := os.Stat(folder); err != nil {
			t.Errorf("the cgroup of a running machine: %v", err)
		}
	}
}
