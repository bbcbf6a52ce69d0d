package manifests

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/stack"
)

const (
	// cluster is the name of the agent's cluster.
	cluster = "limits"
	// callerTimeout is the time in which a caller must get a response during an attack. A request that fails is
	// retried on a new connection.
	callerTimeout = 15 * time.Second
)

// nodeEnvironment is a cluster with a real node, on which master and agent run as pods of config/.
type nodeEnvironment struct {
	t     *testing.T
	node  *kube.Node
	dir   string
	token string
	roots *x509.CertPool
	// master and agent are the addresses of their pods, reachable from the node.
	master, agent string
}

// TestMasterAndAgentSurviveAttacksWithinTheirLimits runs both as pods of the shipped
// manifests, so that the kernel enforces the memory limits and kills a process that exceeds them.
func TestMasterAndAgentSurviveAttacksWithinTheirLimits(t *testing.T) {
	env := &nodeEnvironment{t: t, node: kube.StartRealNode(t, kube.Options{Name: "limits"}), dir: t.TempDir()}
	for i := range sources {
		if err := env.node.AddAddresses(source(i) + "/32"); err != nil {
			t.Fatal(err)
		}
	}
	env.install()
	env.checkCgroupLimits()
	kube.Eventually(t, timeout, env.checkNodes)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			during := *env
			during.t = t
			stop := during.startCaller()
			a.run(&during)
			stop()
			during.checkSurvival()
		})
	}
}

// kubectl runs kubectl as the administrator and returns its output.
func (env *nodeEnvironment) kubectl(args ...string) string {
	env.t.Helper()
	out, err := env.node.Cluster.Kubectl(args...)
	if err != nil {
		env.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// kubectlInNamespace is like kubectl, in the namespace of master and agent.
func (env *nodeEnvironment) kubectlInNamespace(args ...string) string {
	env.t.Helper()
	return env.kubectl(append([]string{"-n", stack.Namespace}, args...)...)
}

// build builds the images of a release and imports them.
func (env *nodeEnvironment) build() {
	env.t.Helper()
	images, err := stack.BuildImages(env.t.Context(), filepath.Join(env.dir, "images"))
	if err != nil {
		env.t.Fatal(err)
	}
	for _, name := range []string{"rollcall-master", "rollcall-agent"} {
		if err := env.node.ImportArchive(env.t.Context(), images.Archive(name), images.Ref(name)); err != nil {
			env.t.Fatal(err)
		}
	}
}

// install follows the README, except that it sets the name of the cluster only after the agent has failed
// without it. The agent reads the public key that the master of the same namespace publishes.
func (env *nodeEnvironment) install() {
	env.t.Helper()
	env.build()
	env.kubectl("apply", "-k", filepath.Join(repository, "config/master"))
	env.kubectl("apply", "-k", filepath.Join(repository, "config/agent"))
	env.waitNameError()
	env.kubectlInNamespace("create", "configmap", "rollcall-agent", "--from-literal=cluster-name="+cluster)
	env.kubectlInNamespace("delete", "pod", "-l", "app.kubernetes.io/name=rollcall-agent")
	for _, name := range []string{"rollcall-master", "rollcall-agent"} {
		kube.Eventually(env.t, timeout, func() error { return env.ready(name) })
	}
	env.master, env.agent = env.address("rollcall-master", 8443), env.address("rollcall-agent", 7443)
	address := env.kubectlInNamespace("get", "service", "rollcall-agent", "-o", "jsonpath={.spec.clusterIP}")
	pin := env.kubectlInNamespace("get", "configmap", "rollcall-agent-pin", "-o", "jsonpath={.data.pin}")
	registration := fmt.Sprintf("apiVersion: rollcall.dev/v1alpha1\nkind: ClusterAgent\nmetadata: {name: %s}\nspec: {endpoint: 'wss://%s:7443', tls: {pinnedSHA256: [%s]}}\n", cluster, address, pin)
	if out, err := env.node.Cluster.KubectlInput(registration, "apply", "-f", "-"); err != nil {
		env.t.Fatalf("%v\n%s", err, out)
	}
	env.kubectl("-n", "default", "create", "serviceaccount", "viewer")
	env.kubectl("create", "clusterrolebinding", "viewer", "--clusterrole", "rollcall-viewer", "--serviceaccount", "default:viewer")
	env.token = strings.TrimSpace(env.kubectl("-n", "default", "create", "token", "viewer"))
	env.roots = x509.NewCertPool()
	if !env.roots.AppendCertsFromPEM([]byte(env.kubectlInNamespace("get", "configmap", ca, "-o", `jsonpath={.data.ca\.crt}`))) {
		env.t.Fatal("the master is ready, but has not published a CA")
	}
}

// waitNameError waits until the agent has logged how to set the missing name.
func (env *nodeEnvironment) waitNameError() {
	env.t.Helper()
	kube.Eventually(env.t, timeout, func() error {
		log, err := env.node.Cluster.Kubectl("-n", stack.Namespace, "logs", "deployment/rollcall-agent")
		if err == nil && !strings.Contains(log, "create configmap rollcall-agent --from-literal=cluster-name=NAME") {
			err = fmt.Errorf("agent without a name: got log %q, want the command that sets it", log)
		}
		return err
	})
}

// pod returns the only pod of a Deployment.
func (env *nodeEnvironment) pod(name string) (*corev1.Pod, error) {
	pods, err := env.node.Cluster.Client().CoreV1().Pods(stack.Namespace).List(context.Background(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + name})
	if err != nil {
		return nil, err
	}
	if len(pods.Items) != 1 || len(pods.Items[0].Status.ContainerStatuses) != 1 {
		return nil, fmt.Errorf("got %d pods of %s, want one with a container status", len(pods.Items), name)
	}
	return &pods.Items[0], nil
}

// ready returns an error with the reason unless the pod of a Deployment is ready.
func (env *nodeEnvironment) ready(name string) error {
	pod, err := env.pod(name)
	if err != nil {
		return err
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil {
			return nil
		}
	}
	log, _ := env.node.Cluster.Kubectl("-n", stack.Namespace, "logs", "--tail=5", "deployment/"+name)
	return fmt.Errorf("%s is not ready: %+v\n%s", name, pod.Status.ContainerStatuses[0], log)
}

// address returns the address of the pod of a Deployment.
func (env *nodeEnvironment) address(name string, port int) string {
	env.t.Helper()
	pod, err := env.pod(name)
	if err != nil {
		env.t.Fatal(err)
	}
	return net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(port))
}

// client returns an HTTP client that connects from a source address, or from the node's own if from
// is empty, and verifies the master's certificate with the published CA.
func (env *nodeEnvironment) client(from string, keep bool) *http.Client {
	return &http.Client{Timeout: callerTimeout, Transport: &http.Transport{
		DisableKeepAlives: !keep, TLSClientConfig: &tls.Config{RootCAs: env.roots},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if from == "" {
				return env.node.Dial(ctx, network, address)
			}
			return env.node.DialFrom(ctx, from, address)
		},
	}}
}

// request sends a request to the master with a token, and returns the status.
func (env *nodeEnvironment) request(client *http.Client, method, path, token string, form url.Values) (int, error) {
	request, err := http.NewRequest(method, "https://"+env.master+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// checkNodes returns an error unless the master serves the nodes of the cluster.
func (env *nodeEnvironment) checkNodes() error {
	status, err := env.request(env.client("", false), http.MethodGet, "/api/v1/clusters/"+cluster+"/nodes", env.token, nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("caller: got status %d, want 200", status)
	}
	return err
}

// startCaller sends requests one after the other, each on a new connection, until stop is called, and at least
// five. It fails the test if a request gets no response within callerTimeout, retries included.
func (env *nodeEnvironment) startCaller() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var asking sync.WaitGroup
	answered, longest := 0, time.Duration(0)
	asking.Go(func() {
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil || answered < 5 {
			startedAt := time.Now()
			err := env.checkNodes()
			for err != nil && time.Since(startedAt) < callerTimeout {
				<-ticker.C
				err = env.checkNodes()
			}
			if err != nil {
				env.t.Errorf("caller: got no response within %s: %v", callerTimeout, err)
			}
			answered, longest = answered+1, max(longest, time.Since(startedAt))
			<-ticker.C
		}
	})
	return func() {
		env.t.Helper()
		cancel()
		asking.Wait()
		env.t.Logf("caller: %d responses, the slowest after %s", answered, longest.Round(time.Millisecond))
	}
}

// checkCgroupLimits checks that the kernel's memory limits are those of the manifests.
func (env *nodeEnvironment) checkCgroupLimits() {
	env.t.Helper()
	for _, name := range []string{"rollcall-master", "rollcall-agent"} {
		pod, err := env.pod(name)
		if err != nil {
			env.t.Fatal(err)
		}
		want := pod.Spec.Containers[0].Resources.Limits.Memory().Value()
		got, err := memoryOf(pod, "memory.limit_in_bytes", "memory.max")
		if err != nil || got != want || want == 0 {
			env.t.Fatalf("memory limit of %s: got %d bytes, %v; want %d, as in the manifest", name, got, err, want)
		}
	}
}

// memoryOf returns the number in a file of the cgroup of a pod's container. names are its names in version 1 and 2.
func memoryOf(pod *corev1.Pod, names ...string) (int64, error) {
	_, id, _ := strings.Cut(pod.Status.ContainerStatuses[0].ContainerID, "://")
	var found string
	// A cgroup can disappear during the walk.
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, _ error) error {
		if entry == nil || !entry.IsDir() || entry.Name() != id {
			return nil
		}
		for _, name := range names {
			if _, err := os.Stat(filepath.Join(path, name)); err == nil {
				found = filepath.Join(path, name)
				return fs.SkipAll
			}
		}
		return nil
	})
	if err == nil && found == "" {
		err = errors.New("no cgroup of the container has any of the files")
	}
	if err != nil {
		return 0, err
	}
	content, err := os.ReadFile(found)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64)
}

// checkSurvival fails the test unless both pods become ready and no container has ever been
// restarted.
func (env *nodeEnvironment) checkSurvival() {
	env.t.Helper()
	for _, name := range []string{"rollcall-master", "rollcall-agent"} {
		pod, err := env.pod(name)
		if err != nil {
			env.t.Error(err)
			continue
		}
		if c := pod.Status.ContainerStatuses[0]; c.RestartCount > 0 || c.LastTerminationState.Terminated != nil {
			env.t.Errorf("%s: got %d restarts, the last after %+v; want none", name, c.RestartCount, c.LastTerminationState.Terminated)
		}
		kube.Eventually(env.t, timeout, func() error { return env.ready(name) })
		peak, err := memoryOf(pod, "memory.max_usage_in_bytes", "memory.peak")
		env.t.Logf("%s: peak memory so far %d MiB, limit %d MiB (%v)", name, peak>>20, pod.Spec.Containers[0].Resources.Limits.Memory().Value()>>20, err)
	}
	kube.Eventually(env.t, timeout, env.checkNodes)
}
