package realnode

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/stack"
)

const (
	repository = "../.."
	// installGuide has the commands of an installation by manifests.
	installGuide = "docs/INSTALL.md"
	// namespace, masterName and agentName are the names of the objects in config.
	namespace  = stack.Namespace
	masterName = "rollcall-master"
	agentName  = "rollcall-agent"
	// memberName is the name of the cluster in the documents.
	memberName = "prod-eu"
)

// installation is Rollcall on a hub and a member with real nodes and a link between them.
type installation struct {
	t           *testing.T
	hub, member *kube.Node
	link        *kube.Link
	// dir is the working directory of the commands, bin has the executables of the images.
	dir, bin string
	// before are the objects of before the installation, of other tests.
	before map[*kube.Node][]string
	// caller sends requests to the master, from the hub's node.
	caller *http.Client
	token  string
}

// newInstallation starts the clusters, and builds and imports the images of a release. Nothing is installed yet.
func newInstallation(t *testing.T) *installation {
	t.Helper()
	member := sharedNode(t)
	hub := kube.Shared(t, kube.Options{Name: "hub", RealNode: true}).Node()
	link, err := kube.Connect(hub, member)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(link.Close)
	in := &installation{t: t, hub: hub, member: member, link: link, dir: t.TempDir()}
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "config"), filepath.Join(in.dir, "config")); err != nil {
		t.Fatal(err)
	}
	images, err := stack.BuildImages(t.Context(), filepath.Join(t.TempDir(), "images"))
	if err != nil {
		t.Fatal(err)
	}
	in.bin = filepath.Dir(images.Executable(masterName))
	for name, node := range map[string]*kube.Node{masterName: hub, agentName: member} {
		if err := node.ImportArchive(t.Context(), images.Archive(name), images.Ref(name)); err != nil {
			t.Fatal(err)
		}
	}
	return in
}

// install runs the commands of docs/INSTALL.md on hub and member, and registers the member.
func (in *installation) install() {
	in.t.Helper()
	in.shell(in.hub, block(in.t, installGuide, "### The hub", 1))
	kube.Eventually(in.t, timeout, func() error { return ready(in.hub, masterName) })
	in.shell(in.hub, block(in.t, installGuide, "### The hub", 2))
	in.shell(in.member, block(in.t, installGuide, "### Each member cluster", 1))
	kube.Eventually(in.t, timeout, func() error { return ready(in.member, agentName) })
	pin := in.shell(in.member, block(in.t, installGuide, "### Each member cluster", 2))
	registration := strings.NewReplacer(
		"10.20.0.7", in.member.Address,
		"132b8e5864a97a36cc40e416c0eba9c9ad9ce57edfb30aaf8771c7ce6a5ae530", pin,
	).Replace(block(in.t, installGuide, "### Register the cluster", 1))
	if _, err := in.hub.Cluster.KubectlInput(registration, "apply", "-f", "-"); err != nil {
		in.t.Fatal(err)
	}
	in.shell(in.hub, "kubectl create serviceaccount viewer\n"+
		"kubectl create clusterrolebinding rollcall-viewers --clusterrole rollcall-viewer --serviceaccount default:viewer")
	in.token = in.shell(in.hub, "kubectl create token viewer")
	in.shell(in.hub, block(in.t, installGuide, "### The hub", 3))
	in.connect()
}

// block returns the nth block after a heading of a document.
func block(t *testing.T, document, heading string, nth int) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, document))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n"+heading+"\n")
	parts := strings.Split(section, "\n```")
	if !found || len(parts) < 2*nth {
		t.Fatalf("%s: no block %d after %q", document, nth, heading)
	}
	_, content, _ := strings.Cut(parts[2*nth-1], "\n") // without the block's language
	return content + "\n"
}

// shell runs commands with kubectl for the cluster of a node, and returns what they print to standard output.
func (in *installation) shell(node *kube.Node, commands string) string {
	in.t.Helper()
	return in.shellWith(node.Cluster.Kubeconfig, commands)
}

// shellWith is like shell, with a kubeconfig.
func (in *installation) shellWith(kubeconfig, commands string) string {
	in.t.Helper()
	binaries, err := kube.Binaries()
	if err != nil {
		in.t.Fatal(err)
	}
	cmd := exec.CommandContext(in.t.Context(), "sh", "-ec", commands)
	cmd.Dir = in.dir
	cmd.Env = []string{"PATH=" + in.bin + ":" + binaries + ":" + os.Getenv("PATH"), "KUBECONFIG=" + kubeconfig, "HOME=" + in.dir}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		in.t.Fatalf("%s: %v\n%s%s", commands, err, out, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// connect makes a client for the master's Service, which verifies it with the published CA in ca.crt.
func (in *installation) connect() {
	in.t.Helper()
	bundle, err := os.ReadFile(filepath.Join(in.dir, "ca.crt"))
	if err != nil {
		in.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		in.t.Fatalf("the published CA has no certificate: %q", bundle)
	}
	service, err := in.hub.Cluster.Client().CoreV1().Services(namespace).Get(in.t.Context(), masterName, metav1.GetOptions{})
	if err != nil {
		in.t.Fatal(err)
	}
	address := net.JoinHostPort(service.Spec.ClusterIP, "443")
	in.caller = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return in.hub.Dial(ctx, network, address)
		},
	}}
}

// get sends a GET for a path of the member to the master, and decodes the response.
func (in *installation) get(path string, into any) error {
	request, err := http.NewRequestWithContext(in.t.Context(), http.MethodGet, "https://rollcall-master.rollcall-system.svc/api/v1/clusters/"+memberName+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+in.token)
	response, err := in.caller.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", path, response.Status, body)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// deployedPod returns the only pod of one of the Deployments.
func deployedPod(node *kube.Node, name string) (*corev1.Pod, error) {
	pods, err := node.Cluster.Client().CoreV1().Pods(namespace).List(context.Background(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + name})
	if err != nil {
		return nil, err
	}
	if len(pods.Items) != 1 {
		return nil, fmt.Errorf("got %d pods of %s, want one", len(pods.Items), name)
	}
	return &pods.Items[0], nil
}

// ready returns an error with the reason unless the pod of a Deployment is ready.
func ready(node *kube.Node, name string) error {
	pod, err := deployedPod(node, name)
	if err != nil || podReady(pod) {
		return err
	}
	log, _ := node.Cluster.Kubectl("-n", namespace, "logs", "--tail=5", "deployment/"+name)
	return fmt.Errorf("%s is not ready: %+v\n%s", name, pod.Status, log)
}
