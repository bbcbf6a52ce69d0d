package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"rollcall.dev/rollcall/test/client/kubelet"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/stack"
)

// kubectlUser runs commands as a user who has kubectl, the plugin and a kubeconfig of the hub. env is the whole
// environment.
type kubectlUser struct {
	t    *testing.T
	home string
	env  []string
}

// installPlugin builds the plugin, and installs it with the commands of docs/KUBECTL.md.
func installPlugin(t *testing.T, hub *kube.Cluster) *kubectlUser {
	t.Helper()
	binaries, err := kube.Binaries()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	p := &kubectlUser{t: t, home: home, env: []string{"HOME=" + home, "KUBECONFIG=" + hub.Kubeconfig, "PATH=" + home + "/.local/bin:" + binaries + ":" + os.Getenv("PATH")}}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(home, "bin")+"/", "./cmd/kubectl-rollcall")
	build.Dir = repository
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, command := range commands(t, "Installation") {
		if command == "make build" {
			continue // the plugin is built already
		}
		if out, err := p.run(command); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	return p
}

// commands returns the commands in a section of docs/KUBECTL.md.
func commands(t *testing.T, section string) []string {
	t.Helper()
	var all []string
	for _, block := range blocks(readDoc(t, "docs/KUBECTL.md"), section) {
		if text, ok := strings.CutPrefix(block, "sh\n"); ok {
			all = append(all, strings.Split(strings.TrimSpace(text), "\n")...)
		}
	}
	if len(all) == 0 {
		t.Fatalf("docs/KUBECTL.md: no commands in section %q", section)
	}
	return all
}

// watchedOutput is the output of a command. begun is closed when it begins.
type watchedOutput struct {
	bytes.Buffer
	once  sync.Once
	begun chan struct{}
}

func (w *watchedOutput) Write(p []byte) (int, error) {
	defer w.once.Do(func() { close(w.begun) })
	return w.Buffer.Write(p)
}

// run runs a command in a shell and returns its output. A command with -w is interrupted with SIGINT two seconds after
// its output has begun.
func (p *kubectlUser) run(command string) (string, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	out := &watchedOutput{begun: make(chan struct{})}
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+command)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.home, p.env, out, out
	watches := strings.Contains(command, " -w")
	if watches {
		go func() {
			select {
			case <-out.begun:
				<-time.After(2 * time.Second)
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	err := cmd.Run()
	if watches && cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 130 {
		err = nil
	}
	return out.String(), err
}

// must is like run, and fails the test if the command fails.
func (p *kubectlUser) must(command string) string {
	p.t.Helper()
	out, err := p.run(command)
	if err != nil {
		p.t.Errorf("%s: %v\n%s", command, err, out)
	}
	return out
}

func TestKubectlRollcall(t *testing.T) {
	t.Parallel()
	hub, master := startHub(t, "--auth", "kubernetes")
	for _, name := range []string{"prod-eu", "prod-us"} {
		a, err := env.stack.StartAgent(t.Context(), env.member, name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := hub.KubectlInput(a.Manifest(""), "apply", "-f", "-"); err != nil {
			t.Fatal(err)
		}
	}
	p := installPlugin(t, hub)
	registerMasterPod(t, hub, master)
	kube.Eventually(t, 20*time.Second, func() error {
		out, err := p.run("kubectl rollcall nodes --no-headers")
		if err == nil && !strings.Contains(out, "prod-us") {
			err = fmt.Errorf("no nodes of prod-us yet:\n%s", out)
		}
		return err
	})
	t.Run("port-forward and --server show the same pods as kubectl", func(t *testing.T) {
		want, err := env.member.Kubectl("get", "pods", "-n", "shop", "-o", "custom-columns=:.metadata.name,:.spec.nodeName", "--no-headers")
		if err != nil {
			t.Fatal(err)
		}
		for _, how := range []string{"", " --server " + master.URL + " --insecure-skip-tls-verify"} {
			kube.Eventually(t, 20*time.Second, func() error {
				got := p.must("kubectl rollcall pods prod-eu -n shop --no-headers -o custom-columns=:.metadata.name,:.status.node" + how)
				if got != want {
					return fmt.Errorf("with%q: got\n%swant\n%s", how, got, want)
				}
				return nil
			})
		}
	})
	t.Run("ports shows the owner of a port", func(t *testing.T) {
		out, err := env.member.Kubectl("get", "service", "-n", "shop", "web", "-o", "jsonpath={.spec.ports[0].nodePort}/{.spec.ports[0].protocol}")
		if err != nil {
			t.Fatal(err)
		}
		port, protocol, _ := strings.Cut(out, "/")
		if got := p.must("kubectl rollcall ports prod-eu --port " + port + " --protocol " + protocol); !strings.Contains(got, "service/web") || !strings.Contains(got, out) {
			t.Errorf("port %s: got %s, want service/web", out, got)
		}
		if got := p.must("kubectl rollcall ports --port 32767 --protocol SCTP"); strings.Count(got, "32767/SCTP is free on prod-") != 2 {
			t.Errorf("a free port: got %s, want it free on both clusters", got)
		}
	})
	t.Run("every command of docs/KUBECTL.md works", func(t *testing.T) {
		for _, section := range []string{"List", "Find out what uses a port", "Watch", "Collect what helps to find a fault", "Output for programs"} {
			for _, command := range commands(t, section) {
				out := p.must(command)
				t.Logf("$ %s\n%s", command, out)
				if strings.TrimSpace(out) == "" {
					t.Errorf("%s: got no output", command)
				}
			}
		}
	})
	t.Run("kubectl completes the names of clusters", func(t *testing.T) {
		if out := p.must("kubectl __complete rollcall pods prod"); !strings.Contains(out, "\nprod-eu\nprod-us\n:4\n") {
			t.Errorf("got %s", out)
		}
	})
	t.Run("credentials of an exec plugin work for the master", func(t *testing.T) {
		kubeconfig := execKubeconfig(t, hub)
		// RBAC changes take a moment to become effective.
		kube.Eventually(t, 30*time.Second, func() error {
			out, err := p.run("kubectl rollcall nodes prod-eu --kubeconfig " + kubeconfig + " --server " + master.URL + " --insecure-skip-tls-verify")
			if err == nil && !strings.Contains(out, "node-") {
				err = errors.New("no nodes")
			}
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			return err
		})
	})
	t.Run("a user without rights sees nothing", func(t *testing.T) {
		_, kubeconfig, err := hub.User("nobody")
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.run("kubectl rollcall nodes prod-eu --kubeconfig " + kubeconfig + " --server " + master.URL + " --insecure-skip-tls-verify")
		if err == nil || !strings.Contains(out, "Error from server (") || strings.Contains(out, "node-") {
			t.Errorf("got %v\n%s\nwant an error from the server and no node", err, out)
		}
	})
}

// execKubeconfig returns a kubeconfig with the rights of a viewer, whose token an exec plugin prints,
// as in clusters of cloud providers.
func execKubeconfig(t *testing.T, hub *kube.Cluster) string {
	t.Helper()
	for _, command := range []string{
		"apply -k " + filepath.Join(repository, "config/rbac/viewer"),
		"create serviceaccount viewer -n default",
		"create clusterrolebinding viewer-by-program --clusterrole rollcall-viewer --serviceaccount default:viewer",
	} {
		if _, err := hub.Kubectl(strings.Fields(command)...); err != nil {
			t.Fatal(err)
		}
	}
	account, plain, err := hub.ServiceAccount(t.Context(), "default", "viewer")
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.LoadFromFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	const version = "client.authentication.k8s.io/v1"
	credential := fmt.Sprintf(`{"apiVersion": %q, "kind": "ExecCredential", "status": {"token": %q}}`, version, account.BearerToken)
	for name := range config.AuthInfos {
		config.AuthInfos[name] = &clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{
			APIVersion: version, Command: "echo", Args: []string{credential}, InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
		}}
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// registerMasterPod registers the master as a pod of the hub, on a node whose fake kubelet can only
// forward the pod's port. Everything between kubectl and that kubelet is real.
func registerMasterPod(t *testing.T, hub *kube.Cluster, master *stack.Master) {
	t.Helper()
	at, err := url.Parse(master.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(kubelet.Forward(at.Host, port))
	server.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
	server.StartTLS()
	t.Cleanup(server.Close)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "hub-node"}}
	node, err = hub.Client().CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(server.Listener.Addr().(*net.TCPAddr).Port)
	if _, err := hub.Client().CoreV1().Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	pods := hub.Client().CoreV1().Pods(stack.Namespace)
	pod, err := pods.Create(t.Context(), masterPod(int32(port)), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if _, err := pods.UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// masterPod returns the parts of config/master's pod that the API server requires.
func masterPod(port int32) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "rollcall-master-0", Labels: map[string]string{"app.kubernetes.io/name": "rollcall-master"}},
		Spec: corev1.PodSpec{
			NodeName: "hub-node", ServiceAccountName: "rollcall-master", AutomountServiceAccountToken: new(bool),
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "master", Image: "rollcall-master", Ports: []corev1.ContainerPort{{Name: "https", ContainerPort: port}},
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			}},
		},
	}
}
