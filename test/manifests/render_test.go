// Package manifests tests the kustomize trees under config/: what they render to, that a
// master works with exactly the rights that they grant, and that pods survive attacks within their limits.
package manifests

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// repository is the root folder of the repository.
const repository = "../.."

// render renders a tree, as `kubectl kustomize` does.
func render(t *testing.T, tree string) resmap.ResMap {
	t.Helper()
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), tree)
	if err != nil {
		t.Fatalf("%s: %v", tree, err)
	}
	return rendered
}

// overlay renders a kustomization in which CONFIG is replaced by the path of config/.
func overlay(t *testing.T, kustomization string) resmap.ResMap {
	t.Helper()
	dir := t.TempDir()
	config, err := filepath.Abs(filepath.Join(repository, "config"))
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(dir, config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(strings.ReplaceAll(kustomization, "CONFIG", relative)), 0o600); err != nil {
		t.Fatal(err)
	}
	return render(t, dir)
}

// objects returns the objects of a kind in a rendered tree.
func objects[T any](t *testing.T, rendered resmap.ResMap, kind string) (all []T) {
	t.Helper()
	for _, r := range rendered.Resources() {
		if r.GetKind() != kind {
			continue
		}
		content, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		var object T
		if err := yaml.UnmarshalStrict(content, &object); err != nil {
			t.Fatalf("%s %s: %v", kind, r.GetName(), err)
		}
		all = append(all, object)
	}
	return all
}

// trees returns the folders under config/ with a Kustomization.
func trees(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(repository, "config"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "kustomization.yaml" {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), "kind: Kustomization") {
			all = append(all, filepath.Dir(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// rendered returns all rendered trees by name, and those with a component.
func rendered(t *testing.T) map[string]resmap.ResMap {
	t.Helper()
	all := map[string]resmap.ResMap{"cert-manager": overlay(t, certManager), "join-token": overlay(t, joinToken), "master-ha": overlay(t, masterHA)}
	for _, tree := range trees(t) {
		all[tree] = render(t, tree)
	}
	if len(all) < 8 {
		t.Fatalf("got %d trees, want crd, grafana, samples, master, agent and those of rbac", len(all))
	}
	return all
}

// certManager is an overlay with the component cert-manager, as the component's comment describes it.
const certManager = `
resources: [CONFIG/master]
components: [CONFIG/components/cert-manager]
`

// joinToken is an overlay with the component join-token.
const joinToken = `
resources: [CONFIG/agent]
components: [CONFIG/components/join-token]
`

// TestAgentWithAJoinTokenIsNotReached checks the component join-token: nobody may connect to the agent, and it starts
// without the ConfigMaps of config/agent.
func TestAgentWithAJoinTokenIsNotReached(t *testing.T) {
	r := overlay(t, joinToken)
	if services := objects[corev1.Service](t, r, "Service"); len(services) != 0 {
		t.Errorf("got %d Services, want none", len(services))
	}
	policies := objects[networkingv1.NetworkPolicy](t, r, "NetworkPolicy")
	if len(policies) != 1 || len(policies[0].Spec.Ingress) != 0 {
		t.Errorf("got the policies %+v, want one that allows nothing", policies)
	}
	pod := objects[appsv1.Deployment](t, r, "Deployment")[0].Spec.Template.Spec
	if !slices.Contains(pod.Containers[0].Args, "--join-token-file=/etc/rollcall/join/token") {
		t.Errorf("got the flags %q, want --join-token-file", pod.Containers[0].Args)
	}
	for _, v := range pod.Volumes {
		if v.ConfigMap != nil && !*v.ConfigMap.Optional || v.Secret != nil && !*v.Secret.Optional {
			t.Errorf("the volume %s is required, want it optional", v.Name)
		}
	}
}

// deployments returns the Deployments of all trees, by tree and name.
func deployments(t *testing.T) map[string]appsv1.Deployment {
	t.Helper()
	all := map[string]appsv1.Deployment{}
	for tree, r := range rendered(t) {
		for _, d := range objects[appsv1.Deployment](t, r, "Deployment") {
			all[tree+" "+d.Name] = d
		}
	}
	if len(all) != 5 {
		t.Fatalf("got %d Deployments, want those of master and agent, and those with a component", len(all))
	}
	return all
}

// version returns the content of the file VERSION.
func version(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(repository, "VERSION"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}

func TestImagesHaveTheBuiltVersion(t *testing.T) {
	want := version(t)
	if !regexp.MustCompile(`^v\d+\.\d+\.\d+$`).MatchString(want) {
		t.Errorf("VERSION: got %q, want a version such as v0.1.0", want)
	}
	for name, d := range deployments(t) {
		for _, c := range append(d.Spec.Template.Spec.InitContainers, d.Spec.Template.Spec.Containers...) {
			if got := d.Name + ":" + want; c.Image != got {
				t.Errorf("%s: got image %s, want %s, as in VERSION and config/components/version", name, c.Image, got)
			}
		}
	}
}

func TestPodsAreConfinedAndBounded(t *testing.T) {
	for name, d := range deployments(t) {
		pod := d.Spec.Template.Spec
		if s := pod.SecurityContext; s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: got pod security context %+v, want non-root and the runtime's seccomp profile", name, s)
		}
		if pod.HostNetwork || pod.HostPID || pod.HostIPC {
			t.Errorf("%s: got a host namespace, want none", name)
		}
		for _, v := range pod.Volumes {
			if v.HostPath != nil {
				t.Errorf("%s: got hostPath in volume %s, want none", name, v.Name)
			}
		}
		for _, c := range pod.Containers {
			s := c.SecurityContext
			if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
				s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
				t.Errorf("%s: got security context %+v, want no escalation, a read-only root file system and no capabilities", name, s)
			}
			if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
				t.Errorf("%s: got resources %+v, want requests of CPU and memory and a memory limit", name, c.Resources)
			}
			soft := slices.IndexFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "GOMEMLIMIT" })
			if soft < 0 || c.Env[soft].Value != fmt.Sprintf("%dMiB", c.Resources.Limits.Memory().Value()*9/10>>20) {
				t.Errorf("%s: got environment %+v, want GOMEMLIMIT at nine tenths of %s", name, c.Env, c.Resources.Limits.Memory())
			}
			if c.LivenessProbe == nil || c.ReadinessProbe == nil || c.LivenessProbe.HTTPGet.Port.StrVal != "health" || c.ReadinessProbe.HTTPGet.Port.StrVal != "health" {
				t.Errorf("%s: want both probes at the port health, which responds when all other connections are in use", name)
			}
		}
	}
}

// TestPodsAreReachedAtTheirServicesPortOnly compares the ports in NetworkPolicies with the target ports of
// the Services.
func TestPodsAreReachedAtTheirServicesPortOnly(t *testing.T) {
	for tree, r := range rendered(t) {
		policies := objects[networkingv1.NetworkPolicy](t, r, "NetworkPolicy")
		services := objects[corev1.Service](t, r, "Service")
		for _, d := range objects[appsv1.Deployment](t, r, "Deployment") {
			pod := labels.Set(d.Spec.Template.Labels)
			var allowed, served []string
			limited := false
			for _, p := range policies {
				if !labels.SelectorFromSet(p.Spec.PodSelector.MatchLabels).Matches(pod) || p.Namespace != d.Namespace {
					continue
				}
				limited = limited || slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress)
				for _, rule := range p.Spec.Ingress {
					if len(rule.Ports) == 0 {
						t.Errorf("%s: policy %s allows all ports", tree, p.Name)
					}
					for _, port := range rule.Ports {
						allowed = append(allowed, port.Port.String())
					}
				}
			}
			for _, s := range services {
				if !labels.SelectorFromSet(s.Spec.Selector).Matches(pod) {
					continue
				}
				for _, port := range s.Spec.Ports {
					served = append(served, port.TargetPort.String())
				}
			}
			if tree == "join-token" && limited && len(allowed)+len(served) == 0 {
				continue // the agent dials, and nobody reaches it
			}
			if !limited || !slices.Equal(allowed, served) || len(served) != 1 {
				t.Errorf("%s: %s: got ingress at %q (with a policy: %v), want the ports of its Service, %q", tree, d.Name, allowed, limited, served)
			}
			for _, c := range d.Spec.Template.Spec.Containers {
				if !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == served[0] }) {
					t.Errorf("%s: no container port is named %s", tree, served[0])
				}
			}
		}
	}
}

// rules returns all rules of roles in all trees, by the role's name.
func rules(t *testing.T) map[string][]rbacv1.PolicyRule {
	t.Helper()
	all := map[string][]rbacv1.PolicyRule{}
	for _, r := range rendered(t) {
		for _, role := range objects[rbacv1.Role](t, r, "Role") {
			all[role.Name] = role.Rules
		}
		for _, role := range objects[rbacv1.ClusterRole](t, r, "ClusterRole") {
			all[role.Name] = role.Rules
		}
	}
	return all
}

func TestRightsAreNarrow(t *testing.T) {
	for name, all := range rules(t) {
		for _, rule := range all {
			for _, words := range [][]string{rule.Verbs, rule.APIGroups, rule.Resources, rule.NonResourceURLs} {
				if slices.Contains(words, "*") {
					t.Errorf("%s has a wildcard: %v", name, rule)
				}
			}
			for _, never := range []string{"escalate", "bind", "impersonate", "deletecollection"} {
				if slices.Contains(rule.Verbs, never) {
					t.Errorf("%s grants %s", name, never)
				}
			}
			if !slices.Contains(rule.Resources, "secrets") && !slices.Contains(rule.Resources, "configmaps") {
				continue
			}
			want, known := ownObjects[name]
			if !known || !slices.Equal(rule.Verbs, want.verbs) || len(rule.ResourceNames) != 1 {
				t.Errorf("%s: got %v on %v %v, want only roles for a key of the own process, with one name per rule", name, rule.Verbs, rule.Resources, rule.ResourceNames)
				continue
			}
			for _, resource := range rule.Resources {
				if !slices.Contains(want.objects, resource+" "+rule.ResourceNames[0]) {
					t.Errorf("%s: got %v on %s %v, want only %v", name, rule.Verbs, resource, rule.ResourceNames, want.objects)
				}
			}
		}
	}
}

// ownObjects lists the only rights on Secrets and ConfigMaps that the trees grant, by role.
var ownObjects = map[string]struct{ verbs, objects []string }{
	"rollcall-master-serving-ca":  {[]string{"get", "update"}, []string{"secrets rollcall-master-ca", "configmaps rollcall-master-ca"}},
	"rollcall-master-ca-reader":   {[]string{"get"}, []string{"configmaps rollcall-master-ca"}},
	"rollcall-master-signing-key": {[]string{"get", "update"}, []string{"secrets rollcall-master-signing-key", "configmaps rollcall-master-public-key"}},
	"rollcall-agent-key":          {[]string{"get", "update"}, []string{"secrets rollcall-agent-tls", "configmaps rollcall-agent-pin"}},
}

// TestKeysAreShippedEmpty checks that the processes make all keys: their objects have no data, so that applying a tree
// again keeps what the processes have stored.
func TestKeysAreShippedEmpty(t *testing.T) {
	for tree, want := range map[string]struct{ objects, args []string }{
		"config/master": {
			[]string{"Secret rollcall-master-ca", "Secret rollcall-master-signing-key", "ConfigMap rollcall-master-ca", "ConfigMap rollcall-master-public-key"},
			[]string{
				"--serving-ca-secret=rollcall-master-ca", "--serving-ca-configmap=rollcall-master-ca", "--serving-cert-names=$(POD_IPS)",
				"--signing-key-secret=rollcall-master-signing-key", "--signing-key-configmap=rollcall-master-public-key",
			},
		},
		"config/agent": {
			[]string{"Secret rollcall-agent-tls", "ConfigMap rollcall-agent-pin"},
			[]string{"--tls-secret=rollcall-agent-tls", "--tls-pin-configmap=rollcall-agent-pin"},
		},
	} {
		r := render(t, filepath.Join(repository, tree))
		var got []string
		for _, s := range objects[corev1.Secret](t, r, "Secret") {
			got = append(got, "Secret "+s.Name)
			if s.Data != nil || s.StringData != nil {
				t.Errorf("%s: Secret %s has data, want none", tree, s.Name)
			}
		}
		for _, m := range objects[corev1.ConfigMap](t, r, "ConfigMap") {
			got = append(got, "ConfigMap "+m.Name)
			if m.Data != nil {
				t.Errorf("%s: ConfigMap %s has data, want none", tree, m.Name)
			}
		}
		slices.Sort(got)
		slices.Sort(want.objects)
		if !slices.Equal(got, want.objects) {
			t.Errorf("%s: got %q, want %q", tree, got, want.objects)
		}
		args := objects[appsv1.Deployment](t, r, "Deployment")[0].Spec.Template.Spec.Containers[0].Args
		for _, arg := range want.args {
			if !slices.Contains(args, arg) {
				t.Errorf("%s: got args %q, want %s", tree, args, arg)
			}
		}
	}
}

// masterArgs returns the arguments of the shipped master.
func masterArgs(t *testing.T) []string {
	t.Helper()
	return objects[appsv1.Deployment](t, render(t, filepath.Join(repository, "config/master")), "Deployment")[0].Spec.Template.Spec.Containers[0].Args
}

func TestClusterHasNoNameByDefault(t *testing.T) {
	agent := render(t, filepath.Join(repository, "config/agent"))
	if maps := objects[corev1.ConfigMap](t, agent, "ConfigMap"); slices.ContainsFunc(maps, func(m corev1.ConfigMap) bool { return m.Name == "rollcall-agent" }) {
		t.Errorf("got ConfigMaps %+v, want none with the name, which the installer sets", maps)
	}
	container := objects[appsv1.Deployment](t, agent, "Deployment")[0].Spec.Template.Spec.Containers[0]
	if !slices.Contains(container.Args, "--cluster-name=$(CLUSTER_NAME)") || container.Env[0].Name != "CLUSTER_NAME" || container.Env[0].Value != "" {
		t.Fatalf("got args %q and environment %+v, want the name from a ConfigMap", container.Args, container.Env)
	}
	// Optional, so that the agent starts without it and logs what to do.
	from := container.Env[0].ValueFrom.ConfigMapKeyRef
	if from.Name != "rollcall-agent" || from.Key != "cluster-name" || from.Optional == nil || !*from.Optional {
		t.Errorf("got the name from %+v, want key cluster-name of the optional ConfigMap rollcall-agent", from)
	}
}

// TestAnOverlayNamesTheCluster uses an overlay as the comment in config/agent describes it.
func TestAnOverlayNamesTheCluster(t *testing.T) {
	agent := overlay(t, `
resources: [CONFIG/agent]
configMapGenerator:
- {name: rollcall-agent, namespace: rollcall-system, literals: [cluster-name=prod-eu]}
`)
	maps := slices.DeleteFunc(objects[corev1.ConfigMap](t, agent, "ConfigMap"), func(m corev1.ConfigMap) bool { return m.Data == nil })
	if len(maps) != 1 || maps[0].Data["cluster-name"] != "prod-eu" {
		t.Fatalf("got ConfigMaps %+v, want one with the name", maps)
	}
	from := objects[appsv1.Deployment](t, agent, "Deployment")[0].Spec.Template.Spec.Containers[0].Env[0].ValueFrom.ConfigMapKeyRef
	if from.Name != maps[0].Name {
		t.Errorf("got the name from %s, want %s", from.Name, maps[0].Name)
	}
}
