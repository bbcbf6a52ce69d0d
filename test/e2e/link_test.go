package e2e

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/proc"
	"rollcall.dev/rollcall/test/redistest"
	"rollcall.dev/rollcall/test/stack"
)

// way is how an agent reaches its master.
type way struct {
	// flags are those of the agent, and link is spec.link of its ClusterAgent.
	flags []string
	link  string
	// start and stop are those of the proxy in between, or nil.
	start, stop func()
}

// TestAgentsDialTheirMaster starts agents that dial the master directly, through a forward proxy, and through a reverse
// proxy that terminates TLS. Each reports, notices that the proxy was cut off, and reports again.
func TestAgentsDialTheirMaster(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]way{
		"edge-direct":    {flags: []string{"--hub", "wss://" + masterAddress(), "--hub-pin", servedPin(t, masterAddress())}},
		"edge-tinyproxy": forwardProxy(t),
		"edge-nginx":     terminatingProxy(t),
	} {
		t.Run(name, func(t *testing.T) {
			a, err := env.stack.StartAgent(t.Context(), env.member, name, w.flags...)
			if err != nil {
				t.Fatal(err)
			}
			register(t, reverseManifest(a, w.link))
			waitCondition(t, name, "Linked", metav1.ConditionTrue, "LinkOpen")
			if d := getCluster(t, env.master, name); len(d.Nodes) == 0 {
				t.Error("got no nodes")
			}
			if w.stop == nil {
				restartAgent(t, a)
			} else {
				w.stop()
				waitCondition(t, name, "Linked", metav1.ConditionFalse, "NotLinked")
				w.start()
			}
			waitCondition(t, name, "Linked", metav1.ConditionTrue, "LinkOpen")
			kube.Eventually(t, 30*time.Second, func() error {
				d, err := tryGetCluster(t.Context(), env.master, "/api/v1/clusters/"+name)
				if err == nil && d.Stale {
					err = fmt.Errorf("%s is stale", name)
				}
				return err
			})
		})
	}
}

// restartAgent kills an agent, and starts it again.
func restartAgent(t *testing.T, a *stack.Agent) {
	t.Helper()
	a.Kill()
	<-a.Ended()
	waitCondition(t, a.Cluster, "Linked", metav1.ConditionFalse, "NotLinked")
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// reverseManifest returns the ClusterAgent of an agent that dials the master. link is its spec.link in flow style.
func reverseManifest(a *stack.Agent, link string) string {
	return fmt.Sprintf(`apiVersion: rollcall.dev/v1alpha1
kind: ClusterAgent
metadata: {name: %s}
spec:
  connection: Reverse
  tls: {pinnedSHA256: [%s]}
%s`, a.Cluster, a.Pin, link)
}

func masterAddress() string { return strings.TrimPrefix(env.master.URL, "https://") }

// servedPin returns the pin of the key that a server shows.
func servedPin(t *testing.T, address string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return tlsfiles.Pin(conn.ConnectionState().PeerCertificates[0])
}

// forwardProxy starts a proxy that knows CONNECT, through which both ends share one TLS connection.
func forwardProxy(t *testing.T) way {
	t.Helper()
	host, port, err := net.SplitHostPort(redistest.FreeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	_, masterPort, err := net.SplitHostPort(masterAddress())
	if err != nil {
		t.Fatal(err)
	}
	config := writeFile(t, "tinyproxy.conf", fmt.Sprintf("Listen %s\nPort %s\nAllow 127.0.0.0/8\nConnectPort %s\nTimeout 600\n", host, port, masterPort))
	w := proxyProcess(t, net.JoinHostPort(host, port), "tinyproxy", "-d", "-c", config)
	w.flags = []string{"--hub", "wss://" + masterAddress(), "--hub-pin", servedPin(t, masterAddress()), "--hub-proxy", "http://" + net.JoinHostPort(host, port)}
	return w
}

// terminatingProxy starts a proxy with a TLS certificate of its own, to which signatures cannot be bound.
func terminatingProxy(t *testing.T) way {
	t.Helper()
	dir, address := t.TempDir(), redistest.FreeAddr(t)
	pair, err := tlsfiles.SelfSigned("proxy", []string{"127.0.0.1"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := pair.Write(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")); err != nil {
		t.Fatal(err)
	}
	config := writeFile(t, "nginx.conf", fmt.Sprintf(`
daemon off; master_process off; pid %[1]s/nginx.pid; error_log stderr;
events {}
http {
  access_log off; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
  server {
    listen %[2]s ssl; ssl_certificate %[1]s/tls.crt; ssl_certificate_key %[1]s/tls.key; ssl_protocols TLSv1.3;
    location / {
      proxy_pass %[3]s; proxy_http_version 1.1; proxy_read_timeout 1h;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
    }
  }
}
`, dir, address, env.master.URL))
	w := proxyProcess(t, address, "nginx", "-p", dir, "-c", config, "-e", "stderr")
	w.flags = []string{"--hub", "wss://" + address, "--hub-pin", servedPin(t, address), "--channel-binding=off"}
	w.link = "  link: {channelBinding: None}\n"
	return w
}

// proxyProcess starts a proxy, which is killed after the test, and returns how to stop and start it again.
func proxyProcess(t *testing.T, address string, command ...string) (w way) {
	t.Helper()
	executable, err := exec.LookPath(command[0])
	if err != nil {
		t.Fatalf("%v: hack/test.sh installs it", err)
	}
	var running *proc.Process
	w.start = func() {
		t.Helper()
		p, err := proc.Start(proc.Command{Executable: executable, Args: command[1:], LogFile: filepath.Join(t.TempDir(), "log"), Home: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		running = p
		kube.Eventually(t, 10*time.Second, func() error {
			conn, err := net.Dial("tcp", address)
			if err == nil {
				err = conn.Close()
			}
			return err
		})
	}
	w.stop = func() {
		running.Kill()
		<-running.Ended()
	}
	w.start()
	t.Cleanup(func() { w.stop() })
	return w
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
