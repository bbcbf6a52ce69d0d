package realnode

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"rollcall.dev/rollcall/test/kube"
)

// joinTime is the time in which one command must join a cluster, with images present.
const joinTime = 20 * time.Second

// administrator runs commands with the plugin and a kubeconfig of both clusters.
type administrator struct {
	*installation
	t   *testing.T
	env []string
	// succeeded has the commands that have succeeded.
	succeeded map[string]bool
}

// newAdministrator installs a master at a node port, and builds the plugin and Helm.
func newAdministrator(t *testing.T) *administrator {
	t.Helper()
	in := newInstallation(t)
	in.shell(in.hub, "kubectl apply -k config/master\nkubectl -n rollcall-system patch service rollcall-master -p '{\"spec\":{\"type\":\"NodePort\"}}'")
	t.Cleanup(func() {
		for _, cluster := range []*kube.Cluster{in.hub.Cluster, in.member.Cluster} {
			if _, err := cluster.Kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait", "--timeout=2m"); err != nil {
				t.Error(err)
			}
		}
		if _, err := in.hub.Cluster.Kubectl("delete", "-k", filepath.Join(in.dir, "config/crd"), "--ignore-not-found"); err != nil {
			t.Error(err)
		}
	})
	kube.Eventually(t, timeout, func() error { return ready(in.hub, masterName) })
	binaries, err := kube.Binaries()
	if err != nil {
		t.Fatal(err)
	}
	in.buildTools()
	a := &administrator{installation: in, t: t, succeeded: map[string]bool{}}
	a.env = []string{"PATH=" + in.bin + ":" + binaries + ":" + os.Getenv("PATH"), "HOME=" + in.dir, "KUBECONFIG=" + a.kubeconfig()}
	return a
}

// kubeconfig writes a kubeconfig with the contexts hub, which is the current one, and prod-eu-admin.
func (a *administrator) kubeconfig() string {
	a.t.Helper()
	all := clientcmdapi.NewConfig()
	all.CurrentContext = "hub"
	for name, cluster := range map[string]*kube.Cluster{"hub": a.hub.Cluster, "prod-eu-admin": a.member.Cluster} {
		c := cluster.Config()
		all.Clusters[name] = &clientcmdapi.Cluster{Server: c.Host, CertificateAuthorityData: c.CAData}
		all.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: c.CertData, ClientKeyData: c.KeyData}
		all.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	}
	path := filepath.Join(a.dir, "kubeconfig")
	if err := clientcmd.WriteToFile(*all, path); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// run runs commands in a shell, and returns their output.
func (a *administrator) run(commands string) (string, error) {
	a.t.Helper()
	cmd := exec.CommandContext(a.t.Context(), "sh", "-ec", commands)
	cmd.Dir, cmd.Env = a.dir, a.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// must runs commands that have to succeed, and print each of the texts.
func (a *administrator) must(commands string, texts ...string) string {
	a.t.Helper()
	out, err := a.run(commands)
	if err != nil {
		a.t.Fatalf("%s: %v\n%s", commands, err, out)
	}
	a.succeeded[commands] = true
	a.t.Logf("$ %s\n%s", commands, out)
	a.contains(commands, out, texts)
	return out
}

// fails runs commands that have to fail, and print each of the texts.
func (a *administrator) fails(commands string, texts ...string) {
	a.t.Helper()
	out, err := a.run(commands)
	if err == nil {
		a.t.Errorf("%s: succeeded\n%s", commands, out)
	}
	a.t.Logf("$ %s\n%s", commands, out)
	a.contains(commands, out, texts)
}

func (a *administrator) contains(commands, out string, texts []string) {
	a.t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			a.t.Errorf("%s: the output has no %q:\n%s", commands, text, out)
		}
	}
}

// TestJoin joins a cluster without an inbound port with one command, on real nodes.
func TestJoin(t *testing.T) {
	a := newAdministrator(t)
	t.Run("one command joins", a.checkJoin)
	t.Run("a second run repairs", a.checkRepair)
	t.Run("check finds faults", a.checkCheck)
	t.Run("rotate-key replaces the key", a.checkRotation)
	t.Run("a hub that cannot be reached is told", a.checkUnreachableHub)
	t.Run("the master dials a node port", a.checkDial)
	t.Run("leave cuts the link and removes the agent", a.checkLeave)
	t.Run("a join token joins", a.checkToken)
	t.Run("a chart joins with a join token", a.checkChart)
	t.Run("manifests are written", a.checkManifests)
	for _, section := range []string{"One command", "Check, rotate the key, leave", "A join token", "One commit for many clusters"} {
		a.checkDocumented(section)
	}
}

// checkDocumented checks that each command in a section of docs/JOIN.md has been run.
func (a *administrator) checkDocumented(section string) {
	a.t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "docs/JOIN.md"))
	if err != nil {
		a.t.Fatal(err)
	}
	_, content, _ := strings.Cut(string(text), "\n## "+section+"\n")
	content, _, _ = strings.Cut(content, "\n## ")
	commands := 0
	for _, block := range strings.Split(content, "```sh\n")[1:] {
		block, _, _ = strings.Cut(block, "\n```")
		for _, command := range strings.Split(block, "\n") {
			if commands++; !a.succeeded[command] {
				a.t.Errorf("docs/JOIN.md, %q: no test has run %s", section, command)
			}
		}
	}
	if commands == 0 {
		a.t.Errorf("docs/JOIN.md has no commands in the section %q", section)
	}
}

func (a *administrator) checkToken(t *testing.T) {
	a = a.in(t)
	a.must("kubectl rollcall token create prod-eu --ttl 15m > prod-eu.token", "the token works once, for this name")
	a.must("kubectl rollcall join --token-file prod-eu.token --context prod-eu-admin", "✓ token", "✓ link", "prod-eu has joined")
	a.must("kubectl rollcall check prod-eu --context prod-eu-admin", "key accepted by enrolment with a JoinToken", "prod-eu works")
	a.must("kubectl rollcall leave prod-eu --context prod-eu-admin", "with the agent's key")
}

// checkChart installs an agent that dials the hub by its chart only.
func (a *administrator) checkChart(t *testing.T) {
	a = a.in(t)
	a.must("kubectl --context prod-eu-admin wait --for=delete namespace/rollcall-system --timeout=2m") // leave does not wait for it
	a.must("kubectl rollcall token create prod-us --ttl 15m > prod-us.token")
	a.must("helm --kube-context prod-eu-admin upgrade --install rollcall-agent config/charts/rollcall-agent --namespace rollcall-system --create-namespace --set-file hub.joinToken=prod-us.token")
	a.must("kubectl wait --for=condition=Linked clusteragent/prod-us --timeout=60s")
	a.must("kubectl rollcall pods prod-us --no-headers", "rollcall-agent")
	a.must("helm --kube-context prod-eu-admin uninstall rollcall-agent --namespace rollcall-system --wait")
	a.must("kubectl rollcall leave prod-us", "deleted the ClusterAgent prod-us")
	a.must("kubectl --context prod-eu-admin delete namespace rollcall-system --wait --timeout=2m")
}

func (a *administrator) checkManifests(t *testing.T) {
	a = a.in(t)
	a.must("kubectl --context hub -n rollcall-system create configmap rollcall-hub --from-literal=address=wss://rollcall.example:443")
	a.must("kubectl rollcall join --all-contexts --manifests clusters --hub-context hub", "wss://rollcall.example:443 (ConfigMap rollcall-hub)", "✓ prod-eu-admin", "left out: its context is for the same cluster as the hub", "1 cluster in clusters")
	a.must("kubectl --context hub apply --dry-run=server -k clusters/hub", "clusteragent.rollcall.dev/prod-eu-admin created")
	a.must("kubectl --context prod-eu-admin apply --dry-run=client -k clusters/members/prod-eu-admin", "deployment.apps/rollcall-agent created")
	a.must("kubectl --context hub -n rollcall-system delete configmap rollcall-hub")
}

// in returns an administrator for a subtest.
func (a *administrator) in(t *testing.T) *administrator {
	b := *a
	b.t = t
	return &b
}

func (a *administrator) checkJoin(t *testing.T) {
	a = a.in(t)
	a.must("kubectl rollcall join prod-eu --context prod-eu-admin --hub-context hub --dry-run=server -o yaml", "would apply 14 objects: 14 created", "Nothing was changed")
	if out := a.must("kubectl --context prod-eu-admin get namespace rollcall-system --ignore-not-found -o name"); out != "" {
		t.Errorf("--dry-run=client created %s", out)
	}
	started := time.Now()
	a.must("kubectl rollcall join prod-eu --context prod-eu-admin --hub-context hub", "✓ link", "✓ first answer", "prod-eu has joined")
	if took := time.Since(started); took > joinTime {
		t.Errorf("joined in %s, want at most %s", took, joinTime)
	} else {
		t.Logf("joined by 1 command in %.1f s", took.Seconds())
	}
	if services := a.must("kubectl --context prod-eu-admin -n rollcall-system get services -o name"); services != "" {
		t.Errorf("got the Services %s, want none, since the agent dials", services)
	}
	a.must("kubectl rollcall pods prod-eu --no-headers", "rollcall-agent")
}

func (a *administrator) checkRepair(t *testing.T) {
	a = a.in(t)
	a.must("kubectl rollcall join prod-eu --context prod-eu-admin --hub-context hub", "0 created, 0 changed, 14 unchanged", "is up to date")
	a.must("kubectl --context prod-eu-admin -n rollcall-system delete deployment/rollcall-agent secret/rollcall-agent-tls configmap/rollcall-agent-pin")
	a.must("kubectl rollcall join prod-eu --context prod-eu-admin --hub-context hub", "3 created, 0 changed, 11 unchanged", "ClusterAgent prod-eu changed", "prod-eu has joined")
}

func (a *administrator) checkCheck(t *testing.T) {
	a = a.in(t)
	a.must("kubectl rollcall check prod-eu --context prod-eu-admin --hub-context hub", "✓ keys", "✓ link", "✓ answer", "prod-eu works")
	a.must("kubectl rollcall check prod-eu", "✓ link", "✓ answer")
	a.fails("kubectl rollcall check prod-us", "there is no ClusterAgent prod-us", "kubectl rollcall join prod-us")
	a.must("kubectl --context prod-eu-admin -n rollcall-system scale deployment/rollcall-agent --replicas=0")
	kube.Eventually(t, timeout, func() error {
		out, err := a.run("kubectl rollcall check prod-eu --context prod-eu-admin --hub-context hub")
		if err == nil || !strings.Contains(out, "✗ agent") || !strings.Contains(out, "✗ link") {
			return fmt.Errorf("got %s, want that agent and link fail", fmt.Sprint(err))
		}
		return nil
	})
	a.must("kubectl rollcall join prod-eu --context prod-eu-admin --hub-context hub", "prod-eu has joined")
}

func (a *administrator) checkRotation(t *testing.T) {
	a = a.in(t)
	const pins = "kubectl get clusteragent prod-eu -o jsonpath='{.spec.tls.pinnedSHA256}'"
	before := a.must(pins)
	a.must("kubectl rollcall rotate-key prod-eu --context prod-eu-admin --hub-context hub", "✓ old key", "✓ new key", "✓ link", "prod-eu has a new key")
	if after := a.must(pins); after == before || len(after) != len(before) {
		t.Errorf("got the pins %s, before %s", after, before)
	}
	a.must("kubectl rollcall check prod-eu --context prod-eu-admin --hub-context hub", "✓ keys", "prod-eu works")
}

// checkUnreachableHub sets an address at which nothing listens. The objects existed before, so they stay.
func (a *administrator) checkUnreachableHub(t *testing.T) {
	a = a.in(t)
	a.fails("kubectl rollcall join prod-eu --context prod-eu-admin --hub-address wss://"+a.hub.Address+":9 --wait 15s",
		"✗ link", "no connection within 15s", "the agent says: dial wss://"+a.hub.Address+":9", "connection refused", "these existed before and stay as this run has changed them: ", "Deployment rollcall-system/rollcall-agent")
	a.must("kubectl rollcall join prod-eu --context prod-eu-admin --hub-context hub", "1 changed", "prod-eu has joined")
}

func (a *administrator) checkDial(t *testing.T) {
	a = a.in(t)
	a.must("kubectl rollcall join prod-eu --context prod-eu-admin --hub-context hub --expose NodePort", "Dial: the hub dials the agent", "endpoint wss://"+a.member.Address+":30743", "prod-eu has joined")
	a.fails("kubectl rollcall join prod-eu --context prod-eu-admin --endpoint wss://"+a.member.Address+":9", "✗ link", "no connection within 10s", "DialFailed")
	a.must("kubectl rollcall join prod-eu --context prod-eu-admin --hub-context hub", "Reverse: the agent dials the hub", "prod-eu has joined")
}

func (a *administrator) checkLeave(t *testing.T) {
	a = a.in(t)
	a.must("kubectl rollcall leave prod-eu --context prod-eu-admin --hub-context hub", "✓ registration", "✓ link", "with the agent's key")
	a.fails("kubectl rollcall nodes prod-eu", "not found")
	kube.Eventually(t, timeout, func() error {
		out, err := a.run("kubectl --context prod-eu-admin get namespace,clusterrole,clusterrolebinding -o name | grep rollcall || true")
		if err == nil && strings.TrimSpace(out) != "" {
			err = fmt.Errorf("these stay: %s", out)
		}
		return err
	})
	a.must("kubectl rollcall leave prod-eu --context prod-eu-admin --hub-context hub", "there is no ClusterAgent prod-eu", "nothing of `kubectl rollcall join` is in the cluster")
}
