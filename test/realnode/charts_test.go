package realnode

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"rollcall.dev/rollcall/test/kube"
)

// maxCommands is the number of commands from a hub with nothing to the first response of its first cluster.
const maxCommands = 4

// keySecrets are the Secrets with keys, which a removal leaves.
var keySecrets = map[bool][]string{true: {"rollcall-master-signing-key", "rollcall-master-ca"}, false: {"rollcall-agent-tls"}}

// checkCharts installs the charts with the commands of README.md, upgrades them, and removes them.
func (in *installation) checkCharts() {
	in.t.Helper()
	kubeconfig := in.writeContexts()
	in.buildTools()
	for _, node := range []*kube.Node{in.hub, in.member} { // what other tests have left
		in.shell(node, "kubectl delete --ignore-not-found -k config/agent\nkubectl delete --ignore-not-found -k config/master")
	}
	in.before = map[*kube.Node][]string{in.hub: in.objects(in.hub), in.member: in.objects(in.member)}
	install := strings.ReplaceAll(block(in.t, "README.md", "## Install it", 1), "10.20.0.7", in.member.Address)
	look := block(in.t, "README.md", "## Look", 1)
	if n := len(regexp.MustCompile(`(?m)^(helm|kubectl) `).FindAllString(install+look, -1)); n > maxCommands {
		in.t.Errorf("README.md: got %d commands to the first response, want at most %d:\n%s%s", n, maxCommands, install, look)
	}
	started := time.Now()
	in.shellWith(kubeconfig, install)
	in.checkStatus(kubeconfig, look)
	took := time.Since(started)
	in.t.Logf("first response %.1f s after the first command with the charts", took.Seconds())
	if took > firstResponse {
		in.t.Errorf("first response after %s, want at most %s", took, firstResponse)
	}

	in.shellWith(kubeconfig, block(in.t, "README.md", "## Install it", 2))
	in.shell(in.hub, "kubectl delete clusterrolebinding rollcall-viewers")

	keys := in.keys()
	in.shellWith(kubeconfig, strings.ReplaceAll(install, " --wait", " --wait --set logLevel=debug"))
	in.checkStatus(kubeconfig, look)
	if got := in.keys(); got != keys {
		in.t.Error("the upgrade has changed a key")
	}
	for name, node := range map[string]*kube.Node{masterName: in.hub, agentName: in.member} {
		if args := in.shell(node, "kubectl -n rollcall-system get deployment "+name+" -o jsonpath='{.spec.template.spec.containers[0].args}'"); !strings.Contains(args, "--log-level=debug") {
			in.t.Errorf("%s: got the arguments %s, want the value of the upgrade", name, args)
		}
	}

	in.shell(in.member, block(in.t, "docs/HELM.md", "## Upgrade and removal", 1))
	in.shell(in.hub, block(in.t, "docs/HELM.md", "## Upgrade and removal", 2))
	in.checkRest(in.hub, "ClusterAgent prod-eu", "ClusterStatus prod-eu", "CustomResourceDefinition clusteragents.rollcall.dev", "CustomResourceDefinition clusterstatuses.rollcall.dev")
	in.checkRest(in.member)
	if got := in.keys(); got != keys {
		in.t.Error("the removal has changed a key")
	}
	in.shell(in.hub, "kubectl delete crd clusteragents.rollcall.dev clusterstatuses.rollcall.dev\nkubectl delete namespace rollcall-system")
	in.shell(in.member, "kubectl delete namespace rollcall-system")
}

// checkStatus runs the command that shows the cluster, and checks that it reports.
func (in *installation) checkStatus(kubeconfig, command string) {
	in.t.Helper()
	if out := in.shellWith(kubeconfig, command); !regexp.MustCompile(`(?m)^` + memberName + ` +Reporting `).MatchString(out) {
		in.t.Errorf("%s: got\n%s\nwant %s reporting", command, out, memberName)
	}
}

// writeContexts writes a kubeconfig with the contexts hub and prod-eu, and returns its path.
func (in *installation) writeContexts() string {
	in.t.Helper()
	all := clientcmdapi.NewConfig()
	for name, node := range map[string]*kube.Node{"hub": in.hub, memberName: in.member} {
		own, err := clientcmd.LoadFromFile(node.Cluster.Kubeconfig)
		if err != nil {
			in.t.Fatal(err)
		}
		context := own.Contexts[own.CurrentContext]
		all.Clusters[name], all.AuthInfos[name] = own.Clusters[context.Cluster], own.AuthInfos[context.AuthInfo]
		all.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	}
	path := filepath.Join(in.dir, "contexts")
	if err := clientcmd.WriteToFile(*all, path); err != nil {
		in.t.Fatal(err)
	}
	return path
}

// buildTools adds helm and the plugin of kubectl to bin.
func (in *installation) buildTools() {
	in.t.Helper()
	for _, command := range []*exec.Cmd{
		exec.CommandContext(in.t.Context(), "go", "build", "-o", in.bin, "./cmd/kubectl-rollcall"),
		exec.CommandContext(in.t.Context(), "sh", "-ec", `ln -s "$(hack/tool.sh --path helm)/helm" "$1"`, "sh", in.bin),
	} {
		command.Dir = repository
		if out, err := command.CombinedOutput(); err != nil {
			in.t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
}

// keys returns the data of all Secrets with keys.
func (in *installation) keys() string {
	in.t.Helper()
	var all []string
	for _, node := range []*kube.Node{in.hub, in.member} {
		for _, name := range keySecrets[node == in.hub] {
			all = append(all, in.shell(node, "kubectl -n rollcall-system get secret "+name+" -o jsonpath='{.data}'"))
		}
	}
	return strings.Join(all, "\n")
}

// objects returns the kinds and names of all objects with the name of Rollcall, and of those in its namespace.
func (in *installation) objects(node *kube.Node) []string {
	in.t.Helper()
	out := in.shell(node, `kinds=$(kubectl api-resources --verbs=list -o name | grep -v -e '^events' -e '^componentstatuses' -e '^apiservices' -e metrics.k8s.io | paste -sd, -)
kubectl get "$kinds" --all-namespaces -o jsonpath='{range .items[*]}{.kind} {.metadata.name} {.metadata.namespace}{"\n"}{end}'`)
	var found []string
	for line := range strings.Lines(out) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, inNamespace, _ := strings.Cut(rest, " ")
		ofRollcall := strings.Contains(name, "rollcall") || inNamespace == namespace || strings.HasPrefix(kind, "Cluster") && name == memberName
		if ofRollcall && !slices.Contains([]string{"kube-root-ca.crt", "default"}, name) {
			found = append(found, kind+" "+name)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// checkRest checks which objects a removal has left, beside those of before the installation.
func (in *installation) checkRest(node *kube.Node, want ...string) {
	in.t.Helper()
	want = append(append(want, "Namespace "+namespace), in.before[node]...)
	for _, name := range keySecrets[node == in.hub] {
		want = append(want, "Secret "+name)
	}
	slices.Sort(want)
	kube.Eventually(in.t, timeout, func() error {
		if got := in.objects(node); !slices.Equal(got, want) {
			return fmt.Errorf("after the removal: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		return nil
	})
}

// checkManifestsAgain applies the manifests again, as an upgrade does, and then removes them.
func (in *installation) checkManifestsAgain() {
	in.t.Helper()
	keys := in.keys()
	in.shell(in.hub, block(in.t, installGuide, "## Upgrade", 1))
	in.shell(in.member, block(in.t, installGuide, "## Upgrade", 2))
	if got := in.keys(); got != keys {
		in.t.Error("applying the manifests again has changed a key")
	}
	in.shell(in.member, block(in.t, installGuide, "## Removal", 1))
	in.shell(in.hub, block(in.t, installGuide, "## Removal", 2))
	for _, node := range []*kube.Node{in.hub, in.member} {
		kube.Eventually(in.t, timeout, func() error {
			for _, o := range in.objects(node) {
				if !slices.Contains(in.before[node], o) && o != "ClusterRoleBinding rollcall-viewers" {
					return fmt.Errorf("the removal has left %s", o)
				}
			}
			return nil
		})
	}
}
